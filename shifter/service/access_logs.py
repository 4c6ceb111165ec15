"""The files that get a line for each request or connection.

Rule 1. Those of a configuration are opened before it serves, and one that cannot be opened refuses it. A file that several logs, or two
        configurations, have in common is opened once.
Rule 2. A file is closed when nothing is left that may still write to it; what it counted still counts.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from twisted.logger import Logger

from shifter.model.bootstrap import Bootstrap
from shifter.model.http_connection_manager import FileAccessLog
from shifter.observe.accesslog import AccessLogWriter, Sink, open_sink
from shifter.observe.server_stats import ServerStats
from shifter.proxy.access_log import AccessLog, compile_access_log
from shifter.routing.logfilter import compile_filter
from shifter.routing.runtime import Runtime

LAST = 5.0
"""Seconds that a disk may take for the last lines."""

_log = Logger()
_WARN_EVERY = 60.0


class AccessLogs:
    """See the module. *random* returns 63 random bits, *monotonic* the seconds of some clock, *opener* makes the sinks that lines go to."""

    def __init__(
        self, hostname: str, random: Callable[[], int], monotonic: Callable[[], float], opener: Callable[[str], Sink] = open_sink
    ) -> None:
        self._opener = opener
        self._hostname = hostname
        self._random = random
        self._monotonic = monotonic
        self._open: dict[str, AccessLogWriter] = {}
        self._to_be: dict[str, AccessLogWriter] = {}
        self._awaited: set[str] = set()  # what is prepared wants these, also where nobody else does any more
        self._closed: list[AccessLogWriter] = []
        self._told = 0
        self._failures_told = 0
        self._quiet_until = 0.0

    def prepare(self, bootstrap: Bootstrap, runtime: Runtime) -> None:
        """Open what *bootstrap* wants besides what is open. Raises `AccessLogError` and `RoutingError`; `discard` undoes the rest."""
        for config in _wanted(bootstrap):
            if config.filter is not None:  # compiled again behind `commit`, which is too late to find out that it cannot be
                compile_filter(config.filter, runtime, self._random)
            self._awaited.add(config.path)
            if config.path not in self._open and config.path not in self._to_be:
                self._to_be[config.path] = AccessLogWriter(config.path, self._opener)

    def discard(self) -> None:
        """Undo `prepare`."""
        for writer in self._to_be.values():
            writer.close()
        self._to_be = {}
        self._awaited = set()

    def commit(self) -> None:
        """What was prepared is in force."""
        self._open |= self._to_be
        self._to_be = {}
        self._awaited = set()

    def compile(self, configs: Sequence[FileAccessLog], runtime: Runtime, log_type: bytes = b"DownstreamEnd") -> list[AccessLog]:
        """Return *configs* at run time, with lines of the type *log_type* (``%ACCESS_LOG_TYPE%``)."""
        return [
            compile_access_log(config, self._open[config.path], runtime, self._random, hostname=self._hostname, log_type=log_type)
            for config in configs
        ]

    def flush(self, used: Iterable[AccessLog]) -> None:
        """Have the lines so far written, and close the files that are in none of the *used* logs, nor wanted by what is prepared."""
        for writer in self._open.values():
            writer.flush()
        writers = {access_log.writer for access_log in used}
        for path in [path for path, writer in self._open.items() if writer not in writers and path not in self._awaited]:
            writer = self._open.pop(path)
            writer.close()
            self._closed.append(writer)
        self._warn()

    def reopen(self) -> None:
        """Open every file anew by its name, for who rotates them."""
        for writer in (*self._open.values(), *self._to_be.values()):
            writer.reopen()

    def close(self) -> None:
        """Write what can be written, for `LAST` seconds at most, and nothing more."""
        for writer in self._open.values():
            writer.close()
        for writer in (*self._open.values(), *self._closed):
            writer.join(LAST)
        self._quiet_until = 0.0
        self._warn()

    def count(self, stats: ServerStats) -> None:
        """Have *stats* say what became of the lines."""
        writers = [*self._open.values(), *self._closed]
        stats.access_log_lines = sum(writer.lines for writer in writers)
        stats.access_log_writes = sum(writer.writes for writer in writers)
        stats.access_log_failures = sum(writer.failures for writer in writers)
        stats.access_log_reopen_failures = sum(writer.reopen_failures for writer in writers)
        stats.access_log_lost = sum(writer.lost for writer in writers)

    def __repr__(self) -> str:
        return f"<AccessLogs {', '.join(self._open)}>"

    def _warn(self) -> None:
        """Say that lines are lost, or that they wait because a file cannot be written, at most once a minute."""
        writers = self._open.values()
        lost, failures = sum(writer.lost for writer in writers), sum(writer.failures for writer in writers)
        now = self._monotonic()
        if now < self._quiet_until:
            return
        if lost > self._told:
            worst = max(writers, key=lambda writer: writer.lost)
            _log.warn("{count} access log lines were lost, most of them of {path}", count=lost - self._told, path=worst.path)
        elif failures > self._failures_told:
            worst = max(writers, key=lambda writer: writer.failures)
            _log.warn("the access log {path} cannot be written; its lines wait, as long as there is room for them", path=worst.path)
        else:
            return
        self._told, self._failures_told = lost, failures
        self._quiet_until = now + _WARN_EVERY


def _wanted(bootstrap: Bootstrap) -> Iterator[FileAccessLog]:
    for listener in bootstrap.listeners:
        yield from listener.access_log
        for chain in (*listener.filter_chains, listener.default_filter_chain):
            if chain is not None:
                yield from chain.filter.access_log
