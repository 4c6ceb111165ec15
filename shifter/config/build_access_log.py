"""Access logs, from the checked schema to the frozen model."""

from shifter.config.build_common import given
from shifter.config.schema.access_log import STDERR_LOG, STDOUT_LOG, AccessLog
from shifter.model.http_connection_manager import FileAccessLog


def access_logs(written: list[AccessLog]) -> tuple[FileAccessLog, ...]:
    """Return *written* as the model."""
    return tuple(map(_access_log, written))


def _access_log(written: AccessLog) -> FileAccessLog:
    config = written.typed_config
    kind = config.type_url.rpartition("/")[2]
    path = {STDOUT_LOG: "/dev/stdout", STDERR_LOG: "/dev/stderr"}.get(kind, config.path or "")
    line = config.format
    if config.log_format is not None:
        source = config.log_format.text_format_source
        line = source.inline_string if source is not None else config.log_format.text_format
    return FileAccessLog(path, **given(format=line))
