"""The pages about routes."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from twisted.internet.task import Cooperator

from shifter.admin import routes
from shifter.config import load
from shifter.model.bootstrap import Snapshot
from tests.support.admin import Asker, FixedView
from tests.support.configs import GOOD

ASK = "/routes/explain?request=" + quote("GET http://localhost/service/1")


def view() -> FixedView:
    fixed = FixedView()
    bootstrap = load(GOOD, "front.yaml").bootstrap
    assert bootstrap is not None
    fixed.told_snapshot = Snapshot(1, bootstrap, "front.yaml")
    return fixed


def test_the_table() -> None:
    text = Asker(view()).ask("/routes").body
    assert text.startswith("listener ")
    assert "prefix /service/1" in text
    answer = Asker(view()).ask("/routes?format=json")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body)[0]["virtual_hosts"][0]["routes"][0]["number"] == 1


def test_an_explanation() -> None:
    answer = Asker(view()).ask(ASK)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=UTF-8")
    assert answer.body.startswith("request       GET /service/1\n")


def test_headers_are_given_one_by_one() -> None:
    answer = Asker(view()).ask(ASK + "&header=x-a:%201&header=x-b:2&format=json")
    assert json.loads(answer.body)["request"]["headers"] == ["host: localhost", "x-a: 1", "x-b: 2"]


def test_without_a_request_it_says_how_to_ask() -> None:
    answer = Asker(view()).ask("/routes/explain")
    assert answer.status == 200
    assert answer.body.startswith("ask with /routes/explain?request=")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/routes?listener=none", "no listener is named 'none'"),
        ("/routes?format=xml", "usage: /routes?format="),
        (ASK + "&listener=none", "no listener is named 'none'"),
        (ASK + "&format=xml", "usage: /routes/explain?format="),
        (ASK + "&random=much", "random is a number"),
        (ASK + "&random=" + "9" * 5000, "random is a number"),
        (ASK + "&random=" + "0" * 5000, "random is a number"),
        (ASK + "&header=nothing", "'nothing' is no header"),
        ("/routes/explain?request=GET", "'GET' is no request"),
    ],
)
def test_bad_questions(target: str, words: str) -> None:
    answer = Asker(view()).ask(target)
    assert answer.status == 400
    assert answer.body.startswith(words)


def test_a_large_table_is_gone_through_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[Any] = []
    cooperator = Cooperator(terminationPredicateFactory=lambda: lambda: True, scheduler=lambda step: later.append(step) or Waiting())
    monkeypatch.setattr(routes, "cooperate", cooperator.cooperate)
    monkeypatch.setattr(routes, "AT_ONCE", 1)
    asker = Asker(view())
    asker.send(ASK)
    slices = 0
    while later:
        later.pop(0)()
        slices += 1
    assert slices > 1
    assert asker.answer().body.startswith("request       GET /service/1\n")


class Waiting:
    def cancel(self) -> None: ...
