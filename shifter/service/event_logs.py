"""The files that get a line for what happens to endpoints: health checks, ejections.

Rule 1. The logs of a configuration are opened before it serves, for its first checks are made before, and one that cannot be opened
        refuses it. Those that it has in common with the one in force are opened once.
"""

from collections.abc import Callable, Iterable

from shifter.model.bootstrap import Bootstrap
from shifter.observe.accesslog import AccessLogWriter, Sink, open_sink
from shifter.service.access_logs import LAST
from shifter.upstream.health_check import HealthCheckEvent
from shifter.upstream.outlier_events import OutlierEvent


class EventLogs:
    """See the module. *wall* is the clock of the lines, *opener* makes the sinks that they go to."""

    def __init__(self, wall: Callable[[], float], opener: Callable[[str], Sink] = open_sink) -> None:
        self._opener = opener
        self._wall = wall
        self._open: dict[str, AccessLogWriter] = {}
        self._to_be: dict[str, AccessLogWriter] = {}
        self._of_outliers = ""

    def prepare(self, bootstrap: Bootstrap) -> None:
        """Open what *bootstrap* wants besides what is open. Raises `AccessLogError`; `discard` undoes the rest."""
        for path in _paths(bootstrap):
            if path not in self._open:
                self._to_be[path] = AccessLogWriter(path, self._opener)

    def discard(self) -> None:
        """Undo `prepare`."""
        _close(self._to_be.values())
        self._to_be = {}

    def commit(self, bootstrap: Bootstrap) -> None:
        """What was prepared for *bootstrap* is in force; what it does not want is closed."""
        self._open |= self._to_be
        self._to_be = {}
        wanted = _paths(bootstrap)
        _close([self._open.pop(path) for path in list(self._open) if path not in wanted])
        self._of_outliers = bootstrap.outlier_event_log_path

    def outlier(self, cluster: str, event: OutlierEvent) -> None:
        """Write down what outlier detection did in *cluster*, where that is wanted."""
        if self._of_outliers:
            self._write(self._of_outliers, event.line(cluster, self._wall()))

    def check(self, path: str, event: HealthCheckEvent) -> None:
        """Write down at *path* what a health check found."""
        self._write(path, event.line(self._wall()))

    def flush(self) -> None:
        """Have the lines so far written."""
        for writer in self._open.values():
            writer.flush()

    def reopen(self) -> None:
        """Open every file anew by its name."""
        for writer in (*self._open.values(), *self._to_be.values()):
            writer.reopen()

    def close(self) -> None:
        """Write nothing more."""
        _close(self._open.values())
        for writer in self._open.values():
            writer.join(LAST)

    def _write(self, path: str, line: bytes) -> None:
        writer = self._open.get(path) or self._to_be.get(path)
        if writer is not None:  # a check that is not in force any more has lost its log
            writer.write(line)


def _paths(bootstrap: Bootstrap) -> set[str]:
    paths = {check.event_log_path for cluster in bootstrap.clusters for check in cluster.health_checks}
    return {*paths, bootstrap.outlier_event_log_path} - {""}


def _close(writers: Iterable[AccessLogWriter]) -> None:
    for writer in writers:
        writer.close()
