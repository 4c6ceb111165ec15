"""Everybody outside at once: who keeps whom waiting (nobody), and what is left at the end (nothing)."""

from typing import Any

from twisted.internet.task import Clock

from shifter.model.release import (
    Gate,
    GateKind,
    Notification,
    PrometheusCheck,
    ReleaseSpec,
    RouteReference,
    State,
    Step,
    VerdictSettings,
)
from shifter.release.outreach import WebOutreach
from tests.release.test_outbox import Table
from tests.support.outreach import WALL, FakeHttp, Sent

GATE = Gate(GateKind.WEBHOOK, "step-1", "https://ci.example/approve", retries=2)
SPEC = ReleaseSpec(
    "r-1",
    RouteReference("backend"),
    "service1",
    "service1a",
    (Step(1, 10_000, gate=GATE),),
    verdict=VerdictSettings(also=(PrometheusCheck("http://prometheus.example", "up", min=1.0, failures=1, name="up"),)),
    notify=(
        Notification(slack="$SLACK", on=frozenset(("rolled_back", "succeeded"))),
        Notification(webhook="https://dead.example/hook/s3cret", secret="$SECRET"),
    ),
)


class Scene:
    def __init__(self) -> None:
        self.http, self.clock, self.table = FakeHttp(), Clock(), Table()
        self.environment = {"SLACK": "https://hooks.slack.example/T0/s3cret", "SECRET": "sesame"}
        self.http.answers = self.answer
        self.outreach = self.begin()

    def begin(self) -> WebOutreach:
        wall = lambda: WALL + self.clock.seconds()  # noqa: E731
        return WebOutreach(self.http, self.table, self.clock, wall, random=lambda: 0.0, environment=self.environment)  # type: ignore[arg-type]

    def answer(self, sent: Sent) -> int | OSError:
        return OSError("the connection was refused") if "dead" in sent.url else 200

    def happens(self, event: str, **changes: Any) -> None:
        self.outreach.told(self.table.add(event, **changes))

    def told(self, server: str) -> list[str]:
        return [sent.headers["X-Shifter-Event"] for sent in self.http.sent if server in sent.url and sent.method == "POST"]


def test_a_dead_receiver_keeps_up_nobody_else() -> None:
    scene = Scene()
    scene.outreach.watch(SPEC)
    for event in ("started", "step", "rolled_back"):
        scene.happens(event)
    assert scene.told("slack") == ["rolled_back"]
    assert scene.told("dead") == ["started"]
    assert scene.outreach.notifications("r-1") == [
        {"target": "slack hooks.slack.example", "delivered": 1, "waiting": 0, "refused": 0, "problem": None},
        {"target": "webhook dead.example", "delivered": 0, "waiting": 3, "refused": 0, "problem": "the connection was refused"},
    ]
    assert "s3cret" not in str(scene.outreach.notifications("r-1"))
    scene.outreach.close()
    assert not scene.clock.getDelayedCalls()


def test_a_process_that_comes_after_goes_on() -> None:
    scene = Scene()
    scene.outreach.watch(SPEC)
    for event in ("started", "rolled_back"):
        scene.happens(event, state=State.ROLLED_BACK, held=False)
    scene.outreach.leave("r-1")
    scene.outreach.close()
    scene.http.answers = lambda sent: 200
    scene.outreach = scene.begin()
    scene.outreach.watch(SPEC)
    scene.outreach.leave("r-1")
    assert scene.told("slack") == ["rolled_back"]
    assert scene.told("dead") == ["started", "started", "rolled_back"]
    assert scene.outreach.notifications("r-1") == []  # there is nothing more to be told
    assert not scene.clock.getDelayedCalls()


def test_an_unset_variable_is_waited_for() -> None:
    scene = Scene()
    del scene.environment["SLACK"], scene.environment["SECRET"]
    scene.outreach.watch(SPEC)
    scene.happens("succeeded")
    slack, webhook = scene.outreach.notifications("r-1")
    assert (slack["target"], slack["problem"]) == ("slack $SLACK", "the environment variable SLACK is not set")
    assert webhook["problem"] == "the environment variable SECRET is not set"
    scene.outreach.close()


def test_a_conflict_is_an_answer_to_a_question_only() -> None:
    scene = Scene()
    scene.http.answers = lambda sent: 409
    scene.outreach.watch(SPEC)
    scene.happens("started")
    assert scene.outreach.notifications("r-1")[1]["problem"] == "HTTP 409: event 1 (started) was refused"
    found: list[Any] = []
    scene.outreach.ask(SPEC, GATE, {}).addBoth(found.append)
    assert found[0].verdict == "rejected"
    scene.outreach.close()


def test_checks_go_on_until_the_release_is_over() -> None:
    scene = Scene()
    scene.http.answers = None
    scene.outreach.watch(SPEC)
    scene.outreach.watch(SPEC)
    (sent,) = [sent for sent in scene.http.sent if "prometheus" in sent.url]
    sent.reply(200, '{"status":"success","data":{"resultType":"scalar","result":[1,"0"]}}')
    assert scene.outreach.failing_checks("r-1") == ["the check `up` gave 0, and must be 1 at least"]
    assert scene.outreach.checks("r-1")[0]["value"] == 0.0
    scene.outreach.leave("r-1")
    assert scene.outreach.failing_checks("r-1") == scene.outreach.checks("r-1") == []
    assert not scene.clock.getDelayedCalls()


def test_questions_are_given_up_with_the_release_and_at_the_end() -> None:
    scene = Scene()
    scene.http.answers = None
    found: list[Any] = []
    scene.outreach.ask(SPEC, GATE, {}).addBoth(found.append)
    scene.outreach.leave("r-1")
    scene.outreach.ask(SPEC, GATE, {}).addBoth(found.append)
    scene.http.sent[-1].fail()
    assert len(scene.clock.getDelayedCalls()) == 1
    scene.outreach.close()
    assert [(answer.verdict, answer.reason) for answer in found] == [("waiting", "the question was given up")] * 2
    assert not scene.clock.getDelayedCalls()


def test_whoever_asks_may_give_up_by_itself() -> None:
    scene = Scene()
    scene.http.answers = None
    found: list[Any] = []
    asked = scene.outreach.ask(SPEC, GATE, {})
    asked.addBoth(found.append)
    asked.cancel()
    assert found[0].verdict == "waiting"
    assert scene.http.cancelled == 1


def test_of_releases_that_nobody_watches_nothing_is_told() -> None:
    scene = Scene()
    scene.happens("started")
    scene.outreach.leave("r-1")
    assert not scene.http.sent
