"""The releases of a service: begun, ordered about, found again by the next process, and made to fit what is served.

Over 600 lines, for all of it is about one life of one manager, with the same doubles around it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from shifter.admin.release_view import Json, Order, Refused
from shifter.model.bootstrap import Bootstrap
from shifter.model.change import Actor
from shifter.model.release import MILLION, Gate, GateKind, Progress, ReleaseSpec, RouteReference, State, Step, Transition
from shifter.release.errors import Closed
from shifter.release.evidence import Evidence
from shifter.release.interfaces import Record
from shifter.release.runner import Around as RunnerAround
from shifter.release.runner import Runner
from shifter.service import releases
from shifter.service.composition import Inputs
from shifter.service.release_journal import ReleaseJournal
from shifter.service.release_parts import Around, Running
from shifter.service.release_reading import ReadRelease
from shifter.service.release_store import MemoryStore, StoreError
from shifter.service.releases import FORGOTTEN, INTERVAL, STILL_TELLING, Releases
from shifter.service.sources import Candidate
from tests.support.releases import ANN, FakeDataPath, FakeJudge, FakeOutreach, spec
from tests.support.releases import World as Evidences

TEXT = "name: r1"
CONFIG = Bootstrap(node_id="1")


class Path(FakeDataPath):
    """Also knows which release was steered, and has one hold a route at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: dict[str, int] = {}

    def hold(self, spec: ReleaseSpec) -> Deferred[Sequence[str]]:
        if not self.refuses:
            self.held.clear()
        return super().hold(spec)

    def steer(self, release: str, progress: Progress) -> None:
        super().steer(release, progress)
        self.shares[release] = progress.share


class Outside(FakeOutreach):
    """Is closed and opened by the service."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


class World:
    """`Around.world`, over an outreach."""

    def __init__(self, outreach: Outside) -> None:
        self.outreach = outreach
        self.log: list[str] = []

    @property
    def left(self) -> list[str]:
        return [said.removeprefix("leave ") for said in self.log if said.startswith("leave ")]

    def watch(self, store: ReleaseJournal, spec: ReleaseSpec) -> None:
        self.log.append(f"watch {spec.name}")
        self.outreach.watch(spec)

    def leave(self, release: str) -> None:
        self.log.append(f"leave {release}")
        self.outreach.leave(release)

    def close(self) -> None:
        self.outreach.close()


class Lab:
    """One process after the other; all have the same ``store`` and ``path``."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.wall = 1.7e9
        self.path = Path()
        self.store = MemoryStore(self.read)
        self.specs: dict[str, ReleaseSpec] = {TEXT: spec(), "name: r2": spec(name="r2"), "gated": spec(*GATED, name="gated")}
        self.files: Bootstrap | None = CONFIG
        self.said = False
        self.evidences = Evidences()
        self.start_process()

    def start_process(self, begin: bool = True) -> None:
        self.outreach = Outside()
        self.world = World(self.outreach)
        around = Around(
            clock=self.clock,
            wall=lambda: self.wall + self.clock.seconds(),
            datapath=self.path,
            world=self.world,
            run=self.run,
            files=lambda: self.files,
            holds=lambda: set(self.path.held),
            aside=maybeDeferred,
            read=self.read,
            check=self.check,
            plan=lambda spec: succeed({"steps": [len(spec.steps)]}),
            patch=lambda spec, progress: succeed(f"{spec.name} {progress.share}"),
            says=lambda bootstrap, spec, progress: self.said,
        )
        self.releases = Releases(around, self.store)
        self.releases.load()
        if begin:
            self.releases.begin()

    def run(self, record: Record, store: ReleaseJournal) -> Running:
        def judge(spec: ReleaseSpec, state: Any) -> FakeJudge:
            return FakeJudge(self.evidences.evidence, state)

        return Runner(
            record, RunnerAround(judge, store, self.outreach, self.path, self.clock.seconds, lambda: self.wall + self.clock.seconds())
        )

    def read(self, text: str, source: str) -> ReleaseSpec:
        if text not in self.specs:
            raise ValueError("unknown field `x`")
        return replace(self.specs[text], text=text, source=source)

    def check(self, text: str, source: str, bootstrap: Bootstrap, taken: Sequence[str]) -> ReadRelease:
        if text not in self.specs:
            return ReadRelease(None, ["1:1: error: one", "2:1: error: two"])
        return ReadRelease(self.read(text, source), (), ["a warning"])

    def begun(self, text: str = TEXT) -> Json:
        told = self.get(self.releases.start(text, "etc/release.yaml", ANN))
        assert isinstance(told, dict), told
        return told

    def get(self, done: Deferred[Any]) -> Any:
        results: list[Any] = []
        done.addBoth(results.append)
        assert results, "nothing came of it"
        return results[0]

    def order(self, verb: str, name: str = "r1", **more: Any) -> Any:
        return self.get(self.releases.order(name, Order(verb, ANN, **more)))

    def state(self, name: str = "r1") -> object:
        status = self.releases.status(name)
        return status["state"] if status is not None else None

    def events(self, name: str | None = None) -> list[str]:
        return [f"{one.release} {one.event}" for one in reversed(self.get(self.releases.history(100, None, name)))]

    def pass_time(self, seconds: int) -> None:
        self.clock.pump([INTERVAL] * seconds)


GATED = (Step(1, 10_000, min=0.0, length=1.0, gate=Gate(GateKind.MANUAL, "look")), Step(2, MILLION))


@pytest.fixture
def lab() -> Lab:
    return Lab()


# beginning


def test_one_begins_and_holds_its_route(lab: Lab) -> None:
    told = lab.begun()
    assert (told["name"], told["warnings"], told["source"]) == ("r1", ["a warning", FORGOTTEN], "etc/release.yaml")
    assert lab.state() == "observing" and lab.path.shares == {"r1": 10_000}
    assert lab.events() == ["r1 started", "r1 step"]
    assert [one["name"] for one in lab.releases.listed()] == ["r1"]
    assert lab.outreach.watched == ["r1"]


def test_it_is_not_forgotten_where_there_is_a_state_directory(lab: Lab) -> None:
    lab.store.lasting = True
    assert lab.begun()["warnings"] == ["a warning"]


def test_a_dry_run_begins_nothing(lab: Lab) -> None:
    told = lab.get(lab.releases.start(TEXT, "x", ANN, dry_run=True))
    assert told == {"name": "r1", "dry_run": True, "route": "/", "warnings": ["a warning", FORGOTTEN], "steps": [5]}
    assert lab.releases.listed() == [] and lab.events() == []
    assert not lab.clock.getDelayedCalls()


def test_what_is_no_release_is_refused_with_all_problems(lab: Lab) -> None:
    told = lab.get(lab.releases.start("nonsense", "x", ANN))
    assert isinstance(told, Refused)
    assert (told.status, told.detail.count("\n"), told.more["problems"]) == (400, 1, ["1:1: error: one", "2:1: error: two"])


def test_a_name_is_used_once(lab: Lab) -> None:
    lab.begun()
    told = lab.get(lab.releases.start(TEXT, "x", ANN))
    assert isinstance(told, Refused) and told.status == 409 and "`r1` already" in told.detail


def test_a_canary_without_a_healthy_endpoint_is_refused(lab: Lab) -> None:
    lab.path.healthy["new"] = (0, 2)
    told = lab.get(lab.releases.start(TEXT, "x", ANN))
    assert isinstance(told, Refused) and told.status == 409 and "0 of 2" in told.detail


def test_nothing_begins_before_anything_is_served(lab: Lab) -> None:
    lab.files = None
    told = lab.get(lab.releases.start(TEXT, "x", ANN))
    assert isinstance(told, Refused) and told.status == 503


def test_what_cannot_be_written_down_does_not_begin(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Deferred[None]:
        return maybeDeferred(_raise, StoreError("the disk is full"))

    monkeypatch.setattr(lab.store, "begin", full)
    told = lab.get(lab.releases.start(TEXT, "x", ANN))
    assert isinstance(told, Refused) and (told.status, told.detail) == (503, "the disk is full")
    assert lab.releases.listed() == [] and not lab.path.held


def _raise(error: Exception) -> None:
    raise error


# one route


def test_a_new_release_takes_the_route_of_the_one_before(lab: Lab) -> None:
    lab.begun()
    told = lab.get(lab.releases.start("name: r2", "x", ANN, dry_run=True))
    assert "it takes the place of r1, which is observing" in told["warnings"]
    lab.begun("name: r2")
    assert (lab.state("r1"), lab.state("r2")) == ("superseded", "observing")
    assert lab.path.held == {"r2"}
    assert lab.events("r1")[-1] == "r1 superseded"


def test_one_that_cannot_have_the_route_leaves_the_other_alone(lab: Lab) -> None:
    lab.begun()
    lab.path.refuses = ["the route cannot be found"]
    lab.begun("name: r2")
    assert (lab.state("r1"), lab.state("r2")) == ("observing", "aborted")


def test_two_that_begin_at_once_do_not_both_have_the_route(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    writing: list[Deferred[None]] = []

    def begin(record: Record) -> Deferred[None]:
        writing.append(Deferred())
        return writing[-1].addCallback(lambda _: MemoryStore.begin(lab.store, record))

    monkeypatch.setattr(lab.store, "begin", begin)
    lab.releases.start(TEXT, "x", ANN)
    told = lab.get(lab.releases.start("name: r2", "x", ANN))
    assert isinstance(told, Refused) and (told.status, told.title) == (409, "the route is taken")
    writing[0].callback(None)
    assert (lab.state("r1"), lab.state("r2"), lab.path.held) == ("observing", None, {"r1"})


def test_two_that_begin_at_once_do_not_both_have_the_route_of_a_third(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.begun()
    lab.specs["name: r3"] = spec(name="r3")
    holding: Deferred[None] = Deferred()
    monkeypatch.setattr(lab.path, "hold", lambda one: holding.addCallback(lambda _: Path.hold(lab.path, one)))
    lab.releases.start("name: r2", "x", ANN)
    told = lab.get(lab.releases.start("name: r3", "x", ANN))
    assert isinstance(told, Refused) and (told.status, told.title) == (409, "the route is taken")
    holding.callback(None)
    assert [lab.state(name) for name in ("r1", "r2", "r3")] == ["superseded", "observing", None]
    lab.begun("name: r3")
    assert (lab.state("r2"), lab.state("r3"), lab.path.held) == ("superseded", "observing", {"r3"})


def test_one_that_cannot_take_the_place_of_another_leaves_it_its_route(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.begun()

    def commit(transition: Transition, *more: Any) -> Deferred[Transition]:
        if transition.event == "superseded":
            return maybeDeferred(_raise, StoreError("the disk is full"))
        return MemoryStore.commit(lab.store, transition, *more)

    monkeypatch.setattr(lab.store, "commit", commit)
    told = lab.get(lab.releases.start("name: r2", "x", ANN))
    assert isinstance(told, Refused) and told.status == 503
    assert lab.state("r2") == "aborted"
    assert "r1" in lab.path.held
    assert lab.releases._running["r1"].progress.held


def test_one_whose_process_ended_before_it_had_its_route_leaves_it_to_whose_it_is(lab: Lab) -> None:
    lab.begun()
    lab.get(lab.store.begin(Record(replace(spec(name="r2"), text="name: r2"), Progress(), lab.wall, lab.wall)))
    lab.start_process()
    lab.pass_time(12)
    assert (lab.state("r1"), lab.state("r2"), lab.path.held) == ("observing", "aborted", {"r1"})
    assert "before it could take its route from r1" in lab.get(lab.releases.history(1, None, "r2"))[0].reason


def test_one_goes_on_whose_client_does_not_wait_for_the_answer(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    writing: Deferred[None] = Deferred()
    monkeypatch.setattr(lab.store, "begin", lambda record: writing.addCallback(lambda _: MemoryStore.begin(lab.store, record)))
    told = lab.releases.start(TEXT, "x", ANN)
    told.addErrback(lambda _: None)
    told.cancel()
    writing.callback(None)
    assert lab.state("r1") == "observing"


def test_one_that_was_about_to_have_the_route_gives_way_too(lab: Lab) -> None:
    lab.path.healthy["old"] = (0, 2)
    lab.begun()
    assert lab.state() == "preflight"
    lab.begun("name: r2")
    lab.path.healthy["old"] = (2, 2)
    lab.pass_time(2)
    assert (lab.state("r1"), lab.state("r2"), lab.path.held) == ("superseded", "observing", {"r2"})


def test_one_whose_route_is_anothers_by_now_does_not_begin_anew(lab: Lab) -> None:
    lab.begun()
    lab.order("abort")
    lab.order("finish")
    lab.begun("name: r2")
    told = lab.order("retry")
    assert isinstance(told, Refused) and told.status == 409 and "`r2` has its route" in told.detail
    assert (lab.state("r1"), lab.state("r2"), lab.path.held) == ("aborted", "observing", {"r2"})
    lab.order("abort", "r2")
    lab.order("finish", "r2")
    assert lab.order("retry")["state"] == "observing"


def test_another_route_is_nobodys_business(lab: Lab) -> None:
    lab.specs["name: r2"] = replace(lab.specs["name: r2"], route=RouteReference(text="/other"))
    lab.begun()
    lab.begun("name: r2")
    assert (lab.state("r1"), lab.state("r2")) == ("observing", "observing")


# ordering about


def test_verbs_are_carried_out_and_answered_with_how_it_is_then(lab: Lab) -> None:
    lab.begun()
    assert lab.order("promote")["weight"] == 5.0
    assert lab.order("promote", to="50")["weight"] == 50.0
    assert lab.order("pause")["state"] == "paused"
    assert lab.order("abort")["state"] == "aborted"
    assert lab.order("finish")["held"] is False
    assert lab.path.held == set()
    assert lab.events()[-4:] == ["r1 promoted", "r1 paused", "r1 aborted", "r1 finished"]


def test_a_verb_that_does_not_fit_is_refused_with_those_that_do(lab: Lab) -> None:
    lab.begun()
    told = lab.order("resume")
    assert isinstance(told, Refused)
    assert (told.status, told.more["state"]) == (409, "observing")
    assert "pause" in list(told.more["verbs"])  # type: ignore[call-overload]


@pytest.mark.parametrize("to", ["0", "100.5", "much", "-1", "inf"])
def test_a_weight_that_is_none(lab: Lab, to: str) -> None:
    lab.begun()
    told = lab.order("promote", to=to)
    assert isinstance(told, Refused) and told.status == 400


def test_who_knows_an_older_version_is_refused(lab: Lab) -> None:
    version = lab.begun()["version"]
    assert isinstance(version, int)
    assert not isinstance(lab.order("pause", version=lab.releases.status("r1")["version"]), Refused)  # type: ignore[index]
    told = lab.order("resume", version=version)
    assert isinstance(told, Refused) and told.status == 412


@pytest.mark.parametrize(("more", "status"), [({"version": 2}, 412), ({"gate": "look"}, 404)])
def test_who_knows_an_older_version_is_refused_when_it_is_their_turn(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], status: int
) -> None:
    """What was seen when it was asked for may be over when what is being written down is."""
    writing: list[Deferred[Any]] = []
    commit = lab.store.commit

    def slow(*what: Any) -> Deferred[Any]:
        writing.append(Deferred())
        return writing[-1].addCallback(lambda _: commit(*what))

    lab.specs["gated"] = spec(replace(GATED[0], share=10_000), replace(GATED[0], number=2, share=20_000, gate=None), name="gated")
    assert lab.begun("gated")["version"] == 2
    monkeypatch.setattr(lab.store, "commit", slow)
    lab.releases.order("gated", Order("promote", ANN))
    told: list[Any] = []
    lab.releases.order("gated", Order("promote", ANN, **more)).addBoth(told.append)
    assert told == []
    writing.pop(0).callback(None)
    assert [one.status for one in told] == [status]
    assert lab.state("gated") == "observing" and not writing


def test_gates_are_answered_by_name(lab: Lab) -> None:
    lab.begun("gated")
    lab.pass_time(3)
    assert lab.state("gated") == "gated"
    told = lab.order("approve", "gated", gate="another")
    assert isinstance(told, Refused) and told.status == 404
    assert lab.order("approve", "gated", gate="look")["weight"] == 100.0


def test_there_is_none_of_that_name(lab: Lab) -> None:
    told = lab.order("pause", "none")
    assert isinstance(told, Refused) and told.status == 404
    assert lab.releases.status("none") is None
    assert isinstance(lab.get(lab.releases.plan("none")), Refused) and isinstance(lab.get(lab.releases.patch("none")), Refused)


def test_plan_and_patch_are_of_the_release(lab: Lab) -> None:
    lab.begun()
    assert lab.get(lab.releases.plan("r1")) == {"steps": [5]}
    assert lab.get(lab.releases.patch("r1")) == "r1 10000"


# figures


def test_figures_are_there_as_long_as_it_holds_its_route(lab: Lab) -> None:
    assert lab.releases.reports() == ()
    lab.begun()
    (report,) = lab.releases.reports()
    gauges = report.figures.gauges
    assert (report.name, gauges["weight"], gauges["state.observing"], gauges["state.paused"]) == ("r1", 1.0, 1, 0)
    assert "budget" not in gauges
    lab.order("abort")
    assert len(lab.releases.reports()) == 1
    lab.order("finish")
    assert lab.releases.reports() == ()


def test_excess_failures_are_a_counter(lab: Lab) -> None:
    lab.begun()
    for excess, told in ((7.4, 7), (3.0, 7), (9.0, 9)):
        lab.evidences.see(replace(lab.evidences.evidence, excess_failed=excess))
        running: Any = lab.releases._running["r1"]
        running.evidence = lab.evidences.evidence
        assert lab.releases.reports()[0].figures.counters["excess_failed_total"] == told


def test_nothing_ticks_when_nothing_goes_on(lab: Lab) -> None:
    assert not lab.clock.getDelayedCalls()
    lab.begun()
    assert lab.clock.getDelayedCalls()
    lab.order("abort")
    lab.order("finish")
    lab.pass_time(2)
    assert not lab.clock.getDelayedCalls()


def test_one_that_begins_anew_after_all_was_over_is_judged(lab: Lab) -> None:
    lab.begun()
    lab.order("abort")
    lab.order("finish")
    lab.pass_time(2)
    assert not lab.clock.getDelayedCalls()
    lab.evidences.see(Evidence(value=131.0, sentence="31 of 81 failed"))
    assert lab.order("retry")["state"] == "observing"
    lab.pass_time(2)
    assert (lab.state(), lab.path.shares) == ("rolled back", {"r1": 0})


def test_what_could_not_be_written_down_is_when_all_is_over(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.path.healthy["old"] = (0, 2)
    lab.begun()
    monkeypatch.setattr(lab.store, "commit", lambda *_: maybeDeferred(_raise, StoreError("the disk is full")))
    assert lab.order("abort")["held"] is False
    lab.pass_time(5)
    monkeypatch.undo()
    lab.pass_time(2)
    assert lab.events() == ["r1 started", "r1 aborted"] and not lab.clock.getDelayedCalls()


def test_one_that_cannot_be_looked_at_keeps_no_other_from_it(lab: Lab, logged_failures: list[Failure]) -> None:
    lab.specs["name: r2"] = replace(lab.specs["name: r2"], route=RouteReference(text="/other"))
    lab.begun()
    lab.begun("name: r2")
    running: Any = lab.releases._running["r1"]
    running.tick = lambda: 1 / 0
    lab.pass_time(1)
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()
    assert lab.releases._running["r2"].progress.in_step > 0


# from process to process


def test_shares_are_back_before_anything_is_served(lab: Lab) -> None:
    lab.begun()
    lab.order("promote", to="50")
    lab.path.shares.clear()
    lab.start_process(begin=False)
    assert lab.path.shares == {"r1": 500_000}
    assert lab.outreach.watched == []
    told = lab.order("pause")
    assert isinstance(told, Refused) and told.status == 503
    lab.releases.begin()
    assert (lab.state(), lab.outreach.watched) == ("observing", ["r1"])
    lab.pass_time(2)
    assert lab.order("promote")["weight"] == 100.0


def test_after_a_long_gap_it_comes_back_paused(lab: Lab) -> None:
    lab.begun()
    lab.wall += 601
    lab.start_process()
    assert lab.state() == "paused" and lab.path.shares["r1"] == 10_000
    assert lab.events()[-1] == "r1 paused"


def test_who_takes_over_goes_on_and_nobody_else_does(lab: Lab) -> None:
    lab.begun()
    lab.pass_time(3)
    old = lab.releases
    assert lab.get(old.hold()) == ""
    kept = lab.store.load()[0]
    assert kept.progress.in_step == pytest.approx(3.0) and kept.judge == {"ticks": 3}
    assert lab.outreach.closed == 1 and not lab.clock.getDelayedCalls()
    told = lab.order("pause")
    assert isinstance(told, Refused) and (told.status, told.detail) == (503, "the proxy is handing over to a new process")
    lab.start_process()
    old.stop()
    old.stop()
    assert lab.outreach.closed == 0
    assert lab.order("promote")["weight"] == 5.0
    assert lab.events() == ["r1 started", "r1 step", "r1 promoted"]


def test_when_nobody_took_over_it_goes_on(lab: Lab) -> None:
    lab.begun()
    lab.get(lab.releases.hold())
    lab.outreach.watched.clear()
    lab.releases.release()
    assert lab.outreach.watched == ["r1"]
    assert lab.order("promote")["weight"] == 5.0
    lab.pass_time(1)
    assert lab.releases._running["r1"].progress.in_step == pytest.approx(1.0)


def test_what_is_not_written_down_is_not_handed_over(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.begun()
    monkeypatch.setattr(lab.store, "commit", lambda *_: maybeDeferred(_raise, StoreError("the disk is full")))
    assert lab.order("abort")["weight"] == 0.0
    assert lab.get(lab.releases.hold()) == "the release r1 has changed, and that is not written down yet"
    lab.releases.release()
    monkeypatch.undo()
    assert lab.get(lab.releases.hold()) == "", "what could not be written down before is tried again"
    lab.start_process()
    assert lab.state() == "aborted"


def test_a_handover_waits_for_what_is_being_written_down(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.begun()
    writing: list[Deferred[None]] = []

    def commit(*what: Any) -> Deferred[Transition]:
        writing.append(Deferred())
        return writing[-1].addCallback(lambda _: MemoryStore.commit(lab.store, *what))

    monkeypatch.setattr(lab.store, "commit", commit)
    for verb in ("brake", "abort"):
        lab.releases.order("r1", Order(verb, ANN))
    held: list[str] = []
    lab.releases.hold().addCallback(held.append)
    for one in range(2):
        assert not held
        writing[one].callback(None)
    assert held == [""]
    assert lab.store.load()[0].progress.state is State.ABORTED


def test_a_handover_that_comes_to_nothing_pauses_nothing(lab: Lab) -> None:
    lab.begun()
    running = lab.releases._running["r1"]
    lab.get(lab.releases.hold())
    assert lab.get(running.verb("promote", ANN)).check(Closed)
    lab.releases.release()
    assert lab.state() == "observing"
    assert lab.order("promote")["weight"] == 5.0


def test_when_nobody_took_over_what_is_over_goes_on_telling(lab: Lab) -> None:
    lab.begun()
    lab.order("abort")
    lab.get(lab.releases.hold())
    lab.world.log.clear()
    lab.wall += STILL_TELLING + 1.0
    lab.releases.release()
    assert lab.world.log == ["watch r1", "leave r1"]


def test_requests_that_are_left_in_the_old_process_are_shared_out_by_the_new_one(lab: Lab) -> None:
    lab.begun()
    old = lab.releases
    lab.get(old.hold())
    lab.start_process()
    lab.releases.steered = lambda shares: old.steer(dict(shares))
    old.stop()
    lab.path.steered.clear()
    lab.order("abort")
    assert [one.share for one in lab.path.steered] == [0, 0]
    lab.pass_time(3)
    assert len(lab.path.steered) == 2


def test_without_a_state_directory_the_next_process_is_told(lab: Lab) -> None:
    lab.begun()
    lab.order("promote", to="50")
    lab.get(lab.releases.hold())
    memo = lab.releases.memo()
    lab.store = MemoryStore(lab.read, memo)
    lab.start_process()
    assert (lab.state(), lab.path.shares["r1"]) == ("observing", 500_000)
    assert lab.events() == ["r1 started", "r1 step", "r1 promoted"]


def test_a_text_that_cannot_be_read_any_more_keeps_its_share(lab: Lab) -> None:
    lab.begun()
    lab.store = MemoryStore(lab.read, lab.releases.memo())
    del lab.specs[TEXT]
    lab.start_process()
    assert lab.path.shares["r1"] == 10_000 and lab.path.held == {"r1"}
    (told,) = lab.releases.listed()
    assert told["state"] == "observing" and lab.state() == "observing"
    refused = lab.order("pause")
    assert isinstance(refused, Refused) and "unknown field `x`" in refused.detail


def test_what_ended_not_long_ago_is_still_told(lab: Lab) -> None:
    lab.begun()
    lab.order("abort")
    lab.order("finish")
    lab.start_process()
    assert lab.world.left == ["r1"] and lab.state() == "aborted"
    refused = lab.order("retry")
    assert isinstance(refused, Refused) and refused.status == 409
    lab.wall += STILL_TELLING
    lab.start_process()
    assert lab.world.left == []


# what is left behind


def test_a_hold_that_outlived_its_release_is_let_go_of(lab: Lab) -> None:
    lab.begun()
    lab.order("promote", full=True)
    lab.order("promote")
    assert lab.state() == "succeeded"
    lab.order("finish")
    lab.path.held = {"r1"}
    lab.path.shares.clear()
    lab.start_process(begin=False)
    assert lab.path.shares == {"r1": MILLION}
    lab.releases.begin()
    assert lab.path.held == set()


def test_a_hold_that_outlived_its_release_is_let_go_of_as_soon_as_that_can_be(lab: Lab, logged: list[str]) -> None:
    lab.path.held = {"r1"}
    lab.path.keeps = ["disk full"]
    lab.start_process()
    lab.pass_time(60)
    assert logged.count("release r1: its route cannot be let go of: disk full") == 1
    assert (lab.path.held, lab.path.asked_to_let_go) == ({"r1"}, 7)
    lab.path.keeps = []
    lab.pass_time(11)
    assert lab.path.held == set() and not lab.clock.getDelayedCalls()


def test_a_hold_that_outlived_its_release_is_anothers_of_the_same_name(lab: Lab) -> None:
    lab.path.held = {"r1"}
    lab.path.keeps = ["disk full"]
    lab.start_process()
    lab.begun()
    lab.path.keeps = []
    lab.pass_time(20)
    assert (lab.state(), lab.path.held) == ("observing", {"r1"})


def test_one_whose_route_is_not_let_go_of_is_looked_at_until_it_is(lab: Lab) -> None:
    lab.begun()
    lab.order("abort")
    lab.path.keeps = ["the proxy is handing over to a new process"]
    lab.order("finish")
    lab.get(lab.releases.hold())
    lab.path.keeps = []
    lab.releases.release()
    lab.pass_time(12)
    assert lab.path.held == set() and not lab.clock.getDelayedCalls()


def test_a_release_without_its_hold_is_given_up(lab: Lab) -> None:
    lab.begun()
    lab.path.held = set()
    lab.start_process()
    assert lab.state() == "aborted" and lab.events()[-2:] == ["r1 aborted", "r1 finished"]


def test_a_release_whose_route_went_to_another_is_superseded(lab: Lab) -> None:
    lab.begun()
    progress = Progress(State.PENDING)
    lab.get(lab.store.begin(Record(replace(spec(name="r2"), text="name: r2"), progress, lab.wall, lab.wall)))
    lab.path.held = {"r2"}
    lab.start_process()
    assert (lab.state("r1"), lab.state("r2")) == ("superseded", "observing")


@pytest.mark.parametrize("says", [True, False])
def test_new_files_that_say_what_became_of_it_end_its_hold(lab: Lab, says: bool) -> None:
    lab.releases.served(Inputs(Candidate("front.yaml", CONFIG)))
    lab.begun()
    lab.order("abort")
    lab.said = says
    lab.releases.served(Inputs(Candidate("front.yaml", CONFIG)))
    assert lab.path.held == {"r1"}
    lab.releases.served(Inputs(Candidate("front.yaml", Bootstrap(node_id="2"))))
    assert lab.path.held == (set() if says else {"r1"})
    if says:
        last = lab.get(lab.releases.history(1))[0]
        assert (last.event, last.actor) == ("finished", Actor("shifter", "the configuration's file says the same", "file"))


@pytest.mark.parametrize("says", [True, False])
def test_files_that_came_to_say_it_while_there_was_no_process_end_its_hold(lab: Lab, says: bool) -> None:
    lab.releases.served(Inputs(Candidate("front.yaml", CONFIG)))
    lab.begun()
    lab.order("abort")
    lab.said = says
    lab.start_process(begin=False)
    lab.releases.served(Inputs(Candidate("front.yaml", Bootstrap(node_id="2"))))
    lab.releases.begin()
    assert lab.path.held == (set() if says else {"r1"})
    assert lab.events()[-1] == ("r1 finished" if says else "r1 aborted")


def test_files_that_came_to_say_it_when_nobody_took_over_end_its_hold(lab: Lab) -> None:
    lab.releases.served(Inputs(Candidate("front.yaml", CONFIG)))
    lab.begun()
    lab.order("abort")
    lab.get(lab.releases.hold())
    lab.said = True
    lab.releases.served(Inputs(Candidate("front.yaml", Bootstrap(node_id="2"))))
    assert lab.path.held == {"r1"}
    lab.releases.release()
    assert lab.path.held == set()


def test_files_say_nothing_new_of_one_that_lost_its_route(lab: Lab, logged: list[str]) -> None:
    lab.begun()
    lab.order("abort")
    lab.said = True
    lab.path.held = set()
    lab.start_process(begin=False)
    lab.releases.served(Inputs(Candidate("front.yaml", CONFIG)))
    writing: list[Deferred[Any]] = []
    commit = lab.store.commit

    def slow(*what: Any) -> Deferred[Any]:
        writing.append(Deferred())
        return writing[-1].addCallback(lambda _: commit(*what))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab.store, "commit", slow)
        lab.releases.begin()
        writing[0].callback(None)
    assert lab.events()[-2:] == ["r1 aborted", "r1 finished"] and len(writing) == 1
    assert not any("has let go of its route already" in said for said in logged)


def test_files_say_nothing_of_one_that_goes_on(lab: Lab) -> None:
    lab.releases.served(Inputs(Candidate("front.yaml", CONFIG)))
    lab.begun()
    lab.said = True
    lab.releases.served(Inputs(Candidate("front.yaml", Bootstrap(node_id="2"))))
    assert lab.state() == "observing"


def test_of_those_that_are_over_only_the_last_are_remembered(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "KEPT_OVER", 2)
    for number in range(6):
        text = f"name: n{number}"
        lab.specs[text] = spec(name=f"n{number}")
        lab.begun(text)
        lab.order("abort", f"n{number}")
        if number:
            lab.order("finish", f"n{number}")
    assert [one["name"] for one in lab.releases.listed()] == ["n5", "n4", "n3"]
    assert lab.releases.status("n0") is None


def test_the_text_of_one_that_ended_long_ago_is_read_once(lab: Lab) -> None:
    lab.begun()
    lab.order("abort")
    lab.order("finish")
    lab.start_process()
    lab.clock.pump([1.0])
    reading: list[str] = []
    read = lab.specs
    lab.specs = _Noting(read, reading)
    before = lab.releases.status("r1")
    lab.releases.status("r1")
    assert before is not None and before["state"] == "aborted" and len(reading) <= 1


class _Noting(dict[str, ReleaseSpec]):
    def __init__(self, specs: dict[str, ReleaseSpec], reading: list[str]) -> None:
        super().__init__(specs)
        self._reading = reading

    def __getitem__(self, text: str) -> ReleaseSpec:
        self._reading.append(text)
        return super().__getitem__(text)
