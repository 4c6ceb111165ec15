"""Where releases are written down: what is the same with a state directory (`release_store_sqlite`) and without one (here).

Rule 1. A release is its text, how far it is, and what its judge knew last. The text is read anew when a process begins; what can no longer
        be read is told (`Releases.unreadable`), and its route stays shared out as it was written down.
Rule 2. A transition and the progress that it leads to are written in one step. Events are numbered without gaps, and never changed.
Rule 3. Who has not heard of the last transition of a release may not write one: a process whose place was taken cannot undo anything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail, succeed

from shifter.model.change import Actor
from shifter.model.release import Progress, ReleaseSpec, RouteReference, State, Transition
from shifter.observe.comparison import Counted
from shifter.release.interfaces import Record, Store
from shifter.service.journal import ShifterError

KEPT_EVENTS = 1000
"""Events that are remembered without a state directory."""
ANEW = "retried"
"""The event with which a release begins anew: what was known of it by then is no evidence any more."""
KEPT_OVER = 100
"""Releases that are over, and hold nothing, of which is told beside the others."""

Read = Callable[[str, str], ReleaseSpec]
"""Returns the release that a text says, which came from a source. Raises ``ValueError`` with the reason."""


class StoreError(ShifterError):
    """What a release came to cannot be written down."""


class ReleaseStore(Store, Protocol):
    """A `Store` that outlives a process in some way."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Why the texts of releases cannot be read any more, by their names; known after `Store.load`."""

    @property
    def lasting(self) -> bool:
        """Whether releases are there also after a process that was killed."""

    def last_events(self, count: int, before: int | None = None, release: str | None = None) -> Deferred[list[Transition]]:
        """Fire with the last *count* transitions, those with numbers below *before* where that is given; the newest first."""

    def memo(self) -> Mapping[str, Any] | None:
        """Return, as JSON has it, what the process that takes over is to be told; ``None`` when it finds all of it by itself."""


class MemoryStore:
    """Remembers as long as the process lives: what is used without a state directory. *memo* is that of the process before this one."""

    def __init__(self, read: Read, memo: Mapping[str, Any] | None = None) -> None:
        self.unreadable: dict[str, str] = {}
        self.lasting = False
        self._read = read
        self._records: dict[str, Record] = {}
        self._events: list[Transition] = []
        self._number = 0
        self._delivered: dict[str, int] = {}
        self._users: dict[str, dict[tuple[int, int], tuple[float, float]]] = {}
        if memo is not None:
            self._records = {one["spec"]["name"]: record_from(one) for one in memo["records"]}
            self._events = [transition_from(one) for one in memo["events"]]
            self._number = memo["number"]
            self._delivered = dict(memo["delivered"])
            for name, users in memo.get("users", {}).items():  # an older shifter tells nothing of them
                self._count(name, users)

    def memo(self) -> Mapping[str, Any] | None:
        """See `ReleaseStore`."""
        return {
            "records": [record_to_dict(one) for one in self._records.values()],
            "events": [transition_to_dict(one) for one in self._events],
            "number": self._number,
            "delivered": self._delivered,
            "users": {name: self._counted(name) for name in self._users},
        }

    def _counted(self, name: str) -> Sequence[Counted]:
        return tuple((*who, *where) for who, where in self._users.get(name, {}).items())

    def load(self) -> Sequence[Record]:
        """See `Store`."""
        self._records = {name: reread(record, self._read, self.unreadable) for name, record in self._records.items()}
        return [replace(record, users=self._counted(name)) for name, record in self._records.items()]

    def begin(self, record: Record) -> Deferred[None]:
        """See `Store`."""
        if record.spec.name in self._records:
            return fail(there_is_one(record.spec.name))
        self._records[record.spec.name] = record
        over = [name for name, one in self._records.items() if ended(one.progress)]
        for name in over[:-KEPT_OVER]:
            del self._records[name]
        return succeed(None)

    def commit(
        self,
        transition: Transition,
        judge: Mapping[str, object] | None = None,
        users: Sequence[Counted] = (),
        counts: Mapping[str, object] | None = None,
    ) -> Deferred[Transition]:
        """See `Store`."""
        record = self._records.get(transition.release)
        refusal = may_not(transition, record.progress.version if record is not None else None)
        if refusal is not None or record is None:
            return fail(refusal or StoreError())
        self._number += 1
        written = replace(transition, number=self._number)
        self._events.append(written)
        del self._events[:-KEPT_EVENTS]
        name = transition.release
        if ended(transition.after) or transition.event == ANEW:
            self._users.pop(name, None)
        else:
            self._count(name, users)
        if transition.event == ANEW:
            record = replace(record, judge=None, counts={})
        else:
            known = judge if judge is not None else record.judge
            record = replace(record, judge=known, counts=counts if counts is not None else record.counts)
        self._records[name] = replace(record, progress=transition.after, saved=transition.at)
        return succeed(written)

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
        record = self._records.get(name)
        if record is not None and record.progress.version == progress.version:
            self._records[name] = replace(record, progress=progress, judge=judge, counts=counts, saved=at)
            self._count(name, users)
        return succeed(None)

    def _count(self, name: str, users: Sequence[Counted]) -> None:
        if users:
            self._users.setdefault(name, {}).update(((what, user), (low, high)) for what, user, low, high in users)

    def events(self, after: int = 0, count: int = 1000, release: str | None = None) -> Deferred[list[Transition]]:
        """See `Store`."""
        found = [one for one in self._events if one.number > after and release in (None, one.release)]
        return succeed(found[:count])

    def last_events(self, count: int, before: int | None = None, release: str | None = None) -> Deferred[list[Transition]]:
        """See `ReleaseStore`."""
        found = [one for one in reversed(self._events) if (before is None or one.number < before) and release in (None, one.release)]
        return succeed(found[:count])

    def delivered(self, target: str) -> Deferred[int]:
        """See `Store`."""
        return succeed(self._delivered.get(target, 0))

    def deliver(self, target: str, number: int) -> Deferred[None]:
        """See `Store`."""
        self._delivered[target] = max(number, self._delivered.get(target, 0))
        return succeed(None)


# what both have in common


def there_is_one(name: str) -> StoreError:
    """A second release of one name."""
    return StoreError(f"there is a release `{name}` already, or was one: give this one another name")


def ended(progress: Progress) -> bool:
    """Whether nothing becomes of a release any more, and it holds no route."""
    return progress.state.over and not progress.held


def may_not(transition: Transition, version: int | None) -> StoreError | None:
    """Say why *transition* may not be written where *version* was written last (``None``: nothing); see rule 3."""
    if version is None:
        return StoreError(f"there is no release `{transition.release}`")
    if transition.before.version < version:
        said = f"`{transition.release}` was moved on by another process: version {version} is written down"
        return StoreError(f"{said}, and not {transition.before.version}")
    return None


def reread(record: Record, read: Read, unreadable: dict[str, str]) -> Record:
    """Return *record* with what its text says, where that is still needed; *unreadable* is told when it says nothing any more."""
    progress = record.progress
    if record.spec.steps or ended(progress):
        return record
    try:
        return replace(record, spec=whole(record.spec, read))
    except ValueError as error:
        unreadable[record.spec.name] = str(error)
        return record


def whole(spec: ReleaseSpec, read: Read) -> ReleaseSpec:
    """Return *spec* with what its text says. Its name and its route were settled when it began. Raises ``ValueError``."""
    return spec if spec.steps else replace(read(spec.text, spec.source), name=spec.name, route=spec.route)


def bare(name: str, route: Mapping[str, Any], clusters: tuple[str, str], text: str, source: str) -> ReleaseSpec:
    """Return what is known of a release whose text was not read: it has no steps."""
    return ReleaseSpec(name, RouteReference(**route), *clusters, steps=(), text=text, source=source)


_PROGRESS = {one.name for one in fields(Progress)}


def progress_from(said: Mapping[str, Any]) -> Progress:
    """Undo `Progress.to_dict`, also that of an older or a newer shifter."""
    before = said["before_pause"]
    known = {name: value for name, value in said.items() if name in _PROGRESS}
    return Progress(**{**known, "state": State(said["state"]), "before_pause": State(before) if before is not None else None})


def record_to_dict(record: Record) -> dict[str, Any]:
    """Return *record* as JSON has it; of its spec what `bare` has."""
    spec = record.spec
    said = {
        "name": spec.name,
        "route": asdict(spec.route),
        "clusters": [spec.baseline, spec.canary],
        "text": spec.text,
        "source": spec.source,
    }
    known = {"judge": record.judge, "counts": dict(record.counts)}
    return {"spec": said, "progress": record.progress.to_dict(), "started": record.started, "saved": record.saved, **known}


def record_from(said: Mapping[str, Any]) -> Record:
    """Undo `record_to_dict`."""
    spec = said["spec"]
    return Record(
        bare(spec["name"], spec["route"], (spec["clusters"][0], spec["clusters"][1]), spec["text"], spec["source"]),
        progress_from(said["progress"]),
        *(said["started"], said["saved"], said["judge"], said["counts"]),
    )


def transition_to_dict(one: Transition) -> dict[str, Any]:
    """Return *one* as JSON has it, whole: `Transition.to_dict` is for people."""
    said = {"before": one.before.to_dict(), "after": one.after.to_dict(), "actor": asdict(one.actor), "evidence": dict(one.evidence)}
    return {"release": one.release, "event": one.event, "reason": one.reason, "at": one.at, "number": one.number, **said}


def transition_from(said: Mapping[str, Any]) -> Transition:
    """Undo `transition_to_dict`."""
    states = {"before": progress_from(said["before"]), "after": progress_from(said["after"])}
    return Transition(**{**said, **states, "actor": Actor(**said["actor"])})


def _proof(store: MemoryStore) -> ReleaseStore:  # mypy proves that it is one
    return store
