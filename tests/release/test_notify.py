"""What receivers are told."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shifter.model.change import Actor
from shifter.model.release import EVENTS, Notification, State
from shifter.release.notify import counts, message_of, wants
from tests.support.outreach import happened

WEBHOOK = Notification(webhook="https://ci.example/")
SLACK = Notification(slack="https://hooks.slack.example/")


def page(release: str) -> str:
    return f"http://127.0.0.1:9901/release/{release}"


def test_a_webhook_gets_everything() -> None:
    transition = happened("rolled_back", number=7, state=State.ROLLED_BACK, actor=Actor("ann", "pages are slow", "POST"))
    message = message_of(WEBHOOK, transition, page)
    told = json.loads(message.body)
    assert (message.event, message.key) == ("rolled_back", "r-1/7/1700000007000")
    assert (told["event"], told["release"], told["number"], told["state"]) == ("rolled_back", "r-1", 7, "rolled back")
    assert (told["step"], told["weight"], told["weight_before"]) == (1, 5.0, 1.0)
    assert told["actor"] == {"by": "ann", "why": "pages are slow", "origin": "POST"}
    assert told["reason"] == "rolled_back <happened>"
    assert told["counts"] == {
        "baseline_requests": 9000,
        "canary_requests": 450,
        "baseline_failed": 9,
        "canary_failed": 31,
        "excess_failed": 30.6,
    }
    assert told["evidence"]["value"] == 130.0
    assert told["page"] == "http://127.0.0.1:9901/release/r-1"


def test_without_evidence_there_are_no_counts() -> None:
    assert counts({}) == {"baseline_requests": 0, "canary_requests": 0, "baseline_failed": 0, "canary_failed": 0, "excess_failed": 0.0}


def test_slack_gets_a_line_and_some_fields() -> None:
    told = json.loads(message_of(SLACK, happened("step", "a&b", actor=Actor("ann", "why not")), page).body)
    assert told["text"] == "Release <http://127.0.0.1:9901/release/a&b|a&amp;b> goes to 5 %"
    (attachment,) = told["attachments"]
    assert attachment["text"] == "step &lt;happened&gt;"
    assert [(field["title"], field["value"]) for field in attachment["fields"]] == [
        ("State", "observing"),
        ("Weight", "5 %"),
        ("By", "ann: why not"),
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"mirror": 50_000, "forced": True}, "copies of 5 % of the requests"),
        ({"forced": True}, "requests with the header"),
        ({"share": 10_000, "forced": True}, "1 %"),
    ],
)
def test_slack_is_told_of_steps_without_a_weight(more: dict[str, Any], said: str) -> None:
    transition = happened("step")
    transition = replace(transition, after=replace(transition.after, **{"share": 0, **more}))
    assert json.loads(message_of(SLACK, transition, lambda release: "").body)["text"] == f"Release r-1 goes to {said}"


def test_slack_has_words_for_every_event_and_no_link_where_there_is_no_page() -> None:
    for event in EVENTS:
        told = json.loads(message_of(SLACK, happened(event), lambda release: "").body)
        assert told["text"].startswith("Release r-1 ")
        assert "_" not in told["text"]


def test_on() -> None:
    assert all(wants(WEBHOOK, event) for event in EVENTS)
    assert [event for event in EVENTS if wants(Notification(slack="x", on=frozenset(("braked",))), event)] == ["braked"]
