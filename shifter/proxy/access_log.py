"""An access log at run time: what lines it has, how they are worded, and the file that they go to.

Rule 1. What an access log does not ask for costs nothing: filters are a class of their own, and what is costly to find out is found
        out only where some log ``asks_for_more``.
"""

from collections.abc import Callable

from shifter.model.http_connection_manager import FileAccessLog
from shifter.observe.accesslog import AccessLogWriter
from shifter.observe.jsonformat import compile_json, json_asks_for_more
from shifter.observe.logformat import Formatter, LogEntry, asks_for_more, compile_format
from shifter.routing import logfilter
from shifter.routing.runtime import Runtime
from shifter.wire.heads import first_value


def _drop(line: bytes) -> None:
    """For what writes no lines."""


class AccessLog:
    """One access log of a connection manager, a TCP proxy or a listener: a compiled format and the file it goes to.

    *asks_for_more* as `logformat.asks_for_more` says of the format. *writer* is ``None`` for what is no file.
    """

    __slots__ = ("_format", "_take", "asks_for_more", "writer")

    def __init__(self, formatter: Formatter, writer: AccessLogWriter | None, asks_for_more: bool = True) -> None:
        self._format = formatter
        self.writer = writer
        self._take = writer.write if writer is not None else _drop
        self.asks_for_more = asks_for_more

    def write(self, entry: LogEntry) -> None:
        """Write the line of *entry*, if there is to be one."""
        self._take(self._format(entry))


class FilteredLog(AccessLog):
    """An access log that has lines of those entries alone that fit."""

    __slots__ = ("_fits",)

    def __init__(self, formatter: Formatter, writer: AccessLogWriter, fits: logfilter.Test, asks_for_more: bool = True) -> None:
        super().__init__(formatter, writer, asks_for_more)
        self._fits = fits

    def write(self, entry: LogEntry) -> None:
        if self._fits(entry, logfilter.head_of(entry)):
            super().write(entry)


def compile_access_log(
    config: FileAccessLog,
    writer: AccessLogWriter,
    runtime: Runtime,
    random: Callable[[], int],
    *,
    hostname: str = "-",
    log_type: bytes = b"DownstreamEnd",
) -> AccessLog:
    """Return *config* at run time, with lines of the type *log_type* (``%ACCESS_LOG_TYPE%``). Raises `FormatError` and `RoutingError`."""
    if config.json is not None:
        omit = config.omit_empty_values
        formatter = compile_json(config.json, omit_empty=omit, hostname=hostname, find=first_value, log_type=log_type)
        more = json_asks_for_more(config.json)
    else:
        unknown = b"" if config.omit_empty_values else b"-"
        formatter = compile_format(config.format, hostname=hostname, find=first_value, log_type=log_type, unknown=unknown)
        more = asks_for_more(config.format)
    if config.filter is None:
        return AccessLog(formatter, writer, more)
    fits = logfilter.compile_filter(config.filter, runtime, random, log_type.decode("ascii"))
    return FilteredLog(formatter, writer, fits, more or logfilter.asks_for_more(config.filter))
