"""Copies for a canary, with their answers compared: what is copied, what comes of it, and that no client notices."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.release import MILLION, MirrorStep
from shifter.model.retry import RetryPolicy
from shifter.proxy import mirror_diff
from shifter.proxy.worker import TICK
from tests.support.held import EMPTY, Held, held_route, hold, number_for
from tests.support.proxies import ONE, get, passed
from tests.support.transports import FakeTransport

SHADOW = b"\r\nhost: a-shadow\r\n"


def said(status: int = 200, body: Any = b"", *lines: bytes) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"\r\n".join([b"HTTP/1.1 %d X" % status, *lines, b"content-length: %d" % len(raw), b"", raw])


class Mirrored:
    """A held route whose requests are copied, all of them at first. ``live`` is the endpoint of the last request."""

    def __init__(self, step: MirrorStep | None = None, share: int = 0, mirror: int = MILLION, **action: Any) -> None:
        self.held = Held(held_route(hold(mirror=step or MirrorStep(MILLION, diff=True)), **action), share=share)
        self.held.split.mirror = mirror
        self.proxy = self.held.proxy
        self.heard: dict[FakeTransport, bytes] = {}

    def ask(self, *lines: bytes, path: bytes = b"/a?b", method: bytes = b"GET", body: bytes = b"") -> FakeTransport:
        return self.proxy.connect(get(path, *lines, method=method) + body)

    def asked(self) -> list[tuple[str, FakeTransport, bytes]]:
        """Return what was asked since the last time: of ``live``, ``one`` (a copy for the baseline) or ``two`` (for the canary)."""
        found = []
        for end in self.proxy.backends:
            if data := end.take():
                name = "one" if end.peer == ONE else "two"
                found.append((name if SHADOW in data else f"live {name}", end, data))
        return found

    def answer(self, **answers: bytes) -> None:
        """Have what was asked answered, by who was."""
        for name, end, _ in self.asked():
            end.say(answers.get(name.replace(" ", "_"), EMPTY))

    def compare(self, one: bytes, two: bytes, again: bytes | None = None, path: bytes = b"/a?b") -> None:
        """Make a request, the copies of which are answered so."""
        client = self.ask(path=path)
        self.answer(live_one=EMPTY, one=one, two=two)
        assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0")
        self.proxy.wait(TICK)
        self.answer(one=one if again is None else again)
        self.proxy.wait(TICK)

    @property
    def told(self) -> dict[str, Any]:
        differences = self.held.split.differences
        assert differences is not None
        said: dict[str, Any] = differences.to_dict()
        return said

    @property
    def counts(self) -> tuple[int, int, int, int]:
        told = self.told
        return told["compared"], told["different"], told["noise"], told["skipped"]

    def at_rest(self) -> None:
        """Nothing is under way any more."""
        assert not self.proxy.worker.streams


def test_without_comparing_a_copy_goes_to_the_canary_and_that_is_it() -> None:
    mirrored = Mirrored(MirrorStep(MILLION))
    client = mirrored.ask(b"accept-encoding: gzip")
    asked = mirrored.asked()
    assert [name for name, _, _ in asked] == ["live one", "two"]
    assert b"\r\naccept-encoding: gzip\r\n" in asked[1][2]
    for _, end, _ in asked:
        end.say(EMPTY)
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0")
    assert mirrored.held.split.differences is None
    assert mirrored.held.split.mirrored == 1
    mirrored.at_rest()


def test_to_compare_the_baseline_gets_a_copy_too_and_the_client_waits_for_none() -> None:
    mirrored = Mirrored()
    client = mirrored.ask(b"accept-encoding: gzip", b"x-user: 1")
    asked = {name: (end, data) for name, end, data in mirrored.asked()}
    assert asked.keys() == {"live one", "one", "two"}
    assert b"accept-encoding" in asked["live one"][1]
    assert asked["one"][1] == asked["two"][1]
    assert b"accept-encoding" not in asked["two"][1]
    assert b"\r\nx-user: 1\r\n" in asked["two"][1]
    assert b"\r\nx-envoy-internal: true\r\n" in asked["two"][1]
    asked["live one"][0].say(said(200, b"live"))
    assert client.take().endswith(b"\r\n\r\nlive")
    asked["one"][0].say(said(200, b"same"))
    asked["two"][0].say(said(200, b"same"))
    assert mirrored.counts == (1, 0, 0, 0)
    mirrored.proxy.wait(1.0)
    assert not mirrored.asked()
    mirrored.at_rest()


def test_what_only_the_canary_says_otherwise_is_told_with_its_place() -> None:
    mirrored = Mirrored()
    baseline, canary = {"items": [{"price": 1}], "at": 1}, {"items": [{"price": 2}], "at": 2}
    mirrored.compare(said(200, baseline), said(200, canary), said(200, {**baseline, "at": 3}))
    mirrored.compare(said(200, baseline), said(200, {**baseline, "at": 2}), said(200, {**baseline, "at": 3}))
    mirrored.compare(said(200, b"a", b"x-a: 1"), said(200, b"a", b"x-a: 2", b"date: now"))
    mirrored.compare(said(200), said(404), path=b"/other")
    assert mirrored.counts == (4, 3, 1, 0)
    assert mirrored.told["paths"] == [
        {
            "path": "/a",
            "compared": 3,
            "status": 0,
            "headers": 1,
            "body": 1,
            "examples": ["$.items[].price: 1 -> 2 (1 times)", "x-a: 1 -> 2 (1 times)"],
        },
        {"path": "/other", "compared": 1, "status": 1, "headers": 0, "body": 0, "examples": ["status: 200 -> 404 (1 times)"]},
    ]
    mirrored.at_rest()


@pytest.mark.parametrize("live", [True, False])
def test_half_a_request_is_not_asked_again(live: bool) -> None:
    """Its connection would be kept, and what another client asks on it would be taken for the other half."""
    mirrored = Mirrored()
    client = mirrored.ask(b"content-length: 10", body=b"half")
    for name, end, _ in mirrored.asked():
        if live or not name.startswith("live"):
            end.say(said(200, name.encode()))
    mirrored.proxy.wait(2 * TICK)
    assert mirrored.asked() == []
    assert mirrored.counts == (0, 0, 0, 1)
    client.hang_up()
    mirrored.proxy.wait(2 * TICK)
    mirrored.at_rest()


def test_a_whole_body_is_asked_again() -> None:
    mirrored = Mirrored()
    client = mirrored.ask(b"content-length: 10", body=b"half")
    copies = [(name, end) for name, end, _ in mirrored.asked()]
    client.say(b" half ")
    for name, end in copies:
        assert end.take() == b" half "
        end.say(said(200, name.encode()))
    mirrored.proxy.wait(2 * TICK)
    ((name, end, data),) = mirrored.asked()
    assert name == "one" and data.endswith(b"\r\n\r\nhalf half ")
    end.say(said(200, b"one"))
    mirrored.proxy.wait(2 * TICK)
    assert mirrored.counts == (1, 1, 0, 0)
    mirrored.at_rest()


def test_an_answer_that_does_not_come_is_another_status() -> None:
    mirrored = Mirrored()
    client = mirrored.ask()
    for name, end, _ in mirrored.asked():
        if name == "two":
            end.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            end.hang_up()
        else:
            end.say(EMPTY)
    assert client.take()
    mirrored.proxy.wait(TICK)
    mirrored.answer()
    mirrored.proxy.wait(TICK)
    assert mirrored.told["paths"][0]["status"] == 1
    mirrored.at_rest()


def test_an_answer_that_takes_too_long_is_another_status_and_noise_where_the_baseline_does_so_too() -> None:
    mirrored = Mirrored(timeout=0.3)
    for again, counts in ((EMPTY, (1, 1, 0, 0)), (b"", (2, 0, 1, 0))):
        mirrored.ask()
        mirrored.answer(two=b"")
        mirrored.proxy.wait(0.4)
        mirrored.answer(one=again)
        mirrored.proxy.wait(0.5)
        assert mirrored.counts == counts
    mirrored.at_rest()


def test_only_safe_requests_of_the_baseline_are_copied_and_only_so_many() -> None:
    mirrored = Mirrored(mirror=10_000, share=500_000)
    last, beyond = 9_999 * MILLION, 10_000 * MILLION
    numbers = {number_for(False, beyond=last): 3, number_for(False, beyond=beyond): 1, number_for(True, beyond=last): 1}
    for number, requests in numbers.items():
        mirrored.proxy.worker.random = lambda number=number: number  # type: ignore[method-assign,misc]
        mirrored.ask()
        assert len(mirrored.asked()) == requests
    mirrored.held.split.mirror = MILLION
    mirrored.proxy.worker.random = lambda: number_for(False)  # type: ignore[method-assign]
    mirrored.ask(method=b"POST")
    mirrored.ask(b"connection: upgrade", b"upgrade: websocket")
    mirrored.ask(b"transfer-encoding: chunked", body=b"0\r\n\r\n")
    mirrored.ask(b"content-length: 70000")
    assert {name for name, _, _ in mirrored.asked()} <= {"live one"}
    assert mirrored.held.split.mirrored == 1


def test_nothing_is_copied_when_the_step_is_over() -> None:
    mirrored = Mirrored(mirror=0)
    mirrored.ask()
    assert [name for name, _, _ in mirrored.asked()] == ["live one"]


def test_a_request_with_a_body_is_copied_again_with_it() -> None:
    mirrored = Mirrored(MirrorStep(MILLION, diff=True, methods=(b"POST",)))
    mirrored.ask(b"content-length: 6", method=b"POST", body=b"ab").say(b"cd", b"ef")
    asked = mirrored.asked()
    assert all(data.endswith(b"\r\n\r\nabcdef") for _, _, data in asked)
    for name, end, _ in asked:
        end.say(said(200, name.encode()))
    mirrored.proxy.wait(TICK)
    ((_, end, data),) = mirrored.asked()
    assert data.endswith(b"\r\n\r\nabcdef")
    end.say(said(200, b"one"))
    mirrored.proxy.wait(TICK)
    assert mirrored.counts == (1, 1, 0, 0)
    mirrored.at_rest()


def test_a_request_that_never_is_whole_is_not_compared() -> None:
    mirrored = Mirrored(MirrorStep(MILLION, diff=True, methods=(b"POST",)))
    mirrored.ask(b"content-length: 6", method=b"POST", body=b"ab").hang_up()
    assert mirrored.counts == (0, 0, 0, 1)
    mirrored.at_rest()


def test_copies_are_judged_by_nobody_and_their_request_is() -> None:
    mirrored = Mirrored()
    mirrored.compare(said(503), said(503))
    assert mirrored.held.watched.told == [(False, False, 200)]
    assert mirrored.counts == (1, 0, 0, 0)


def test_a_request_that_is_tried_again_is_copied_once() -> None:
    mirrored = Mirrored(retry=RetryPolicy(frozenset(("5xx",)), back_off_base=0.001))
    client = mirrored.ask()
    for name, end, _ in mirrored.asked():
        end.say(said(503 if name == "live one" else 200))
    mirrored.proxy.wait(0.2)
    ((name, end, _),) = mirrored.asked()
    assert name == "live one"
    end.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200")
    assert mirrored.counts == (1, 0, 0, 0)
    mirrored.at_rest()


def test_what_there_is_no_room_for_goes_to_the_canary_and_is_skipped() -> None:
    mirrored = Mirrored(MirrorStep(MILLION, diff=True, max_body=mirror_diff.MEMORY // 6))
    for _ in range(3):
        mirrored.ask()
    assert sorted(name for name, _, _ in mirrored.asked()) == ["live one"] * 3 + ["one"] * 2 + ["two"] * 3
    assert mirrored.counts == (0, 0, 0, 1)


def test_no_more_of_a_body_is_kept_than_may_be() -> None:
    mirrored = Mirrored(MirrorStep(MILLION, diff=True, max_body=20))
    mirrored.compare(said(200, {"a": "x" * 20}), said(200, {"a": "y" * 20}))
    assert mirrored.told["paths"][0]["examples"] == ["body: 29 bytes -> 29 bytes (1 times)"]


def test_comparing_takes_a_little_of_each_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored = Mirrored()
    monkeypatch.setattr(mirror_diff, "WORK", 0.0)
    many = [{"a": number} for number in range(2000)]
    mirrored.ask()
    mirrored.answer(one=said(200, many), two=said(200, [{"a": 0} for _ in many]))
    mirrored.proxy.wait(TICK)
    mirrored.answer(one=said(200, many))
    for _ in range(10):
        mirrored.proxy.wait(TICK)
        assert mirrored.counts[0] == 0
    mirrored.proxy.wait(3.0)
    assert mirrored.counts == (1, 1, 0, 0)
    mirrored.at_rest()


@given(st.lists(st.sampled_from(("ask", "live", "one", "two", "break one", "break two", "wait", "leave")), max_size=30))
def test_whatever_happens_every_copy_is_compared_or_skipped(steps: list[str]) -> None:
    mirrored = Mirrored(timeout=2.0)
    clients: list[FakeTransport] = []
    waiting: dict[str, list[FakeTransport]] = {"live one": [], "one": [], "two": []}
    for step in steps:
        for name, end, _ in mirrored.asked():
            waiting[name].append(end)
        word = step.removeprefix("break ")
        if step == "ask":
            clients.append(mirrored.ask())
        elif step == "wait":
            mirrored.proxy.wait(TICK)
        elif step == "leave" and clients:
            clients.pop(0).hang_up()
        elif ends := waiting.get("live one" if word == "live" else word):
            end = ends.pop(0)
            if end.end is None:
                end.hang_up() if step.startswith("break") else end.say(said(200, word.encode()))
    mirrored.proxy.wait(10.0)
    if mirrored.held.split.differences is not None:
        compared, _, _, skipped = mirrored.counts
        assert compared + skipped == mirrored.held.split.mirrored
    mirrored.at_rest()
