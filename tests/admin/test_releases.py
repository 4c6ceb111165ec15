"""The pages of releases: what they pass on, what they refuse, and how."""

import json
from math import inf, nan
from urllib.parse import quote

import pytest

from shifter.admin.release_view import VERBS, Order, Refused
from shifter.config.releases import short_release
from shifter.model.change import Actor
from shifter.model.release import Progress, State, Transition
from tests.support.admin import Asker, FixedView

HOST = "Host: 127.0.0.1:8001"
ANN = Actor("ann", "", "POST /v1/releases/r-1/abort from 192.168.1.1:54321")
AFTER = Progress(State.OBSERVING, 1, 10_000, version=1, held=True)


def event(number: int, release: str = "r-1") -> Transition:
    return Transition(release, "step", Progress(), AFTER, Actor("ann"), "it goes on", 1000.0 + number, {"value": inf}, number)


class Lab(Asker):
    def __init__(self) -> None:
        self.view = FixedView()
        self.releases = self.view.told_releases
        self.releases.told["r-1"] = {"name": "r-1", "state": "observing", "evidence": {"value": inf, "errors": nan}, "extra": 1}
        super().__init__(self.view)

    def json(self, target: str) -> object:
        return json.loads(self.ask(target).body)


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_releases_are_listed_and_shown(lab: Lab) -> None:
    told = {"name": "r-1", "state": "observing", "evidence": {"value": 1.7976931348623157e308, "errors": None}}
    assert lab.json("/v1/releases") == {"releases": [{**told, "extra": 1}]}
    assert lab.json("/v1/releases/r-1") == {**told, "extra": 1, "points": None}
    assert lab.json("/v1/releases/r-1/verdict") == told
    assert lab.json("/v1/releases/r-1/plan") == {"name": "r-1"}


def test_the_patch_is_a_diff(lab: Lab) -> None:
    answer = lab.ask("/v1/releases/r-1/patch")
    assert (answer.body, answer.headers["content-type"]) == ("--- a\n+++ b\n", "text/x-diff; charset=UTF-8")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/releases/r-1/rollback", "nothing called `rollback` can be done to a release; what can be: promote, pause, "),
        ("/v1/releases/r-1/rollback/now", "there is nothing at this path"),
        ("/v1/nothing", "there is nothing at this path"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_is_not_there(lab: Lab, path: str, said: str, method: str) -> None:
    answer = lab.ask(path, method, [HOST])
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert json.loads(answer.body)["detail"].startswith(said)


@pytest.mark.parametrize("page", ["", "/verdict", "/events"])
def test_what_is_not_there(lab: Lab, page: str) -> None:
    answer = lab.ask(f"/v1/releases/none{page}")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "no such release",
        "status": 404,
        "detail": "there is no release `none`",
    }


def test_a_name_may_be_anything_but_nothing(lab: Lab) -> None:
    name = "r 1/ä?"
    lab.releases.told[name] = {"name": name}
    assert lab.json(f"/v1/releases/{quote(name, safe='')}") == {"name": name, "points": None}
    assert lab.ask("/v1/releases/").status == 404
    assert lab.ask("/v1/releases/r-1/nothing").status == 404
    assert lab.ask("/v1/releases/r-1/promote").status == 405


def test_one_is_begun_from_a_body(lab: Lab) -> None:
    text = b"name: r-2 # \xc3\xa4\n"
    answer = lab.ask("/v1/releases?dry_run=1&by=ann&source=etc/release.yaml", "POST", [HOST, f"Content-Length: {len(text)}"], text)
    assert (answer.status, json.loads(answer.body)) == (200, {"name": "begun"})
    lab.ask("/v1/releases", "POST", [HOST, f"Content-Length: {len(text)}"], text)
    ((what, said, source, actor, dry_run), (_, _, without, *_)) = lab.releases.done
    assert without == "the body"
    assert (what, said, source, dry_run) == ("start", text.decode(), "etc/release.yaml", True)
    assert actor == Actor("ann", "", "POST /v1/releases from 192.168.1.1:54321")


def test_one_is_begun_from_parameters(lab: Lab) -> None:
    lab.ask("/v1/releases?baseline=a&canary=b&steps=0.01,%2050,x&name=r-2&route=all//", "POST")
    lab.ask("/v1/releases?baseline=a&canary=b", "POST")
    ((_, said, source, _, dry_run), (_, default, *_)) = lab.releases.done
    assert said == short_release("a", "b", ["0.01", "50", "x"], "r-2", "all//")
    assert default == short_release("a", "b")
    assert (source, dry_run) == ("the parameters", False)


@pytest.mark.parametrize("target, body", [("/v1/releases", b""), ("/v1/releases?canary=b", b" \n"), ("/v1/releases", b"\xff")])
def test_nothing_to_begin(lab: Lab, target: str, body: bytes) -> None:
    answer = lab.ask(target, "POST", [HOST, f"Content-Length: {len(body)}"], body)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert lab.releases.done == []


def test_what_is_refused_says_why_as_a_problem(lab: Lab) -> None:
    lab.releases.refusal = Refused(409, "it does not fit", "it is over", {"state": "aborted", "verbs": ["retry"]})
    answer = lab.ask("/v1/releases/r-1/pause", "POST")
    assert (answer.status, answer.headers["content-type"]) == (409, "application/problem+json")
    told = json.loads(answer.body)
    assert told == {
        "type": "about:blank",
        "title": "it does not fit",
        "status": 409,
        "detail": "it is over",
        "state": "aborted",
        "verbs": ["retry"],
    }
    assert lab.ask("/v1/releases/r-1/patch").status == 409


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_passed_on(lab: Lab, verb: str) -> None:
    assert lab.ask(f"/v1/releases/r-1/{verb}?by=ann", "POST").status == 200
    assert lab.releases.done == [("r-1", Order(verb, Actor("ann", "", f"POST /v1/releases/r-1/{verb} from 192.168.1.1:54321")))]


@pytest.mark.parametrize("target", ["/v1/releases?baseline=a&canary=b&dry-run=1", "/v1/releases/r-1/promote?too=50&by=ann"])
def test_a_parameter_that_is_none_begins_and_promotes_nothing(lab: Lab, target: str) -> None:
    answer = lab.ask(target, "POST")
    assert (answer.status, lab.releases.done) == (400, [])
    assert "there is no parameter `" in json.loads(answer.body)["detail"]
    assert lab.ask("/v1/releases/r-1/promote", "POST", [HOST, "Content-Length: 5"], b"to=50").status == 400
    assert lab.releases.done == []
    assert lab.ask("/v1/releases/r-1/abort?wy=bad", "POST").status == 200


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/v1/releases/r-1/promote?full=1&to=35", "give `to` or `full`, not both: `full` is the last step"),
        ("/v1/releases/r-1/promote?full=maybe", "`full` is 1 or 0, and not `maybe`"),
        ("/v1/releases?baseline=a&canary=b&dry_run=2", "`dry_run` is 1 or 0, and not `2`"),
    ],
)
def test_who_says_two_things_or_none_gets_neither(lab: Lab, target: str, said: str) -> None:
    answer = lab.ask(target, "POST")
    assert (answer.status, answer.headers["content-type"], lab.releases.done) == (400, "application/problem+json", [])
    assert json.loads(answer.body)["detail"] == said
    assert lab.ask("/v1/releases/r-1/promote?full=no&to=35", "POST").status == 200
    assert lab.ask("/v1/releases/r-1/abort?full=maybe", "POST").status == 200


def test_a_body_and_parameters_are_two_releases(lab: Lab) -> None:
    text = b"name: r-2\n"
    answer = lab.ask("/v1/releases?name=r-3&steps=1,100", "POST", [HOST, f"Content-Length: {len(text)}"], text)
    assert (answer.status, lab.releases.done) == (400, [])
    said = "`steps`, `name` in the URL would be ignored: the body is the release, and says them"
    assert json.loads(answer.body)["detail"] == said


def test_mistakes_of_the_short_form_are_placed_by_parameters(lab: Lab) -> None:
    problems = ["the parameters:3:9: error: one", "the parameters:1:1: error: two"]
    lab.releases.refusal = Refused(400, "not a release", "\n".join(problems), {"problems": problems})
    told = json.loads(lab.ask("/v1/releases?baseline=a&canary=b&steps=x", "POST").body)
    assert told["problems"] == ["steps: error: one", "error: two"]
    assert told["detail"] == "steps: error: one\nerror: two"


def test_promotions_and_gates_say_more(lab: Lab) -> None:
    lab.ask("/v1/releases/r-1/promote?to=50", "POST")
    lab.ask("/v1/releases/r-1/promote?full", "POST")
    lab.ask("/v1/releases/r-1/promote?full=0", "POST")
    lab.ask("/v1/releases/r-1/gates/second%20look/reject?why=no", "POST")
    orders = [one[1] for one in lab.releases.done]
    said = [(one.verb, one.to, one.full, one.gate, one.actor.why) for one in orders if isinstance(one, Order)]
    assert said == [
        ("promote", "50", False, "", ""),
        ("promote", "", True, "", ""),
        ("promote", "", False, "", ""),
        ("reject", "", False, "second look", "no"),
    ]


def test_a_gate_that_is_not_there(lab: Lab) -> None:
    lab.releases.told["r-1"]["steps"] = [{"gate": {"name": "qa"}}, {"gate": None}]  # type: ignore[index]
    answer = lab.ask("/v1/releases/r-1/gates/nope/approve", "POST")
    assert (answer.status, lab.releases.done) == (404, [])
    assert json.loads(answer.body)["detail"] == "`r-1` has no gate `nope`; its gates: `qa`"
    assert lab.ask("/v1/releases/r-1/gates/qa/approve", "POST").status == 200


@pytest.mark.parametrize("field, version", [("7", 7), ('"7"', 7), ('W/"7"', 7), ("*", None)])
def test_the_version_that_is_wanted(lab: Lab, field: str, version: int | None) -> None:
    lab.ask("/v1/releases/r-1/abort?by=ann", "POST", [HOST, f"If-Match: {field}"])
    assert lab.releases.done == [("r-1", Order("abort", ANN, version=version))]


def test_a_version_that_is_none(lab: Lab) -> None:
    assert lab.ask("/v1/releases/r-1/abort", "POST", [HOST, "If-Match: latest"]).status == 400
    assert lab.releases.done == []


def test_history_is_told_from_the_newest(lab: Lab) -> None:
    lab.releases.told_events = [event(1), event(2, "r-2"), event(3)]
    told = lab.json("/v1/history?count=2")
    assert isinstance(told, dict)
    assert [one["number"] for one in told["events"]] == [3, 2]
    assert told["events"][0]["evidence"] == {"value": 1.7976931348623157e308}
    told = lab.json("/v1/history?before=3&release=r-1")
    assert isinstance(told, dict)
    assert [one["number"] for one in told["events"]] == [1]
    assert lab.ask("/v1/history?count=many").status == 400


def test_a_page_of_somebody_elses_changes_nothing(lab: Lab) -> None:
    assert lab.ask("/v1/releases/r-1/abort", "POST", [HOST, "Origin: http://evil.example"]).status == 403
    assert lab.releases.done == []


def test_a_token_is_wanted_where_one_is() -> None:
    asker = Asker(FixedView(), token="0123456789abcdef")
    assert asker.ask("/v1/releases/r-1").status == 401
    assert asker.ask("/v1/releases/r-1/abort", "POST").status == 401
