"""Webhooks that are asked whether a release may go on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from shifter.model.release import Gate, GateKind, ReleaseSpec, RouteReference, Step
from shifter.release.gates import ask, reason_of
from tests.support.outreach import FakeHttp, sender

SPEC = ReleaseSpec("r 1", RouteReference("backend"), "service1", "service1a", (Step(1, 10_000),))
GATE = Gate(GateKind.WEBHOOK, "step-1", "https://ci.example/approve", "sesame", retries=1)


def asked(http: FakeHttp, clock: Clock, question: dict[str, object]) -> list[Any]:
    found: list[Any] = []
    Deferred.fromCoroutine(ask(sender(http, clock), SPEC, GATE, question)).addBoth(found.append)
    return found


def test_what_is_asked() -> None:
    http = FakeHttp()
    found = asked(http, Clock(), {"step": 1, "weight": 1.0})
    (sent,) = http.sent
    assert sent.json == {
        "event": "gate",
        "release": "r 1",
        "gate": "step-1",
        "baseline": "service1",
        "canary": "service1a",
        "step": 1,
        "weight": 1.0,
    }
    assert sent.headers["X-Shifter-Event"] == "gate"
    assert sent.headers["Idempotency-Key"] == "r%201/gate/step-1/1"
    assert sent.headers["X-Shifter-Signature"]
    sent.reply(200, '{"reason": "go ahead"}')
    assert (found[0].verdict, found[0].reason) == ("approved", "go ahead")


def test_coming_to_the_gate_again_is_another_question_and_a_second_look_is_not() -> None:
    http, clock = FakeHttp(), Clock()
    http.answers = lambda sent: 202
    for question, weight in ((1, 5.0), (1, 6.0), (2, 5.0)):
        asked(http, clock, {"question": question, "weight": weight})
    keys = [sent.headers["Idempotency-Key"] for sent in http.sent]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, "approved"), (204, "approved"), (202, "waiting"), (409, "rejected"), (403, "waiting"), (302, "waiting")]
)
def test_what_answers_mean(status: int, verdict: str) -> None:
    http, clock = FakeHttp(), Clock()
    http.answers = lambda sent: status
    found = asked(http, clock, {})
    clock.advance(5.0)
    assert found[0].verdict == verdict


def test_no_answer_is_not_yet() -> None:
    http, clock = FakeHttp(), Clock()
    http.answers = lambda sent: OSError("the connection was refused")
    found = asked(http, clock, {})
    clock.advance(5.0)
    assert len(http.sent) == 2
    assert (found[0].verdict, found[0].reason) == ("waiting", "the connection was refused")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", ""),
        (b'{"reason": "the\\nbuild is red"}', "the"),
        (b'{"reason": 5}', ""),
        (b'{"why": "x"}', ""),
        (b'"quoted"', "quoted"),
        (b"frozen until Monday\nask Ann\n", "frozen until Monday"),
        (b"<html><title>no</title>", ""),
        (b'{"reason": "cut o', ""),
        (b"[" * 60_000, ""),
        ("ä\x1b[31m".encode() * 1000, "ä[31m" * 59 + "ä[31…"),
    ],
)
def test_reasons(body: bytes, reason: str) -> None:
    assert reason_of(body) == reason


@given(st.binary(max_size=200))
def test_any_body_gives_a_line_or_nothing(body: bytes) -> None:
    assert reason_of(body).isprintable()
