"""Every change of what is served, from wish to swap: files that are read again, runtime values, weights, what is taken back.

Rule 1. One change is carried out at a time, in the order of the wishes; each either happens whole or not at all.
Rule 2. A wish makes new `Inputs` of those in force, or says why not. Everything after that is the same for all of them: compose, lay
        out, warm, write down, swap. What fails before the swap leaves all as it was.
Rule 3. What takes long is done in slices between requests (`DataPlane.prepare`, `DataPlane.let_go`). The next change begins when
        nothing of the one before it is left to do; its author hears of it as soon as it is in force.
Rule 4. It is written down before it is put in force (`journal`): who learns of a change can rely on it.
"""

import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.model.bootstrap import Bootstrap, LayerKind, Snapshot
from shifter.model.change import Actor, AuditEntry, ChangeKind, ChangeResult
from shifter.model.steps import Steps
from shifter.net.listen import Listen, ListenError, listen
from shifter.net.tls_context import TlsMaterialError
from shifter.observe.accesslog import AccessLogError
from shifter.observe.server_stats import ServerStats
from shifter.proxy.filterchain import FilterError
from shifter.routing.errors import RoutingError
from shifter.service.changes import telling
from shifter.service.collector import Collector
from shifter.service.composition import Composed, CompositionError, Inputs, at_the_start, compose, composing, notice
from shifter.service.holds import HoldError
from shifter.service.journal import Held, Journal, JournalError
from shifter.service.plane import DataPlane, Prepared
from shifter.service.runtime_changes import values_in
from shifter.service.sources import Candidate, loaded_again

CANNOT = (ListenError, AccessLogError, RoutingError, FilterError, TlsMaterialError, JournalError, CompositionError, HoldError)
"""Why a configuration that was read without problems may still not be served here and now."""

ADMIN_BACKLOG = 50
ADMIN_NAME = "admin"
"""What the admin listener's socket goes by, where a service manager passes it."""

WRITTEN = 500
"""Lines that the audit log has of one change at most."""
SAID = 20
"""Lines that the log has of one change at most."""

T = TypeVar("T")

_log = Logger()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a wish is not carried out."""

    problems: Sequence[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The inputs that a wish asks for, and what the audit log is to say of it."""

    inputs: Inputs
    target: str
    before: object = None
    after: object = None
    undoes: int = 0
    warnings: Sequence[str] = ()
    rejected: Sequence[str] = ()
    """What is wrong with files of which that is used which they said before."""


class Wish(Protocol):
    """One kind of change that somebody can ask for."""

    @property
    def kind(self) -> ChangeKind: ...

    def wanted(self, now: Inputs) -> "Deferred[Wanted | Refusal] | Wanted | Refusal":
        """Return what is to follow *now*, or why nothing is; *now* itself when there is nothing to do."""


@dataclass(slots=True)
class _Draft:
    """A configuration on its way: what is to be served, and the admin listener's socket when that moves."""

    composed: Composed
    snapshot: Snapshot
    admin: socket.socket | None
    moves_admin: bool

    def close(self) -> None:
        """It is not going to be served."""
        if self.admin is not None:
            self.admin.close()


class Controller:
    """See the module. *move_admin* serves the admin listener on a socket from then on (``None``: nowhere)."""

    def __init__(
        self,
        plane: DataPlane,
        journal: Journal,
        stats: ServerStats,
        wall: Callable[[], float],
        move_admin: Callable[[socket.socket | None], None],
        collector: Collector | None = None,
        listen: Listen = listen,
    ) -> None:
        self.snapshot: Snapshot | None = None
        self.problems: tuple[str, ...] = ()
        self.served: list[Callable[[Inputs], object]] = []
        """Each is called with what that follows from which is served from then on."""
        self.lost_holds: list[str] = []
        """Why releases cannot hold their routes any more, as of the start."""
        self._plane = plane
        self._journal = journal
        self._stats = stats
        self._wall = wall
        self._move_admin = move_admin
        self._listen = listen
        self._collector = collector or Collector()
        self._inputs: Inputs | None = None
        self._composed: Composed | None = None
        self._waiting: deque[tuple[Wish, Actor, Deferred[ChangeResult]]] = deque()
        self._changing = False
        self._closed = False
        self._waits_because = ""
        self._at_rest: list[Deferred[None]] = []
        self._over: list[object] = []

    # the first configuration

    def lay_out(self, first: Candidate) -> Callable[[], Deferred[None]]:
        """Make ready to serve *first*, and return what begins to. Raises one of `CANNOT`."""
        draft = self._first_draft(at_the_start(first, self._journal.load(), loaded_again))
        try:
            prepared = self._plane.lay_out(draft.snapshot)
        except BaseException:
            draft.close()
            raise

        @inlineCallbacks
        def begin() -> Any:
            self._changing = True
            yield self._plane.warm(prepared)
            yield self._journal.begin(_held(draft.composed.inputs), self._beginning(draft.composed)).addErrback(_unwritten)
            if self._closed:
                self._discard(draft, prepared)
            else:
                self._commit(draft, prepared)
                self._count_runtime_load(draft.composed.bootstrap)
            self._changing = False
            self._next()

        return begin

    def _beginning(self, composed: Composed) -> AuditEntry:
        """Return what is to be written down if the process before this one ended with something else in force."""
        told = ("the files are others than when shifter ran last", *composed.warnings)
        return AuditEntry(
            0, self._wall(), ChangeKind.CONFIG, Actor("operator", origin="start"), composed.inputs.candidate.source, told, version=1
        )

    def _first_draft(self, inputs: Inputs) -> _Draft:
        """Return what is to be served at the start: without runtime values, weights and holds that do not go with the files any more."""
        try:
            composed = _composed_without(inputs, self.lost_holds)
        except CompositionError as error:
            if not inputs.overrides.runtime:
                raise
            _log.error("{problem}; the runtime values that were set hold no longer", problem=str(error))
            composed = _composed_without(replace(inputs, overrides=replace(inputs.overrides, runtime={})), self.lost_holds)
        draft = self._draft(composed)
        for warning in (*draft.composed.warnings, notice(draft.composed.inputs.overrides)):
            if warning:
                _log.warn("{warning}", warning=warning)
        return draft

    # the others

    @property
    def inputs(self) -> Inputs | None:
        """What that which is served follows from; ``None`` before anything is."""
        return self._inputs

    def meanwhile(self, steps: Steps[T]) -> Deferred[T]:
        """Do some work in slices, beside everything else."""
        return self._plane.meanwhile(steps)

    def rehearse(self, wish: Wish, actor: Actor) -> Deferred[ChangeResult]:
        """Fire with what would come of *wish* now, as far as that can be said without doing it: the entry has no number."""
        return maybeDeferred(self._rehearsed, wish, actor)

    @inlineCallbacks
    def _rehearsed(self, wish: Wish, actor: Actor) -> Any:
        now, snapshot = self._inputs, self.snapshot
        if now is None or snapshot is None:
            return self._ending()
        wanted: Wanted | Refusal = yield maybeDeferred(wish.wanted, now)
        if isinstance(wanted, Refusal):
            return ChangeResult(False, self._version, problems=tuple(wanted.problems))
        try:
            composed: Composed = yield self._plane.meanwhile(composing(wanted.inputs, self._composed))
        except (CompositionError, HoldError) as error:
            return ChangeResult(False, self._version, problems=(str(error),))
        lines = yield self._plane.meanwhile(telling(snapshot.bootstrap, composed.bootstrap))
        entry = AuditEntry(0, self._wall(), wish.kind, actor, wanted.target, tuple(lines), wanted.before, wanted.after, 0, wanted.undoes)
        return ChangeResult(True, self._version, entry, warnings=(*wanted.warnings, *composed.warnings))

    def change(self, wish: Wish, actor: Actor) -> Deferred[ChangeResult]:
        """Carry out *wish* when those before it are done; fires with what came of it and never fails."""
        done: Deferred[ChangeResult] = Deferred()
        self._waiting.append((wish, actor, done))
        self._next()
        return done

    def hold(self, why: str) -> Deferred[None]:
        """Change nothing until `release`: what is wished by then is refused because of *why*. Fires when no change is under way."""
        self._waits_because = why
        rest: Deferred[None] = Deferred()
        self._at_rest.append(rest)
        self._next()
        return rest

    def release(self) -> None:
        """Change things again."""
        self._waits_because = ""

    def close(self) -> None:
        """Change nothing any more: the process is about to end."""
        self._closed = True

    def _next(self) -> None:
        if self._changing:
            return
        if not self._waiting:
            resting, self._at_rest = self._at_rest, []
            for one in resting:
                one.callback(None)
            return
        wish, actor, done = self._waiting.popleft()
        self._changing = True
        self._collector.hold()

        def finished(result: ChangeResult) -> Deferred[None]:
            gone = self._plane.let_go(self._over)
            done.callback(result)
            return gone.addCallback(rested)

        def rested(_: object) -> None:
            self._collector.release()
            self._changing = False
            self._next()

        def counted(result: ChangeResult) -> ChangeResult:
            self._stats.runtime_load_error += wish.kind is ChangeKind.RUNTIME and not result.taken
            return result

        self._carry_out(wish, actor).addErrback(self._failed).addCallback(counted).addCallback(finished)

    def _failed(self, failure: Any) -> ChangeResult:
        _log.failure("a change failed; nothing is changed", failure)
        return self._refused((f"it failed: {failure.getErrorMessage()}; the log has more",))

    @inlineCallbacks
    def _carry_out(self, wish: Wish, actor: Actor) -> Any:
        if self._closed or self._inputs is None or self.snapshot is None:
            return self._ending()
        if self._waits_because:
            return ChangeResult(False, self._version, problems=(self._waits_because,))
        try:
            wanted: Wanted | Refusal = yield maybeDeferred(wish.wanted, self._inputs)
        except CancelledError:
            return self._ending()
        reads_files = wish.kind is ChangeKind.CONFIG
        if isinstance(wanted, Refusal):
            return self._refused(wanted.problems, reads_files)
        if wanted.inputs is self._inputs:
            if reads_files:
                self._remember(wanted.rejected)
            if wish.kind is ChangeKind.RUNTIME:
                self._count_runtime_load(self.snapshot.bootstrap)
            return ChangeResult(True, self._version, warnings=tuple(wanted.warnings))
        self._over.append(wanted.inputs)
        try:
            draft = self._draft((yield self._plane.meanwhile(composing(wanted.inputs, self._composed))))
            try:
                prepared: Prepared = yield self._plane.prepare(draft.snapshot)
            except BaseException:
                draft.close()
                raise
            try:
                lines, entry = yield self._warm(wish, actor, wanted, draft, prepared)
            except BaseException:
                self._discard(draft, prepared)
                raise
        except CancelledError:
            return self._ending()
        except CANNOT as error:
            return self._refused((str(error),), reads_files)
        if self._closed:  # since it was begun to be written
            self._discard(draft, prepared)
            if entry is None:
                return self._ending()
            known = ("the proxy is ending: this is written down, and holds at the next start",)
            return ChangeResult(True, self._version, entry, warnings=known)
        if wish.kind is ChangeKind.RUNTIME or draft.composed.bootstrap.runtime != self.snapshot.bootstrap.runtime:
            self._count_runtime_load(draft.composed.bootstrap)
        self._commit(draft, prepared)
        if reads_files:
            self._remember(wanted.rejected)
        said = "; ".join(_some(lines, SAID)) or "it says what the old one said"
        _log.info("configuration {version} is served: {changes}", version=self._version, changes=said)
        self._stats.config_reload_success += reads_files
        warnings = (*wanted.warnings, *draft.composed.warnings)
        for warning in draft.composed.warnings:
            _log.warn("{warning}", warning=warning)
        return ChangeResult(True, self._version, entry, warnings=warnings)

    @inlineCallbacks
    def _warm(self, wish: Wish, actor: Actor, wanted: Wanted, draft: _Draft, prepared: Prepared) -> Any:
        """Fire with what is different in words, and with the entry that was written down of it (``None``: it is not worth one)."""
        assert self.snapshot is not None and self._inputs is not None
        yield self._plane.warm(prepared)
        lines = yield self._plane.meanwhile(telling(self.snapshot.bootstrap, draft.composed.bootstrap))
        if self._closed:
            raise CancelledError
        held = _held(draft.composed.inputs)
        if not lines and wish.kind is ChangeKind.CONFIG and held.overrides == self._inputs.overrides:
            yield self._journal.begin(held)
            return lines, None
        told = (*_some(lines, WRITTEN), *draft.composed.warnings)
        entry = AuditEntry(
            *(0, self._wall(), wish.kind, actor, wanted.target, told, wanted.before, wanted.after),
            version=self._version + 1,
            undoes=wanted.undoes,
        )
        return lines, (yield self._journal.append(entry, held))

    # steps

    @property
    def _version(self) -> int:
        return 0 if self.snapshot is None else self.snapshot.version

    def _ending(self) -> ChangeResult:
        return ChangeResult(False, self._version, problems=("the proxy is ending",))

    def _draft(self, composed: Composed) -> _Draft:
        candidate = composed.inputs.candidate
        snapshot = Snapshot(self._version + 1, composed.bootstrap, candidate.source, candidate.documents)
        old = self.snapshot.bootstrap.admin if self.snapshot else None
        new = snapshot.bootstrap.admin
        admin = self._listen(new.address, ADMIN_BACKLOG, ADMIN_NAME) if new is not None and new != old else None
        return _Draft(composed, snapshot, admin, new != old)

    def _commit(self, draft: _Draft, prepared: Prepared) -> None:
        snapshot = draft.snapshot
        self._plane.commit(prepared)
        if draft.moves_admin:
            self._move_admin(draft.admin)
        self._over += [self.snapshot, self._inputs, self._composed]
        self.snapshot = snapshot
        self._inputs = draft.composed.inputs
        self._composed = draft.composed
        for tell in self.served:
            tell(self._inputs)
        self._count_runtime(snapshot.bootstrap)
        self._stats.config_version = snapshot.version
        self._stats.config_time = self._wall()

    def _count_runtime(self, bootstrap: Bootstrap) -> None:
        stats, layers = self._stats, bootstrap.runtime
        stats.runtime_num_layers = len(layers)
        stats.runtime_num_keys = len(values_in(layers))
        stats.runtime_admin_overrides_active = int(any(layer.kind is LayerKind.ADMIN and layer.values for layer in layers))

    def _count_runtime_load(self, bootstrap: Bootstrap) -> None:
        """Count what Envoy counts whenever it puts the layers together: more than one directory is one of overrides."""
        stats = self._stats
        overriding = sum(layer.kind is LayerKind.DISK for layer in bootstrap.runtime) > 1
        stats.runtime_load_success += 1
        stats.runtime_override_dir_exists += overriding
        stats.runtime_override_dir_not_exists += not overriding

    def _discard(self, draft: _Draft, prepared: Prepared) -> None:
        self._plane.discard(prepared)
        draft.close()
        self._over += [draft.snapshot, draft.composed]

    def _remember(self, problems: Sequence[str]) -> None:
        """What is wrong with the files, as long as it is."""
        self.problems = tuple(problems)
        self._stats.config_problems = len(problems)

    def _refused(self, problems: Sequence[str], of_files: bool = False) -> ChangeResult:
        """Nothing is changed. What is wrong with the files is remembered until they are good."""
        if of_files:
            self._remember(problems)
            self._stats.config_reload_rejected += 1
            for problem in problems:
                _log.error("{problem}", problem=problem)
            _log.error("the new configuration is refused, the old one goes on")
        return ChangeResult(False, self._version, problems=tuple(problems))


def _some(lines: Sequence[str], most: int) -> Sequence[str]:
    """Return *lines*, or the first *most* of them and how many more there are."""
    return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most} more"]


def _composed_without(inputs: Inputs, lost: list[str]) -> Composed:
    """`compose` without those holds for which there is no place: why there is none is added to *lost*."""
    while True:
        try:
            return compose(inputs)
        except HoldError as error:
            _log.error("{problem}. As there is nothing else to serve, the route is served as the file says", problem=str(error))
            lost.append(str(error))
            holds = {name: hold for name, hold in inputs.overrides.holds.items() if name != error.release}
            inputs = replace(inputs, overrides=replace(inputs.overrides, holds=holds))


def _held(inputs: Inputs) -> Held:
    return Held(inputs.overrides, inputs.candidate.texts)


def _unwritten(failure: Failure) -> None:
    """What is served at the start does not wait for a disk that has no room: only changes do."""
    failure.trap(JournalError)
    _log.error("{problem}; what is served now cannot be gone back to", problem=failure.getErrorMessage())


class Reload:
    """The wish that what the files say now is served; *if_changed*, unless that is so already."""

    kind = ChangeKind.CONFIG

    def __init__(self, read: Callable[[], Deferred[Candidate]], if_changed: bool = False) -> None:
        self._read = read
        self.if_changed = if_changed

    @inlineCallbacks
    def _wanted(self, now: Inputs) -> Any:
        candidate: Candidate = yield self._read()
        for warning in candidate.warnings:
            _log.warn("{warning}", warning=warning)
        if candidate.bootstrap is None:
            return Refusal(candidate.problems)
        for problem in candidate.rejected:
            _log.error("{problem}", problem=problem)
        if candidate.rejected:
            _log.error("what these files said before goes on, and what the others say is used")
        overrides = replace(now.overrides, files=None)
        same = self.if_changed and now.overrides.files is None and candidate.texts == now.candidate.texts
        inputs = now if same else Inputs(candidate, overrides)
        warnings = (*candidate.rejected, *candidate.warnings)
        return Wanted(inputs, candidate.source, warnings=warnings, rejected=candidate.rejected)

    def wanted(self, now: Inputs) -> Deferred[Wanted | Refusal]:
        """See `Wish`."""
        wanted: Deferred[Wanted | Refusal] = self._wanted(now)
        return wanted


_: Wish = Reload(lambda: succeed(Candidate("", None)))
