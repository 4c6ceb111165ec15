"""`shifter restart`."""

import json

from click.testing import CliRunner, Result

from shifter.cli import main
from shifter.model.change import ChangeResult
from tests.support.answering import answering


def restart(result: ChangeResult, *arguments: str) -> Result:
    told = (200 if result.taken else 400, json.dumps(result.to_dict()) + "\n")
    with answering({"/restart": told}) as admin:
        found = CliRunner().invoke(main, ["restart", "--admin", admin.address, *arguments])
        (asked,) = admin.asked
        assert asked.method == "POST"
        return found


def test_a_new_process_serves() -> None:
    result = restart(ChangeResult(True, 4))
    assert (result.exit_code, result.stdout) == (0, "a new process serves; the old one ends when its connections have\n")


def test_nothing_came_of_it() -> None:
    result = restart(ChangeResult(False, 4, problems=("front.yaml:1:1: error: unknown field `nonsense`",)))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "front.yaml:1:1: error: unknown field `nonsense`\nnothing is handed over: the old process goes on\n"


def test_programs_are_told_in_json() -> None:
    result = restart(ChangeResult(False, 4, problems=("no",)), "--json")
    assert (result.exit_code, json.loads(result.stdout)["problems"]) == (1, ["no"])
