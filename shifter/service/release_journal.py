"""The store of releases as the running service uses it: it knows what is being written, tells what was, and can be closed for a while.

Rule 1. Who is told of an event is told after it was written, in the order in which it was.
Rule 2. Closed (`close`), it refuses to write what happens: another process is about to go on with the same releases. What was begun
        before is waited for. Reading goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed

from shifter.model.release import Progress, Transition
from shifter.observe.comparison import Counted
from shifter.release.errors import Closed
from shifter.release.interfaces import Record
from shifter.service.release_store import ReleaseStore

T = TypeVar("T")


class ReleaseJournal:
    """See the module. *happened* is called with each transition that was written."""

    def __init__(self, store: ReleaseStore, happened: Callable[[Transition], object]) -> None:
        self._store = store
        self._happened = happened
        self._writing = 0
        self._why = ""
        self._at_rest: list[Deferred[None]] = []

    def close(self, why: str) -> Deferred[None]:
        """Write nothing more because of *why*; fires when nothing is being written."""
        self._why = why
        if not self._writing:
            return succeed(None)
        rest: Deferred[None] = Deferred()
        self._at_rest.append(rest)
        return rest

    def open(self) -> None:
        """Write again."""
        self._why = ""

    # release.interfaces.Store

    @property
    def unreadable(self) -> Mapping[str, str]:
        """See `ReleaseStore`."""
        return self._store.unreadable

    @property
    def lasting(self) -> bool:
        """See `ReleaseStore`."""
        return self._store.lasting

    def load(self) -> Sequence[Record]:
        """See `Store`."""
        return self._store.load()

    def begin(self, record: Record) -> Deferred[None]:
        """See `Store`."""
        return self._written(lambda: self._store.begin(record))

    def commit(
        self,
        transition: Transition,
        judge: Mapping[str, object] | None = None,
        users: Sequence[Counted] = (),
        counts: Mapping[str, object] | None = None,
    ) -> Deferred[Transition]:
        """See `Store`."""

        def told(written: Transition) -> Transition:
            self._happened(written)
            return written

        return self._written(lambda: self._store.commit(transition, judge, users, counts)).addCallback(told)

    def keep(
        self,
        name: str,
        progress: Progress,
        judge: Mapping[str, object],
        counts: Mapping[str, object],
        at: float,
        users: Sequence[Counted] = (),
    ) -> Deferred[None]:
        """See `Store`."""
        return self._written(lambda: self._store.keep(name, progress, judge, counts, at, users))

    def events(self, after: int = 0, count: int = 1000, release: str | None = None) -> Deferred[list[Transition]]:
        """See `Store`."""
        return self._store.events(after, count, release)

    def last_events(self, count: int, before: int | None = None, release: str | None = None) -> Deferred[list[Transition]]:
        """See `ReleaseStore`."""
        return self._store.last_events(count, before, release)

    def delivered(self, target: str) -> Deferred[int]:
        """See `Store`."""
        return self._store.delivered(target)

    def deliver(self, target: str, number: int) -> Deferred[None]:
        """See `Store`."""
        return self._written(lambda: self._store.deliver(target, number))

    def memo(self) -> Mapping[str, Any] | None:
        """See `ReleaseStore`."""
        return self._store.memo()

    # inside

    def _written(self, write: Callable[[], Deferred[T]]) -> Deferred[T]:
        if self._why:
            return fail(Closed(self._why))
        self._writing += 1

        def done(result: Any) -> Any:
            self._writing -= 1
            if not self._writing:
                resting, self._at_rest = self._at_rest, []
                for one in resting:
                    one.callback(None)
            return result

        return write().addBoth(done)


def _proof(journal: ReleaseJournal) -> ReleaseStore:  # mypy proves that it is one
    return journal
