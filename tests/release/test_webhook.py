"""Signed JSON, sent again when that may help."""

import hmac
from email.utils import formatdate
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from shifter.release.webhook import (
    LONGEST_PAUSE,
    Message,
    NotDelivered,
    body_of,
    first_line,
    host_of,
    pause_before,
    resolved,
    retry_after,
    signature,
)
from tests.support.outreach import WALL, FakeHttp, sender

MESSAGE = Message("step", "r-1/3/99", b'{"a":1}')
URL = "https://ci.example/hooks/s3cret"


def verified(secret: str, header: str, body: bytes) -> bool:
    """As docs/release-webhooks.md has it."""
    said = dict(part.split("=", 1) for part in header.split(","))
    right = hmac.new(secret.encode(), said["t"].encode() + b"." + body, sha256).hexdigest()
    return hmac.compare_digest(right, said["v1"])


def outcome(deferred: Deferred[Any]) -> Any:
    found: list[Any] = []
    deferred.addBoth(found.append)
    return found


@given(st.text(min_size=1, max_size=20), st.integers(0, 2**33), st.binary(max_size=50), st.binary(max_size=50))
def test_a_signature_is_right_for_one_body_and_one_secret(secret: str, at: int, body: bytes, other: bytes) -> None:
    header = signature(secret, at, body)
    assert verified(secret, header, body)
    assert verified(secret, header, other) is (other == body)
    assert not verified(secret + "x", header, body)


def test_what_is_sent() -> None:
    http, clock = FakeHttp(), Clock()
    work = Deferred.fromCoroutine(sender(http, clock, {"KEY": "sesame"}).send(URL, "$KEY", MESSAGE, 7.0))
    (sent,) = http.sent
    assert (sent.method, sent.url, sent.body, sent.timeout) == ("POST", URL, b'{"a":1}', 7.0)
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["X-Shifter-Event"] == "step"
    assert sent.headers["Idempotency-Key"] == "r-1/3/99"
    assert verified("sesame", sent.headers["X-Shifter-Signature"], sent.body)
    assert sent.headers["X-Shifter-Signature"].startswith(f"t={int(WALL)},")
    sent.reply(204)
    assert outcome(work)[0].status == 204


def test_without_a_secret_nothing_is_signed() -> None:
    http = FakeHttp()
    outcome(Deferred.fromCoroutine(sender(http, Clock()).send(URL, "", MESSAGE, 7.0)))
    assert "X-Shifter-Signature" not in http.sent[0].headers


def test_each_try_has_the_same_key_and_a_signature_of_its_own_time() -> None:
    http, clock = FakeHttp(), Clock()
    found = outcome(Deferred.fromCoroutine(sender(http, clock).send_with_tries(URL, "sesame", MESSAGE, 7.0, 3)))
    http.sent[0].fail()
    clock.advance(1.0)
    http.sent[1].reply(500)
    clock.advance(2.0)
    http.sent[2].reply(429, retry_after="100")
    clock.advance(99.0)
    assert len(http.sent) == 3
    clock.advance(1.0)
    http.sent[3].reply(200)
    assert found[0].status == 200
    assert {sent.headers["Idempotency-Key"] for sent in http.sent} == {"r-1/3/99"}
    assert len({sent.headers["X-Shifter-Signature"] for sent in http.sent}) == 4
    assert all(verified("sesame", sent.headers["X-Shifter-Signature"], sent.body) for sent in http.sent)
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize(("status", "tries"), [(400, 1), (401, 1), (404, 1), (410, 1), (408, 3), (429, 3), (302, 3), (500, 3), (503, 3)])
def test_which_answers_are_worth_another_try(status: int, tries: int) -> None:
    http, clock = FakeHttp(), Clock()
    http.answers = lambda sent: status
    found = outcome(Deferred.fromCoroutine(sender(http, clock).send_with_tries(URL, "", MESSAGE, 7.0, 2)))
    clock.pump([1.0, 1.0, 1.0])
    assert len(http.sent) == tries
    assert found[0].check(NotDelivered)
    assert str(status) in found[0].getErrorMessage()
    assert "s3cret" not in found[0].getErrorMessage()


def test_what_stands_in_the_environment() -> None:
    assert resolved("$A", {"A": "x"}) == "x"
    assert resolved("$$A", {"A": "x"}) == "$A"
    assert resolved("pa$A", {"A": "x"}) == "pa$A"
    with pytest.raises(NotDelivered, match="the environment variable B is not set"):
        resolved("$B", {"A": "x"})


def test_of_a_url_only_the_server_is_shown() -> None:
    assert host_of("https://user:word@ci.example:8443/hooks/s3cret?token=1", {}) == "ci.example:8443"
    assert host_of("$URL", {"URL": "https://hooks.slack.example/T0/B0/s3cret"}) == "hooks.slack.example"
    assert host_of("$URL", {}) == "$URL"
    assert host_of("http://[::1", {}) == "?"


@given(st.text(max_size=40))
def test_any_retry_after_is_bounded_or_not_understood(text: str) -> None:
    seconds = retry_after(text, WALL)
    assert seconds is None or 0.0 <= seconds <= LONGEST_PAUSE


@given(st.integers(-10_000, 10_000))
def test_retry_after_is_seconds_or_a_date(seconds: int) -> None:
    bounded = min(max(0.0, seconds), LONGEST_PAUSE)
    assert retry_after(formatdate(WALL + seconds, usegmt=True), WALL) == bounded
    if seconds >= 0:
        assert retry_after(f" {seconds} ", WALL) == bounded


@given(st.integers(1, 10_000), st.none() | st.floats(0.0, LONGEST_PAUSE), st.floats(0.0, 1.0, exclude_max=True))
def test_pauses_grow_to_a_bound_and_are_what_was_asked_for(failed: int, asked_for: float | None, random: float) -> None:
    pause = pause_before(failed, asked_for, lambda: random)
    assert (asked_for or 0.0) <= pause <= LONGEST_PAUSE
    assert pause <= pause_before(failed + 3, asked_for, lambda: random)


@given(st.text())
def test_what_comes_from_outside_is_one_short_line(text: str) -> None:
    line = first_line(text)
    assert len(line) <= 300
    assert line.isprintable()


def test_json_has_whatever_was_written_down() -> None:
    assert body_of({"ä": 1, "b": {1.5}}) == '{"ä":1,"b":"{1.5}"}'.encode()
