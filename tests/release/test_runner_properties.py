"""Whatever happens to a release, in whatever order: what must hold all the same."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from twisted.python.failure import Failure

from shifter.model.release import (
    FINEST,
    MILLION,
    Floor,
    Gate,
    GateKind,
    MirrorStep,
    OnTimeout,
    Progress,
    ReleaseSpec,
    State,
    Step,
    Undecided,
)
from shifter.model.route import HeaderMatcher
from shifter.release.errors import Refused
from shifter.release.evidence import Evidence
from shifter.release.runner import Runner
from shifter.release.states import ACTIVE, Verb
from tests.support.releases import ANN, FakeDataPath, FakeStore, World, spec

TAKEN_BACK = (State.ROLLING_BACK, State.ROLLED_BACK, State.ABORTED)

gates = st.one_of(
    st.none(),
    st.builds(
        Gate, st.sampled_from(GateKind), st.just("look"), deadline=st.sampled_from((0.0, 30.0)), on_timeout=st.sampled_from(OnTimeout)
    ),
)


@st.composite
def specs(draw: st.DrawFn) -> ReleaseSpec:
    """Return releases of all kinds of steps, the weights of which rise."""
    steps: list[Step] = []
    if draw(st.booleans()):
        steps.append(Step(1, header=HeaderMatcher(b"x-canary"), gate=draw(gates), length=draw(st.sampled_from((None, 20.0)))))
    if draw(st.booleans()):
        steps.append(Step(len(steps) + 1, mirror=MirrorStep(50_000), length=20.0, gate=draw(gates)))
    for share in sorted(draw(st.sets(st.sampled_from((FINEST, 10_000, 50_000, 200_000, 500_000, MILLION)), min_size=1, max_size=4))):
        timed = {"length": draw(st.sampled_from((None, 40.0))), "warm_up": draw(st.sampled_from((0.0, 10.0)))}
        limits = {"min": 10.0, "max": 30.0, "undecided": draw(st.sampled_from(Undecided)), "gate": draw(gates)}
        back = draw(st.sampled_from((0, 10_000))) if share == MILLION else 0
        steps.append(Step(len(steps) + 1, share, hold_back=back, **timed, **limits))
    floor = draw(st.sampled_from((None, Floor(0.9))))
    return spec(*steps, brake=draw(st.booleans()), exposure_budget=draw(st.sampled_from((None, 50))), floor=floor)


evidence = st.builds(
    Evidence,
    value=st.sampled_from((1.0, 1.0, 1.0, 1.0, 20.0, 150.0)),
    fast=st.sampled_from((1.0, 1.0, 50.0, 150.0)),
    proven=st.booleans(),
    requests=st.tuples(st.integers(0, 10_000), st.integers(0, 1000)),
    failed=st.tuples(st.integers(0, 100), st.integers(0, 200)),
    in_flight=st.tuples(st.integers(0, 9), st.integers(0, 3)),
    excess_failed=st.sampled_from((0.0, 3.0, 60.0)),
    recent_requests=st.sampled_from((0, 14, 15, 40)),
    recent_excess=st.sampled_from((0.0, 0.04, 0.05, 0.5)),
)
verbs = st.sampled_from([verb.value for verb in Verb])


class WatchedStore(FakeStore):
    """A store that can also say that it has not written what it has, and die."""

    def __init__(self) -> None:
        super().__init__()
        self.unsure: set[int] = set()

    def lose(self) -> None:
        """What was asked for first is written down, and the answer says the opposite."""
        self.unsure.add(len(self.written) + 2)
        transition, judge, users, done = self._waiting.pop(0)
        problem = "timed out"
        try:
            self._put(transition, judge, users)
        except OSError as error:
            problem = str(error)
        done.errback(OSError(problem))

    def die(self, written: bool) -> None:
        """The process ends: what was being written is, or is not."""
        for transition, judge, users, _done in self._waiting[:1]:
            if written and transition.before.version >= self.records[transition.release].progress.version:
                self._put(transition, judge, users)
        self._waiting.clear()


class WatchedPath(FakeDataPath):
    """A data path that notices when the canary gets more than was written down."""

    def __init__(self, store: FakeStore) -> None:
        super().__init__()
        self._store = store

    def steer(self, release: str, progress: Progress) -> None:
        now = self.now
        if progress.share > now.share or progress.forced > now.forced or progress.mirror > now.mirror:
            written = self._store.records[release].progress
            assert shares(written) == shares(progress), f"{shares(progress)} is steered, and {shares(written)} is written down"
        super().steer(release, progress)


def shares(progress: Progress) -> tuple[int, bool, int]:
    return progress.share, progress.forced, progress.mirror


class Life(RuleBasedStateMachine):
    """A release, and everything that can happen to it."""

    world: World
    runner: Runner

    @initialize(release=specs())
    def begin(self, release: ReleaseSpec) -> None:
        store = WatchedStore()
        self.store = store
        self.world = World(store=store, path=WatchedPath(store))
        self.runner = self.world.begun(release)

    @rule(seen=evidence, seconds=st.integers(1, 45))
    def time_passes(self, seen: Evidence, seconds: int) -> None:
        self.world.see(seen)
        self.world.pass_time(self.runner, seconds)

    @rule(verb=verbs, to=st.sampled_from((None, None, FINEST, 60_000, MILLION)), full=st.booleans())
    def somebody_wants(self, verb: str, to: int | None, full: bool) -> None:
        before, steered = self.runner.progress, len(self.world.path.steered)
        fired: list[Any] = []
        self.runner.verb(verb, ANN, to, full).addBoth(fired.append)
        if fired and isinstance(fired[0], Failure) and fired[0].check(Refused):
            assert self.runner.progress == before
            assert len(self.world.path.steered) == steered
            assert verb not in fired[0].value.verbs or verb == "promote"

    @rule(baseline=st.integers(0, 1), canary=st.integers(0, 1))
    def health(self, baseline: int, canary: int) -> None:
        self.world.path.healthy = {"old": (baseline, 1), "new": (canary, 1)}

    @rule(verdict=st.sampled_from(("approved", "rejected", "waiting")))
    def gate_answers(self, verdict: str) -> None:
        if self.world.outreach._asked:
            self.world.outreach.answer(verdict)

    @rule(problem=st.sampled_from(("", "disk full")))
    def disk(self, problem: str) -> None:
        self.store.broken = problem

    @rule(slow=st.booleans())
    def pace(self, slow: bool) -> None:
        if slow or not self.store.waiting:
            self.store.slow = slow

    @precondition(lambda self: self.store.waiting)
    @rule(how=st.sampled_from(("written", "failed", "lost")))
    def disk_answers(self, how: str) -> None:
        if how == "lost":
            self.store.lose()
        elif how == "failed" or self.store.waiting[0].before.version < self.store.records["r1"].progress.version:
            self.store.answer("disk full")
        else:
            self.store.answer()

    @rule(written=st.booleans(), gap=st.sampled_from((-3600.0, 1.0, 300.0, 7200.0)))
    def killed(self, written: bool, gap: float) -> None:
        self.store.die(written)
        progress = self.store.records["r1"].progress
        self.runner = self.world.restart(self.runner, gap)
        if progress.held and progress.state is not State.PENDING:
            assert shares(self.world.path.steered[-1]) == shares(progress)

    @property
    def settled(self) -> bool:
        """Whether a tick has passed since something happened, or nothing waits for the disk: then it is in force."""
        return self.runner.progress.in_state >= 1.0 or not self.store.waiting

    @invariant()
    def what_was_taken_back_gets_nothing(self) -> None:
        if self.runner.progress.state in TAKEN_BACK:
            assert shares(self.runner.progress) == (0, False, 0)
            if self.settled:
                assert shares(self.world.path.now) == (0, False, 0)

    @invariant()
    def the_canary_has_what_is_said(self) -> None:
        if self.runner.progress.state in ACTIVE and self.settled:
            assert shares(self.world.path.now) == shares(self.runner.progress)
            assert self.runner.progress.share <= self.runner.progress.aim <= MILLION

    @invariant()
    def no_step_is_skipped(self) -> None:
        for one in self.store.written:
            assert one.event == "promoted" or one.after.step <= one.before.step + 1, one
            assert one.after.version >= one.before.version

    @invariant()
    def one_leads_to_the_next(self) -> None:
        for earlier, later in zip(self.store.written, self.store.written[1:], strict=False):
            if later.number in self.store.unsure:
                continue  # who wrote it could not know what was written before
            assert shares(earlier.after) == shares(later.before), (earlier, later)

    def teardown(self) -> None:
        """When the disk is well again, everything is written down."""
        while self.store.waiting:
            self.disk_answers("written")
        self.store.slow, self.store.broken = False, ""
        self.world.see(Evidence())
        self.world.pass_time(self.runner, 2)
        known = self.store.records["r1"].progress
        progress = self.runner.progress
        assert (known.state, known.version, shares(known)) == (progress.state, progress.version, shares(progress))
        step = self.runner.machine.step
        if progress.state is State.OBSERVING and step is not None and step.length is None and 0 < progress.aim < MILLION:
            assert progress.in_step < step.max or step.undecided is Undecided.HOLD, "what was to follow then was forgotten"
        assert [one.number for one in self.world.outreach.events] == sorted(one.number for one in self.world.outreach.events)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
