"""Access logs: ``accesslog.v3.AccessLog``, and the files and streams they are written to."""

from typing import ClassVar

from shifter.config.schema.base import Message, Name, OneOf, Struct, Text, Typed
from shifter.config.schema.core import SubstitutionFormatString
from shifter.config.schema.log_filter import AccessLogFilter

FILE_LOG = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
STDOUT_LOG = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
STDERR_LOG = "envoy.extensions.access_loggers.stream.v3.StderrAccessLog"


class AccessLogConfig(Typed):
    """``access_loggers.file.v3.FileAccessLog``, or one of the two streams."""

    envoy = FILE_LOG
    types: ClassVar[tuple[str, ...]] = (FILE_LOG, STDOUT_LOG, STDERR_LOG)
    one_of = (OneOf(("format", "json_format", "typed_json_format", "log_format")),)

    path: Name | None = None
    format: Text | None = None
    json_format: Struct | None = None
    typed_json_format: Struct | None = None
    log_format: SubstitutionFormatString | None = None


class AccessLog(Message):
    """``accesslog.v3.AccessLog``."""

    envoy = "envoy.config.accesslog.v3.AccessLog"

    name: Text = ""
    filter: AccessLogFilter | None = None
    typed_config: AccessLogConfig
