"""Files are read again when somebody wishes so, and when one of them has changed.

Rule 1. Every file that was looked at is watched: the main one and those that it leads to, also one that is not there yet. A file that
        was read since it changed, because of a signal for instance, is not read again for that.
Rule 2. Wishes that come before anything is read are one wish. A file that says what is served already makes no change.
Rule 3. A file that was refused is read again when a release lets go of a route: perhaps it was refused for that.
"""

from collections.abc import Callable, Set
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from shifter.model.change import Actor, ChangeResult
from shifter.observe.server_stats import ServerStats
from shifter.service.composition import Inputs
from shifter.service.controller import Controller, Reload
from shifter.service.file_updates import FileUpdates
from shifter.service.filewatch import FileWatch
from shifter.service.load_process import ProcessLoader
from shifter.service.loading import Candidate
from shifter.service.looks import look_of
from shifter.service.slices import Slices
from shifter.service.sources import FileSource

_FILE = "file "
"""How the origin begins of a reload that a changed file asks for."""


class Reloading:
    """See the module. *changed* is asked for a reload when a file has changed (it is `reload`, or what stands around that)."""

    def __init__(
        self,
        reactor: Any,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        source: FileSource,
        first: Candidate,
        controller: Controller,
        stats: ServerStats,
        changed: Callable[[Actor], object],
    ) -> None:
        self._slices = Slices(reactor, monotonic)
        self.loader = ProcessLoader(reactor, self._slices)
        source.loader = self.loader
        self._source = source
        self._controller = controller
        self._updates = FileUpdates(stats, wall)
        self._watch = FileWatch(reactor)
        self._watched: dict[str, Callable[[], None]] = {}
        self._changed = changed
        self._latest = first
        self._unread: list[Deferred[ChangeResult]] = []
        self._next: Reload | None = None
        self._refused = False
        self._holds: Set[str] = frozenset()

    def start(self) -> None:
        """Begin to watch; the first candidate is served."""
        self._updates.note(self._latest, served=True)
        self._look_at(self._latest)
        if self._controller.inputs is not None:
            self._holds = self._controller.inputs.overrides.holds.keys()
        self._controller.served.append(self._served)

    def stop(self) -> None:
        """Watch and read no more."""
        for stop in self._watched.values():
            stop()
        self._watched.clear()
        self.loader.stop()
        self._slices.stop()

    def reload(self, actor: Actor) -> Deferred[ChangeResult]:
        """Read the files again and serve what they say if it is good; never fails."""
        result: Deferred[ChangeResult] = Deferred()
        by_itself = actor.origin.startswith(_FILE)
        self._unread.append(result)
        if len(self._unread) > 1 and self._next is not None:
            self._next.if_changed = self._next.if_changed and by_itself
            return result
        waiting: list[Deferred[ChangeResult]] = []
        read: list[Candidate] = []

        def taken() -> None:
            waiting.extend(self._unread)
            self._unread.clear()

        def fetch() -> Deferred[Candidate]:
            taken()
            inputs = self._controller.inputs
            return self._source.fetch(inputs.candidate.texts if inputs is not None else {}).addCallback(remember)

        def remember(candidate: Candidate) -> Candidate:
            read.append(candidate)
            self._latest = candidate
            self._look_at(candidate)
            return candidate

        def tell(found: ChangeResult) -> None:
            self._refused = not found.taken
            if not waiting:  # it came to nothing before anything was read
                taken()
            for candidate in read:
                self._updates.note(candidate, found.taken)
                self._look_at(candidate)
            for one in waiting:
                one.callback(found)

        self._next = Reload(fetch, by_itself)
        self._controller.change(self._next, actor).addCallback(tell)
        return result

    def _look_at(self, candidate: Candidate) -> None:
        """Watch the files of *candidate*, and those of what is served."""
        inputs = self._controller.inputs
        wanted = {*candidate.files, *(inputs.candidate.files if inputs is not None else ())}
        for path in self._watched.keys() - wanted:
            self._watched.pop(path)()
        for path in wanted - self._watched.keys():
            self._watched[path] = self._watch.watch(path, partial(self._has_changed, path), candidate.looks.get(path))

    def _served(self, inputs: Inputs) -> None:
        before, self._holds = self._holds, inputs.overrides.holds.keys()
        if self._refused and before - self._holds:
            self._changed(Actor("shifter", "a release has let go of its route", f"{_FILE}{self._source.path}"))

    def _has_changed(self, path: str) -> None:
        if look_of(path) != self._latest.looks.get(path):
            self._changed(Actor("file", origin=f"{_FILE}{path}"))
