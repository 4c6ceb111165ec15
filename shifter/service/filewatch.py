"""Files that are read again when they are others than they were.

Rule 1. Whether a file changed is asked of the file system again and again, not waited for: that works for a file that is written in
        place, one that is renamed over, a link on its path that is turned (Kubernetes does so), and on every file system. Whoever
        watches with inotify (Envoy) sees only some of these.
Rule 2. A file counts as changed once it has looked the same twice: one that is being written is left in peace.
Rule 3. Nothing is asked while nobody watches.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from shifter.service.looks import Look, look_of

LOOK_EVERY = 0.25
"""Seconds between two looks. A change is seen within two of them."""

_log = Logger()


class FileWatch:
    """Looks at files on *clock*'s time."""

    def __init__(self, clock: Any) -> None:
        self._watched: list[_Watched] = []
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    def watch(self, path: str, changed: Callable[[], object], since: Look | None = None) -> Callable[[], None]:
        """Call *changed* when *path* is another file, or another content, than now; also when it comes to be, or is gone.

        *since* is how it looked when it was read, if that is some time ago. Return how to stop that.
        """
        one = _Watched(path, changed, since)
        self._watched.append(one)
        if not self._looking.running:
            self._looking.start(LOOK_EVERY, now=False)

        def stop() -> None:
            if one in self._watched:
                self._watched.remove(one)
            if not self._watched and self._looking.running:
                self._looking.stop()

        return stop

    def _look(self) -> None:
        for one in list(self._watched):
            if one in self._watched and one.has_changed():
                try:
                    one.changed()
                except Exception:
                    _log.failure("{path} has changed, and that was not taken", path=one.path)


class _Watched:
    __slots__ = ("_latest", "_told", "changed", "path")

    def __init__(self, path: str, changed: Callable[[], object], since: Look | None) -> None:
        self.path = path
        self.changed = changed
        self._latest = look_of(path)
        self._told = self._latest if since is None else since

    def has_changed(self) -> bool:
        before, self._latest = self._latest, look_of(self.path)
        if self._latest == self._told or self._latest != before:
            return False
        self._told = self._latest
        return True
