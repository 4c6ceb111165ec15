"""`shifter release`, but for `watch` and `simulate`."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from shifter.cli import main, release_status
from shifter.cli.release import COMMANDS
from shifter.config.releases import read_release
from shifter.model.release import State
from shifter.release.plan import plan
from shifter.release.states import verbs_in
from tests.support.answering import Admin, answering
from tests.support.programs import ROOT
from tests.support.release_scenes import event, release, story

PROBLEM = "application/problem+json"
GONE = {
    "type": "about:blank",
    "title": "does not fit",
    "status": 409,
    "detail": "nothing waits",
    "state": "observing",
    "verbs": ["pause", "abort"],
}
REFUSED = (409, json.dumps(GONE), PROBLEM)
RUNS = {**release("observing"), "name": "one"}
OVER = {**release("succeeded"), "name": "old", "started": 1.0}
FILE = str(ROOT / "etc/release.yaml")


def ask(pages: Mapping[str, object], *arguments: str, stdin: bytes | None = None) -> tuple[Result, Admin]:
    with answering(pages) as admin:
        return CliRunner().invoke(main, ["release", *arguments, "--admin", admin.address], input=stdin), admin


def local(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["release", *arguments])


def listed(*releases: object) -> dict[str, object]:
    return {"/v1/releases": {"releases": list(releases)}}


# one for all


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = local(name, "-h")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: main release {name} ")
    assert "--json" in result.stdout


def test_every_command_has_its_row() -> None:
    page = (ROOT / "docs/releases.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `shifter release ([a-z]+)", page, re.MULTILINE)) == sorted(COMMANDS)


def test_a_mistyped_command_is_told_its_neighbour() -> None:
    result = local("strat")
    assert (result.exit_code, "did you mean start?" in result.stderr) == (2, True)


def test_commands_are_completed() -> None:
    environment = {"_SHIFTER_COMPLETE": "bash_complete", "COMP_WORDS": "shifter release pr", "COMP_CWORD": "2"}
    assert CliRunner().invoke(main, [], env=environment, prog_name="shifter").stdout == "plain,promote\n"


# verbs


@pytest.mark.parametrize("verb", ["pause", "resume", "brake", "abort", "retry", "undo", "promote"])
def test_verbs(verb: str) -> None:
    result, admin = ask({f"/v1/releases/a%2Fb/{verb}": RUNS}, verb, "a/b", "--by", "ann", "--why", "so", "--if-version", "7")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"one is observing, step 3 of 5, 10 %: {RUNS['reason']}\n")  # what was done, not the verdict before it
    (asked,) = admin.asked
    assert (asked.method, asked.parameters, asked.fields["if-match"]) == ("POST", {"by": "ann", "why": "so"}, '"7"')
    assert json.loads(ask({f"/v1/releases/one/{verb}": RUNS}, verb, "one", "--json")[0].stdout)["name"] == "one"


def test_the_release_that_runs_is_meant() -> None:
    result, admin = ask({**listed(RUNS, OVER), "/v1/releases/one/pause": RUNS}, "pause")
    assert (result.exit_code, admin.asked[-1].path) == (0, "/v1/releases/one/pause")
    result, admin = ask({**listed(OVER, {**OVER, "name": "older", "started": 0.5}), "/v1/releases/old/retry": RUNS}, "retry")
    assert (result.exit_code, admin.asked[-1].path) == (0, "/v1/releases/old/retry")
    result, _ = ask(listed(RUNS, {**RUNS, "name": "two"}), "pause")
    assert (result.exit_code, result.stderr) == (1, "several releases run; say which: one, two\n")
    assert ask(listed(), "pause")[0].stderr == "there is no release; shifter release start begins one\n"


@pytest.mark.parametrize("arguments", [["pause", "one"], ["promote", "one", "--full"], ["gate", "approve", "qa", "--release", "one"]])
def test_refusals_say_what_would_fit(arguments: list[str]) -> None:
    where = "gates/qa/approve" if arguments[0] == "gate" else arguments[0]
    result, _ = ask({f"/v1/releases/one/{where}": REFUSED}, *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "nothing waits; what fits now: pause, abort\n")
    result, _ = ask({f"/v1/releases/one/{where}": REFUSED}, *arguments, "--json")
    assert (result.exit_code, json.loads(result.stdout)["state"]) == (1, "observing")


def test_what_there_is_not_is_a_refusal() -> None:
    problem = (404, json.dumps({"title": "no such release", "status": 404, "detail": "there is no release `x`"}), PROBLEM)
    assert ask({"/v1/releases/x/abort": problem}, "abort", "x")[0].stderr == "there is no release `x`\n"
    result, _ = ask({}, "abort", "x")
    assert (result.exit_code, "as new as this command" in result.stderr) == (3, True)


def test_promote_to_a_weight() -> None:
    _, admin = ask({"/v1/releases/one/promote": RUNS}, "promote", "one", "--to", "50%", "--by", "")
    assert admin.asked[0].parameters == {"to": "50"}
    _, admin = ask({"/v1/releases/one/promote": RUNS}, "promote", "one", "--full", "--by", "")
    assert admin.asked[0].parameters == {"full": "1"}
    assert ask({}, "promote", "one", "--full", "--to", "5")[0].exit_code == 2


def test_the_gate_that_waits_is_meant() -> None:
    gated = {**release("gated"), "name": "one"}
    (waiting,) = [step["gate"]["name"] for step in gated["steps"] if step["gate"] and step["gate"]["waiting"]]
    where = f"/v1/releases/one/gates/{quote(waiting)}/reject"
    pages: dict[str, object] = {"/v1/releases/one": gated, where: RUNS}
    result, admin = ask(pages, "gate", "reject", "--release", "one")
    assert (result.exit_code, admin.asked[-1].path) == (0, where)
    result, _ = ask({"/v1/releases/one": RUNS}, "gate", "approve", "--release", "one")
    assert (result.exit_code, "no gate of one waits for an answer" in result.stderr) == (1, True)


# beginning


def test_a_file_is_sent_as_it_is() -> None:
    result, admin = ask({"/v1/releases": {**RUNS, "warnings": ["careful"]}}, "start", FILE, "--by", "ann")
    assert (result.exit_code, result.stderr) == (0, "careful\n")
    assert result.stdout.endswith("shifter release watch one shows how it goes on\n")
    (asked,) = admin.asked
    assert (asked.method, asked.body, asked.parameters) == ("POST", Path(FILE).read_bytes(), {"source": FILE, "by": "ann"})


def test_two_clusters_are_a_text_too() -> None:
    extra = ("--steps", "1,100", "--route", "/service/1", "--name", "june", "--max", "60s", "--undecided", "advance")
    _, admin = ask({"/v1/releases": RUNS}, "start", "service1", "service1a", *extra)
    spec, problems = read_release(admin.asked[0].body, "x")
    assert spec is not None, problems
    assert (spec.name, spec.route.text, spec.baseline, spec.canary) == ("june", "/service/1", "service1", "service1a")
    assert [(step.share, step.max, step.undecided.value) for step in spec.steps] == [
        (10_000, 60.0, "advance"),
        (1_000_000, 60.0, "advance"),
    ]
    assert ask({}, "start", FILE, "--steps", "1")[0].exit_code == 2
    assert ask({}, "start", "/nowhere.yaml")[0].exit_code == 2


def test_a_rehearsal_prints_the_plan() -> None:
    spec, _ = read_release(Path(FILE).read_bytes(), FILE)
    assert spec is not None
    told = {"name": "x", "dry_run": True, "warnings": ["careful"], **plan(spec, 100.0).to_dict()}
    result, admin = ask({"/v1/releases": told}, "start", FILE, "--dry-run")
    assert (result.exit_code, admin.asked[0].parameters["dry_run"]) == (0, "1")
    assert result.stdout.startswith("service1-to-1a: service1 -> service1a at 100 requests a second")


def test_a_release_with_mistakes_is_refused() -> None:
    told = {"title": "refused", "status": 400, "detail": "the release cannot begin", "problems": ["r.yaml:1:1: error: no"]}
    result, _ = ask({"/v1/releases": (400, json.dumps(told), PROBLEM)}, "start", "-", stdin=b"x")
    assert (result.exit_code, result.stderr) == (1, "r.yaml:1:1: error: no\nthe release cannot begin\n")
    problems = ["r.yaml:1:1: error: no", "r.yaml:2:1: error: neither"]
    told = {"title": "refused", "status": 400, "detail": "\n".join(problems), "problems": problems}
    result, _ = ask({"/v1/releases": (400, json.dumps(told), PROBLEM)}, "start", "-", stdin=b"x")
    assert result.stderr == "r.yaml:1:1: error: no\nr.yaml:2:1: error: neither\n"  # each once


def test_mistakes_of_two_clusters_are_placed_by_options() -> None:
    problems = ["short form:3:9: error: no weight", "short form:2:9: error: no cluster", "short form:5:8: error: no time"]
    told = {"title": "refused", "status": 400, "detail": "\n".join(problems), "problems": problems}
    result, _ = ask({"/v1/releases": (400, json.dumps(told), PROBLEM)}, "start", "a", "b", "--steps", "x", "--min", "1s", "--max", "2")
    assert result.stderr == "--steps: error: no weight\nCANARY: error: no cluster\n--min: error: no time\n"


# looking


def test_list() -> None:
    result, _ = ask(listed(RUNS, OVER), "list")
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [["NAME", "STATE"], ["one", "observing"], ["old", "succeeded"]]
    assert ask(listed(OVER), "list", "--running")[0].stdout == "no release runs\n"
    assert json.loads(ask(listed(RUNS, OVER), "list", "--running", "--json")[0].stdout)["releases"] == [json.loads(json.dumps(RUNS))]
    assert ask(listed(), "list")[0].stdout == "there is no release\n"


def test_get() -> None:
    pages = {"/v1/releases/one": RUNS, "/v1/history": {"events": list(reversed(story(RUNS)))}}
    result, admin = ask(pages, "get", "one")
    assert result.exit_code == 0, result.output
    assert "one" in result.stdout.splitlines()[0]
    assert admin.asked[1].parameters == {"release": "one", "count": "20"}
    assert json.loads(ask(pages, "get", "one", "--json")[0].stdout)["name"] == "one"


def test_explain() -> None:
    result, _ = ask({"/v1/releases/one/verdict": RUNS}, "explain", "one")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("one is observing: ")
    assert "where it is rolled back" in result.stdout
    assert " pt" in result.stdout and " %" in result.stdout and "until something is" in result.stdout
    assert "until something is" not in ask({"/v1/releases/old/verdict": {**RUNS, "state": "aborted"}}, "explain", "old")[0].stdout
    assert json.loads(ask({"/v1/releases/one/verdict": RUNS}, "explain", "one", "--json")[0].stdout)["evidence"]
    assert ask({"/v1/releases/one/verdict": {"name": "one", "state": "pending"}}, "explain", "one")[0].exit_code == 0


def test_history() -> None:
    pages = {"/v1/history": {"events": [event(7, RUNS), event(6, RUNS)]}}
    result, admin = ask(pages, "history", "one", "-n", "2", "--before", "9")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["7", "6"]
    assert admin.asked[0].parameters == {"count": "2", "before": "9", "release": "one"}
    assert RUNS["name"] not in result.stdout.splitlines()[0].split()[:2]
    assert ask({"/v1/history": {"events": []}}, "history")[0].stdout == "nothing has happened\n"
    assert len(json.loads(ask(pages, "history", "--json")[0].stdout)["events"]) == 2


# what it came to


class Clock:
    """Time that passes only while somebody waits; ``then`` is what there is after each wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[Any] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.waits:
            self.waits.pop(0)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(release_status, "now", lambda: made.now)
    monkeypatch.setattr(release_status, "pause", made.sleep)
    return made


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("rolled back", 1), ("aborted", 2), ("superseded", 3)])
def test_exit_codes_say_what_it_came_to(state: str, code: int, clock: Clock) -> None:
    over = {**release(state if state != "superseded" else "aborted"), "state": state, "name": "one"}
    with answering(listed(RUNS)) as admin:
        clock.waits = [lambda: None, lambda: admin.answers.update(listed(over))]
        result = CliRunner().invoke(main, ["release", "status", "--wait", "--admin", admin.address])
    assert (result.exit_code, clock.now) == (code, 2.0)
    assert f"one is {state}" in result.stdout


def test_who_waits_too_long_ends_undecided(clock: Clock) -> None:
    result, _ = ask(listed(RUNS), "status", "one", "--wait", "--timeout", "5s")
    assert (result.exit_code, clock.now, result.stderr) == (3, 5.0, "one is not over after 5 s\n")
    assert ask(listed(RUNS), "status", "two", "--wait")[0].exit_code == 3  # neither rolled back nor aborted
    assert ask(listed(), "status", "--wait")[0].exit_code == 3
    assert ask(listed(RUNS), "status", "--wait", "--timeout", "soon")[0].exit_code == 2


def test_a_proxy_that_is_away_is_waited_for_a_while(clock: Clock) -> None:
    with answering(listed(RUNS)) as admin:
        away = (200, "no JSON")
        clock.waits = [lambda: admin.answers.update({"/v1/releases": away}), *([lambda: None] * 100)]
        result = CliRunner().invoke(main, ["release", "status", "one", "--wait", "--admin", admin.address])
    assert (result.exit_code, clock.now) == (3, 60.0)


def test_how_it_stands() -> None:
    result, _ = ask(listed(RUNS), "status")
    assert (result.exit_code, "one is observing" in result.stdout) == (0, True)
    assert json.loads(ask(listed(OVER), "status", "--json")[0].stdout)["state"] == "succeeded"
    assert ask(listed(RUNS), "status", "two")[0].stderr == "there is no release two; there are one\n"


# the end

PATCH = "--- front.yaml\n+++ front.yaml\n"
LET_GO = {"/v1/releases/old/finish": OVER}


def test_finish_wants_the_file_to_say_it_first() -> None:
    pages: dict[str, object] = {**LET_GO, "/v1/releases/old/patch": (200, PATCH)}
    result, admin = ask(pages, "finish", "old")
    assert (result.exit_code, PATCH in result.stderr, [one.method for one in admin.asked]) == (1, True, ["GET"])
    result, admin = ask(pages, "finish", "old", "--force")
    assert (result.exit_code, [one.method for one in admin.asked]) == (0, ["POST"])
    assert result.stdout.endswith("old is succeeded, step 5 of 5, 100 %: finished: the route is what the configuration's file says\n")
    result, admin = ask({**pages, "/v1/releases/old/patch": (200, "")}, "finish", "old")
    assert (result.exit_code, [one.method for one in admin.asked]) == (0, ["GET", "POST"])
    result, admin = ask({**pages, "/v1/releases/old/patch": REFUSED}, "finish", "old")
    assert (result.exit_code, result.stderr.startswith("warning: nothing waits")) == (0, True)


def test_the_patch_is_only_printed() -> None:
    pages: dict[str, object] = {**LET_GO, "/v1/releases/old/patch": (200, PATCH)}
    result, admin = ask(pages, "finish", "old", "--patch")
    assert (result.exit_code, result.stdout, [one.method for one in admin.asked]) == (0, PATCH, ["GET"])
    assert json.loads(ask(pages, "finish", "old", "--patch", "--json")[0].stdout) == {"patch": PATCH}
    said = {**listed({**OVER, "held": False}), "/v1/releases/old/patch": (200, "")}
    result, _ = ask(said, "finish", "old", "--patch")
    assert (result.stdout, result.stderr) == ("", "the file says what the release came to already\n")
    result, _ = ask({**said, **listed({**OVER, "held": True})}, "finish", "old", "--patch")
    assert result.stderr == "the file says what the release came to already: shifter release finish lets go of the route\n"
    assert ask({"/v1/releases/old/patch": REFUSED}, "finish", "old", "--patch")[0].exit_code == 1


def test_a_refusal_is_json_too() -> None:
    missing = (404, json.dumps({"title": "no such release", "status": 404, "detail": "there is no release `nope`"}), PROBLEM)
    result, _ = ask({"/v1/releases/nope": missing}, "get", "nope", "--json")
    assert (result.exit_code, json.loads(result.stdout), result.stderr) == (1, json.loads(missing[1]), "")
    result, _ = ask({"/v1/releases/old/patch": REFUSED}, "finish", "old", "--patch", "--json")
    assert (result.exit_code, json.loads(result.stdout), result.stderr) == (1, GONE, "")
    result, _ = ask(listed(RUNS, {**RUNS, "name": "two"}), "pause", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, {"detail": "several releases run; say which: one, two"})
    result, _ = ask({**LET_GO, "/v1/releases/old/patch": (200, PATCH)}, "finish", "old", "--json")
    assert (result.exit_code, json.loads(result.stdout)["patch"], result.stderr) == (1, PATCH, "")
    result, _ = ask({}, "get", "nope", "--json")
    assert (result.exit_code, "as new as this command" in json.loads(result.stdout)["detail"]) == (3, True)


# without a proxy


def test_lint() -> None:
    result = local("lint", FILE, "--config", str(ROOT / "etc/front.yaml"))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, f"{FILE}: OK, 1 warning, route backend/prefix /service/1")
    assert local("lint", FILE, "--config", str(ROOT / "etc/front.yaml"), "--strict").exit_code == 1
    told = json.loads(local("lint", FILE, "--json").stdout)
    assert told == {"file": FILE, "ok": True, "route": None, "problems": []}
    assert local("lint", "/nowhere").exit_code == 2
    assert local("lint", FILE, "--config", "/nowhere").exit_code == 2


def test_lint_of_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(Path(FILE).read_text(encoding="utf-8").replace("canary: service1a", "canray: service1a"), encoding="utf-8")
    result = local("lint", str(file))
    assert result.exit_code == 1
    assert "error: unknown field `canray`" in result.stdout
    assert "^^^^^^  did you mean `canary`?" in result.stdout
    assert result.stdout.endswith("r.yaml: refused, 1 error\n")
    told = json.loads(local("lint", str(file), "--json").stdout)
    assert (told["ok"], told["problems"][0]["line"]) == (False, 15)
    assert local("plan", str(file)).exit_code == 1
    assert local("lint", FILE, "--config", str(file)).exit_code == 2


def test_plan() -> None:
    result = local("plan", FILE, "--rate", "100", "--errors", "1")
    assert result.exit_code == 0
    assert result.stdout.startswith("service1-to-1a: service1 -> service1a at 100 requests a second, of which 1 % fail\n")
    assert json.loads(local("plan", FILE, "--json").stdout)["rate"] is None
    assert local("plan", "/nowhere").exit_code == 2


def test_what_fits_is_what_the_machine_takes() -> None:
    page = (ROOT / "docs/releases.md").read_text(encoding="utf-8")
    rows = page[page.index("| state | what fits |") :].partition("\n\n")[0].splitlines()[2:]
    said: dict[str, set[str]] = {}
    for row in rows:
        states, fits = row.strip("| ").split(" | ")
        verbs = set() if fits.startswith("nothing") else {verb.removeprefix("gate ") for verb in fits.split(", ")}
        said |= dict.fromkeys(states.split(", "), verbs)
    assert said == {state.value: {verb.value for verb in verbs_in(state)} for state in State}
