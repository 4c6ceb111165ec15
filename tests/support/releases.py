"""Doubles of what a release needs of others: a store, somebody to talk to, a data path, and a judge who says what he is told to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from shifter.model.change import Actor
from shifter.model.release import Gate, Progress, ReleaseSpec, RouteReference, Step, Transition, VerdictSettings
from shifter.observe.comparison import Counted, Second
from shifter.release.evidence import Evidence
from shifter.release.interfaces import DataPath, GateAnswer, Judge, Outreach, Record, Store
from shifter.release.runner import Around, Runner

ANN = Actor("ann", "lunch")
SHARES = (1, 5, 10, 50, 100)


def spec(*steps: Step, name: str = "r1", resume_within: float = 600.0, **verdict: Any) -> ReleaseSpec:
    """Return a release with *steps*, or with one for each of `SHARES`."""
    told = steps or tuple(Step(number, share * 10_000) for number, share in enumerate(SHARES, 1))
    settings = VerdictSettings(**verdict)
    return ReleaseSpec(name, RouteReference("backend", text="/"), "old", "new", told, verdict=settings, resume_within=resume_within)


class FakeStore:
    """Remembers. While ``broken`` it fails; with ``slow`` it answers when it is told to (`answer`)."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.written: list[Transition] = []
        self.broken = ""
        self.slow = False
        self.counts: Mapping[str, object] | None = None
        self._waiting: list[tuple[Transition, Mapping[str, object] | None, Sequence[Counted], Deferred[Transition]]] = []

    @property
    def waiting(self) -> list[Transition]:
        """What is to be written, while it is ``slow``."""
        return [transition for transition, *_ in self._waiting]

    def answer(self, problem: str = "") -> None:
        """Do what was asked for first, or fail with *problem*."""
        transition, judge, users, done = self._waiting.pop(0)
        if problem:
            done.errback(OSError(problem))
        else:
            done.callback(self._put(transition, judge, users))

    def load(self) -> Sequence[Record]:
        return list(self.records.values())

    def begin(self, record: Record) -> Deferred[None]:
        if self.broken:
            return fail(OSError(self.broken))
        self.records[record.spec.name] = record
        return succeed(None)

    def commit(
        self,
        transition: Transition,
        judge: Mapping[str, object] | None = None,
        users: Sequence[Counted] = (),
        counts: Mapping[str, object] | None = None,
    ) -> Deferred[Transition]:
        if self.slow:
            done: Deferred[Transition] = Deferred()
            self._waiting.append((transition, judge, users, done))
            self.counts = counts
            return done
        if self.broken:
            return fail(OSError(self.broken))
        self.counts = counts
        try:
            return succeed(self._put(transition, judge, users))
        except OSError as error:
            return fail(error)

    def _put(self, transition: Transition, judge: Mapping[str, object] | None, users: Sequence[Counted] = ()) -> Transition:
        record = self.records[transition.release]
        if transition.before.version < record.progress.version:
            raise OSError(f"version {record.progress.version} is written down, and not {transition.before.version}")
        known = json.loads(json.dumps(judge)) if judge is not None else record.judge
        anew = transition.event == "retried"
        counts = json.loads(json.dumps(self.counts or record.counts))
        record = replace(record, judge=known, users=(*record.users, *users), counts=counts)
        if anew:
            record = replace(record, judge=None, users=(), counts={})
        self.records[transition.release] = replace(record, progress=transition.after, saved=transition.at)
        self.written.append(replace(transition, number=len(self.written) + 1))
        return self.written[-1]

    def keep(
        self,
        name: str,
        progress: Progress,
        judge: Mapping[str, object],
        counts: Mapping[str, object],
        at: float,
        users: Sequence[Counted] = (),
    ) -> Deferred[None]:
        if self.broken:
            return fail(OSError(self.broken))
        record = self.records[name]
        if record.progress.version == progress.version:
            told = json.loads(json.dumps({"judge": judge, "counts": counts}))
            self.records[name] = replace(record, progress=progress, saved=at, users=(*record.users, *users), **told)
        return succeed(None)

    def events(self, after: int = 0, count: int = 1000, release: str | None = None) -> Deferred[list[Transition]]:
        return succeed([one for one in self.written if one.number > after and release in (None, one.release)][:count])

    def delivered(self, target: str) -> Deferred[int]:
        return succeed(0)

    def deliver(self, target: str, number: int) -> Deferred[None]:
        return succeed(None)


@dataclass
class Answered:
    """What a gate said."""

    verdict: str
    reason: str = ""


class FakeOutreach:
    """Notes what it is told. ``answers`` are what gates say, one after the other; without any they wait for `answer`."""

    def __init__(self) -> None:
        self.events: list[Transition] = []
        self.watched: list[str] = []
        self.failing: list[str] = []
        self.answers: list[Answered] = []
        self.questions: list[Mapping[str, object]] = []
        self._asked: list[Deferred[GateAnswer]] = []

    def answer(self, verdict: str, reason: str = "") -> None:
        """The gate that was asked first answers."""
        self._asked.pop(0).callback(Answered(verdict, reason))

    def ask(self, spec: ReleaseSpec, gate: Gate, question: Mapping[str, object]) -> Deferred[GateAnswer]:
        self.questions.append(question)
        done: Deferred[GateAnswer] = Deferred()
        self._asked.append(done)
        if self.answers:
            told = self.answers.pop(0)
            self.answer(told.verdict, told.reason)
        return done

    def told(self, transition: Transition) -> None:
        self.events.append(transition)

    def failing_checks(self, release: str) -> Sequence[str]:
        return self.failing

    def watch(self, spec: ReleaseSpec) -> None:
        if spec.name not in self.watched:
            self.watched.append(spec.name)

    def leave(self, release: str) -> None:
        if release in self.watched:
            self.watched.remove(release)

    def notifications(self, release: str) -> Sequence[Mapping[str, object]]:
        return [{"target": "slack hooks.example", "delivered": len(self.events), "waiting": 0, "refused": 0, "problem": None}]

    def checks(self, release: str) -> Sequence[Mapping[str, object]]:
        return []


class FakeDataPath:
    """A route that can be held: ``now`` is how it is shared out, ``steered`` every way in which it was. It has seen ``second``. ``refuses``
    says why it cannot be held, and ``keeps`` why it cannot be let go of."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.now = Progress()
        self.steered: list[Progress] = []
        self.refuses: list[str] = []
        self.keeps: list[str] = []
        self.asked_to_let_go = 0
        self.healthy: dict[str, tuple[int, int]] = {"old": (4, 4), "new": (2, 2)}
        self.edges: object = None
        self.second: Second | None = None
        self.sent = (90, 10)
        self.users: list[Counted] = []
        self.known: dict[int, list[Counted]] = {}

    def hold(self, spec: ReleaseSpec) -> Deferred[Sequence[str]]:
        if not self.refuses:
            self.held.add(spec.name)
        return succeed(list(self.refuses))

    def let_go(self, release: str) -> Deferred[Sequence[str]]:
        self.asked_to_let_go += 1
        if self.keeps:
            return succeed(list(self.keeps))
        self.held.discard(release)
        self.now = Progress()
        return succeed([])

    def steer(self, release: str, progress: Progress) -> None:
        self.now = progress
        self.steered.append(progress)

    def take(self, release: str) -> Second | None:
        if release not in self.held:
            return None
        second = self.second or Second()
        if self.second is None:
            second.sent, second.answered = list(self.sent), list(self.sent)
        return second

    def judge_with(self, release: str, edges: tuple[Sequence[float], Sequence[float]]) -> None:
        self.edges = edges

    def counted(self, release: str) -> Sequence[Counted]:
        found, self.users = self.users, []
        return found

    def know(self, release: str, attempt: int, users: Sequence[Counted]) -> None:
        self.known = {attempt: list(users)}

    def healthy_endpoints(self, cluster: str) -> tuple[int, int]:
        return self.healthy[cluster]

    def observed(self, release: str) -> Mapping[str, object]:
        return {
            "statuses": [{"status": 200, "baseline": 90, "canary": 10}],
            "paths": [],
            "failing": ["id-1"],
            "forced_requests": 3,
            "mirrored": 0,
        }


class FakeJudge:
    """Says ``evidence``, and notes in ``told`` what it is told. It knows its ``ticks`` again after a restart."""

    def __init__(self, evidence: Evidence, state: Mapping[str, object] | None = None) -> None:
        self.edges: tuple[Sequence[float], Sequence[float]] = ((1.0,), (1.0,))
        self.evidence = evidence
        self.told: list[str] = []
        self.ticks = int(str(state["ticks"])) if state else 0

    def tick(self, second: Second, rate: float) -> Evidence:
        self.ticks += 1
        return self.evidence

    def begin_step(self, warm_up: float) -> None:
        self.told.append(f"step {warm_up:g}")

    def brake(self, by_hand: bool) -> None:
        self.told.append("brake by hand" if by_hand else "brake")

    def look_again(self) -> None:
        self.told.append("look again")

    def resume(self) -> None:
        self.told.append("resume")

    def to_state(self) -> Mapping[str, object]:
        return {"ticks": self.ticks}


@dataclass
class World:
    """Everything that a release needs, and a clock that only `pass_time` moves. `run` makes a runner, as another process would."""

    store: FakeStore = field(default_factory=FakeStore)
    outreach: FakeOutreach = field(default_factory=FakeOutreach)
    path: FakeDataPath = field(default_factory=FakeDataPath)
    evidence: Evidence = field(default_factory=Evidence)
    monotonic: float = 1000.0
    wall: float = 1.7e9
    judges: list[FakeJudge] = field(default_factory=list)

    def around(self) -> Around:
        return Around(self._judge, self.store, self.outreach, self.path, lambda: self.monotonic, lambda: self.wall)

    def _judge(self, spec: ReleaseSpec, state: Mapping[str, object] | None) -> Judge:
        self.judges.append(FakeJudge(self.evidence, state))
        return self.judges[-1]

    def run(self, release: ReleaseSpec) -> Runner:
        """Return a runner of *release*: as it was written down, or of a new one."""
        if release.name not in self.store.records:
            self.store.records[release.name] = Record(release, Progress(), self.wall, self.wall)
        return Runner(self.store.records[release.name], self.around())

    def begun(self, release: ReleaseSpec | None = None) -> Runner:
        """Return the runner of a release in its first step."""
        runner = self.run(release or spec())
        runner.start(ANN)
        return runner

    def restart(self, runner: Runner, gap: float = 1.0) -> Runner:
        """The process is killed, and another one begins after *gap* seconds."""
        runner.stop()
        self.monotonic, self.wall = 5.0, self.wall + gap
        again = self.run(runner.spec)
        self.path.held = {runner.spec.name} if again.progress.held else set()
        self.path.now = Progress()
        again.resume()
        return again

    def see(self, evidence: Evidence) -> None:
        """Have judges say *evidence* from now on."""
        self.evidence = evidence
        for judge in self.judges:
            judge.evidence = evidence

    def pass_time(self, runner: Runner, seconds: int = 1) -> None:
        """Let *seconds* go by."""
        for _ in range(seconds):
            self.monotonic += 1.0
            self.wall += 1.0
            runner.tick()


def _proof(store: FakeStore, outreach: FakeOutreach, path: FakeDataPath, judge: FakeJudge) -> tuple[Store, Outreach, DataPath, Judge]:
    return store, outreach, path, judge  # mypy proves that they are
