"""Access logs, from the checked schema to the frozen model."""

from shifter.config.build_common import Sources, given, substitution_format
from shifter.config.build_log_filter import log_filter
from shifter.config.schema.access_log import STDERR_LOG, STDOUT_LOG, AccessLog
from shifter.model.format import SubstitutionFormat
from shifter.model.http_connection_manager import FileAccessLog


def access_logs(written: list[AccessLog], sources: Sources) -> tuple[FileAccessLog, ...]:
    """Return *written* as the model."""
    return tuple(_access_log(one, sources) for one in written)


def _access_log(written: AccessLog, sources: Sources) -> FileAccessLog:
    config = written.typed_config
    kind = config.type_url.rpartition("/")[2]
    path = {STDOUT_LOG: "/dev/stdout", STDERR_LOG: "/dev/stderr"}.get(kind, config.path or "")
    older = SubstitutionFormat(config.format, config.json_format if config.json_format is not None else config.typed_json_format)
    wanted = substitution_format(config.log_format, sources) or older
    return FileAccessLog(
        path,
        json=wanted.json,
        omit_empty_values=wanted.omit_empty_values,
        filter=log_filter(written.filter) if written.filter is not None else None,
        **given(format=wanted.text),
    )
