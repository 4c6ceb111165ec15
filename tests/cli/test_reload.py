"""`shifter reload`."""

import json

import pytest
from click.testing import CliRunner, Result

from shifter.cli import main
from shifter.model.change import Actor, AuditEntry, ChangeKind, ChangeResult
from tests.support.answering import Admin, answering

ENTRY = AuditEntry(7, 1.0, ChangeKind.CONFIG, Actor("ann"), "front.yaml", ("cluster service1a: new",))
TAKEN = ChangeResult(True, 4, ENTRY, warnings=("front.yaml:3:1: warning: old spelling",))
SAME = ChangeResult(True, 4)
REFUSED = ChangeResult(False, 3, problems=("front.yaml:23:40: unknown field `wieght`",))


def reload(result: ChangeResult, *arguments: str) -> tuple[Result, Admin]:
    told = (200 if result.taken else 400, json.dumps(result.to_dict()) + "\n")
    with answering({"/reload": told}) as admin:
        return CliRunner().invoke(main, ["reload", "--admin", admin.address, *arguments]), admin


def test_it_tells_what_changed() -> None:
    result, admin = reload(TAKEN, "--by", "ann", "--why", "new canary")
    assert result.exit_code == 0
    assert result.stdout == "configuration 4 is served\n  cluster service1a: new\n"
    assert result.stderr == "warning: front.yaml:3:1: warning: old spelling\n"
    (asked,) = admin.asked
    assert (asked.method, asked.parameters) == ("POST", {"by": "ann", "why": "new canary"})


def test_it_tells_when_nothing_changed() -> None:
    assert reload(SAME)[0].stdout == "configuration 4 is served; nothing is different\n"


def test_it_tells_why_it_is_refused() -> None:
    result, _ = reload(REFUSED)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "front.yaml:23:40: unknown field `wieght`\nrefused: configuration 3 goes on being served\n"


@pytest.mark.parametrize("result", [TAKEN, SAME, REFUSED])
def test_json_is_the_result_itself(result: ChangeResult) -> None:
    told, _ = reload(result, "--json")
    assert json.loads(told.stdout) == json.loads(json.dumps(result.to_dict()))
    assert told.exit_code == (0 if result.taken else 1)


def test_who_asks_is_you(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ben")
    assert reload(SAME)[1].asked[0].parameters["by"] == "ben"
