"""The pages that change what is served, and those that tell what was changed."""

import json

import pytest

from shifter.admin.changes import entry_text
from shifter.model.bootstrap import Bootstrap, LayerKind, RuntimeLayer, Snapshot
from shifter.model.change import Actor, AuditEntry, ChangeKind, ChangeResult
from shifter.model.route import FractionalPercent
from tests.support.admin import Asker, FixedView

HOST = "Host: 127.0.0.1:8001"
ENTRIES = [
    AuditEntry(2, 1795409044.0, ChangeKind.UNDO, Actor("bob", "", "POST /undo from 127.0.0.1:5"), "all/r", ("~ back",), undoes=1),
    AuditEntry(1, 1795409043.5, ChangeKind.WEIGHT, Actor("ann", "canary"), "all/r", ("~ one", "~ two"), {"a": 1}, {"a": 2}, 2),
]
REFUSED = ChangeResult(False, 3, problems=("no",))


def asked(
    target: str, method: str = "POST", result: ChangeResult | None = None, body: bytes = b"", *fields: str
) -> tuple[int, str, object]:
    """Ask for a page; return what came back, and what the service was asked for."""
    view = FixedView()
    if result is not None:
        view.told_result = result
    length = [f"Content-Length: {len(body)}"] if body else []
    answer = Asker(view).ask(target, method, [HOST, *length, *fields], body)
    return answer.status, answer.body, view.done[-1] if view.done else None


@pytest.mark.parametrize(
    ("query", "weights", "dry_run"),
    [
        ("service1a=10", {"service1a": "10"}, False),
        ("service1a=10&service1=90&dry_run=1", {"service1a": "10", "service1": "90"}, True),
        ("cluster=by%3D5&cluster=service1%3D0.5&dry_run=false", {"by": "5", "service1": "0.5"}, False),
        ("reset", {}, False),
    ],
)
def test_weights_are_asked_for(query: str, weights: dict[str, str], dry_run: bool) -> None:
    status, body, done = asked(f"/weights?route=%2Fservice%2F1&{query}&by=ann&why=canary")
    assert isinstance(done, tuple)
    name, route, wanted, actor, dry = done
    assert (name, route, wanted, dry) == ("set_weights", "/service/1", weights, dry_run)
    assert (actor.by, actor.why, actor.origin.startswith("POST /weights from ")) == ("ann", "canary", True)
    assert (status, json.loads(body)["taken"]) == (200, True)


@pytest.mark.parametrize("query", ["", "?route=x", "?a=1", "?route=x&a=1&reset"])
def test_weights_that_nobody_can_make_sense_of(query: str) -> None:
    status, body, done = asked(f"/weights{query}")
    assert (status, done) == (400, None)
    assert body.startswith("usage: /weights?route=ROUTE&CLUSTER=WEIGHT")


@pytest.mark.parametrize("target", ["/weights?route=x&a=1", "/undo"])
def test_refusals_are_400_with_the_reasons(target: str) -> None:
    status, body, _ = asked(target, result=REFUSED)
    assert (status, json.loads(body)["problems"]) == (400, ["no"])


def test_weights_are_listed() -> None:
    view = FixedView()
    view.told_weights = [{"route": "all/r"}]
    assert json.loads(Asker(view).ask("/weights").body) == {"routes": [{"route": "all/r"}]}


@pytest.mark.parametrize("field", ["Origin: http://evil.example", "Sec-Fetch-Site: cross-site"])
def test_no_page_of_another_site_sets_weights(field: str) -> None:
    assert asked("/weights?route=x&a=1", "POST", None, b"", field)[0::2] == (403, None)


def test_the_last_change_is_taken_back() -> None:
    _, _, done = asked("/undo?by=bob")
    assert isinstance(done, tuple)
    assert (done[0], done[1].by) == ("undo", "bob")


# the audit log


def audit(query: str = "") -> tuple[int, str]:
    view = FixedView()
    view.told_audit = ENTRIES
    answer = Asker(view).ask(f"/audit{query}")
    return answer.status, answer.body


def test_the_audit_log_for_people() -> None:
    assert audit() == (
        200,
        "2  2026-11-23 04:44:04Z  undo all/r (takes back 1)  by bob, POST /undo from 127.0.0.1:5\n    ~ back\n"
        "1  2026-11-23 04:44:03Z  weight all/r  by ann: canary\n    ~ one\n    ~ two\n",
    )
    assert "\n".join(map(entry_text, ENTRIES)) + "\n" == audit()[1]


def test_no_name_passes_for_a_line_of_the_audit_log() -> None:
    key = "a\n3  2026-01-01 00:00:00Z  config front.yaml  by root\x1b[2J"
    text = entry_text(AuditEntry(2, 0.0, ChangeKind.RUNTIME, Actor("ann"), key, (f"~ runtime {key}: none -> 1",)))
    assert text.splitlines() == [
        "2  1970-01-01 00:00:00Z  runtime a 3  2026-01-01 00:00:00Z  config front.yaml  by root [2J  by ann",
        "    ~ runtime a 3  2026-01-01 00:00:00Z  config front.yaml  by root [2J: none -> 1",
    ]


def test_the_audit_log_for_programs() -> None:
    [last] = json.loads(audit("?format=json&count=1")[1])
    assert (last["number"], last["kind"], last["actor"]["by"], last["undoes"], last["changes"]) == (2, "undo", "bob", 1, ["~ back"])
    [first] = json.loads(audit("?format=json&before=2")[1])
    assert (first["before"], first["after"], first["version"]) == ({"a": 1}, {"a": 2}, 2)


def test_there_may_be_no_change() -> None:
    assert Asker().ask("/audit").body == "nothing was changed yet\n"
    assert Asker().ask("/audit?format=json").body == "[]\n"


@pytest.mark.parametrize("query", ["?count=x", "?before=-1", "?count=9999999999999999", "?format=xml"])
def test_audit_logs_that_nobody_can_ask_for(query: str) -> None:
    assert audit(query)[0] == 400


# runtime, as Envoy


def test_runtime_shows_every_layer() -> None:
    view = FixedView()
    layers = (
        RuntimeLayer("static", {"a": 5, "b": 1.5, "c": True, "d": FractionalPercent(3, 10_000)}),
        RuntimeLayer("admin", {"a": 6}, LayerKind.ADMIN, None, {"a": "6.0"}),
    )
    view.told_snapshot = Snapshot(3, Bootstrap(runtime=layers))
    shown = json.loads(Asker(view).ask("/runtime").body)
    share = '{"numerator": 3, "denominator": "TEN_THOUSAND"}'
    assert shown == {
        "layers": ["static", "admin"],
        "entries": {
            "a": {"layer_values": ["5", "6.0"], "final_value": "6.0"},
            "b": {"layer_values": ["1.5", ""], "final_value": "1.5"},
            "c": {"layer_values": ["true", ""], "final_value": "true"},
            "d": {"layer_values": [share, ""], "final_value": share},
        },
    }
    view.told_snapshot = None
    assert json.loads(Asker(view).ask("/runtime").body) == {"layers": [], "entries": {}}


@pytest.mark.parametrize(
    ("target", "body", "values"),
    [
        ("/runtime_modify?a=1&b=&by=2", b"", {"a": "1", "b": "", "by": "2"}),
        ("/runtime_modify?a=1&a=2", b"", {"a": "1"}),
        ("/runtime_modify?a", b"", {"a": ""}),
        ("/runtime_modify", b"a=1&b=%7Bx%7D", {"a": "1", "b": "{x}"}),
    ],
)
def test_values_come_from_the_query_or_from_a_form(target: str, body: bytes, values: dict[str, str]) -> None:
    status, text, done = asked(target, "POST", None, body, "X-Shifter-By: ann")
    assert isinstance(done, tuple)
    assert (status, text, done[:2], done[2].by) == (200, "OK\n", ("modify_runtime", values), "ann")


def test_envoys_words_for_what_cannot_be_modified() -> None:
    assert asked("/runtime_modify") == (
        400,
        "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n       or send the parameters as form values\n"
        "use an empty value to remove a previously added override",
        None,
    )
    no_layer = ChangeResult(False, 3, problems=("No admin layer specified",))
    assert asked("/runtime_modify?a=1", result=no_layer)[:2] == (503, "No admin layer specified")


def test_what_holds_over_the_files_is_told_at_ready() -> None:
    view = FixedView()
    view.told_notices = ["weights of all/r hold over the file"]
    assert Asker(view).ask("/ready").body == "LIVE\n\nWhat is in use is not what the files say:\nweights of all/r hold over the file\n"
