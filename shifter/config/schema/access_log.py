"""Access logs: ``accesslog.v3.AccessLog``, and the files and streams they are written to."""

from typing import Annotated, ClassVar

from shifter.config.schema.base import Bool, Choice, Message, Name, OneOf, Text, Typed, only
from shifter.config.schema.core import DataSource

FILE_LOG = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
STDOUT_LOG = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
STDERR_LOG = "envoy.extensions.access_loggers.stream.v3.StderrAccessLog"


class SubstitutionFormat(Choice):
    """``core.v3.SubstitutionFormatString``, text only."""

    envoy = "envoy.config.core.v3.SubstitutionFormatString"
    one_of = (OneOf(("text_format", "text_format_source"), ("json_format",), "this names no format"),)

    text_format: Text | None = None
    text_format_source: DataSource | None = None
    omit_empty_values: Annotated[Bool, only(False)] = False


class AccessLogConfig(Typed):
    """``access_loggers.file.v3.FileAccessLog``, or one of the two streams."""

    envoy = FILE_LOG
    types: ClassVar[tuple[str, ...]] = (FILE_LOG, STDOUT_LOG, STDERR_LOG)
    one_of = (OneOf(("format", "log_format"), ("json_format", "typed_json_format")),)

    path: Name | None = None
    format: Text | None = None
    log_format: SubstitutionFormat | None = None


class AccessLog(Message):
    """``accesslog.v3.AccessLog``."""

    envoy = "envoy.config.accesslog.v3.AccessLog"

    name: Text = ""
    typed_config: AccessLogConfig
