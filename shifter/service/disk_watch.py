"""Watches the directories that runtime values are read from (`disk_values`).

Rule 1. Envoy looks again when ``symlink_root`` is turned to another directory; here a file that is written in place is seen as well.
        Whether anything changed is asked again and again, as everywhere (`filewatch`), of the whole tree at once, in a thread.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from shifter.model.bootstrap import Bootstrap
from shifter.service.disk_values import Look, directories, look_of

LOOK_EVERY = 0.5
"""Seconds between two looks at the files. A change is seen within two of them."""

_log = Logger()


class DiskWatch:
    """Looks at the directories that the configuration in force has values in, on *clock*'s time, and calls *changed* with their names.

    A change is told once the files have looked the same twice: who writes several of them is left in peace. So are files that are
    looked at for the first time, for nobody knows whether they are still what was read. *aside* calls a function where it may wait
    for the disk, and fires with what it returns.
    """

    def __init__(self, clock: Any, changed: Callable[[str], object], aside: Callable[..., Deferred[Any]]) -> None:
        self._changed = changed
        self._aside = aside
        self._wanted: tuple[str, ...] = ()
        self._told: Look | None = None
        self._latest: Look | None = None
        self._looking = LoopingCall(self._look_again)
        self._looking.clock = clock

    def watch(self, bootstrap: Bootstrap) -> None:
        """Look at the directories of *bootstrap* from now on."""
        wanted = directories(bootstrap)
        if wanted != self._wanted:
            self._wanted, self._told, self._latest = wanted, None, None
        if wanted and not self._looking.running:
            self._looking.start(LOOK_EVERY, now=True)
        elif not wanted:
            self.stop()

    def stop(self) -> None:
        """Look no more."""
        if self._looking.running:
            self._looking.stop()

    def _look_again(self) -> Deferred[None]:
        wanted = self._wanted
        return self._aside(look_of, wanted).addCallback(self._seen, wanted).addErrback(self._blind)

    def _seen(self, look: Look, wanted: tuple[str, ...]) -> None:
        if wanted != self._wanted or not self._looking.running:
            return
        before, self._latest = self._latest, look
        if look == before and look != self._told:
            self._told = look
            self._changed(", ".join(wanted))

    def _blind(self, failure: Any) -> None:
        _log.failure("the files of runtime values cannot be looked at", failure)
