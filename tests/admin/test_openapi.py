"""The OpenAPI description says what the table of commands says."""

import json
from typing import Any

from shifter.admin.pages import COMMANDS
from tests.support.admin import Asker

TOLD: dict[str, Any] = json.loads(Asker().ask("/openapi.json").body)


def test_every_command_is_described() -> None:
    listed = {command.path: command for command in COMMANDS if command.listed}
    assert TOLD["paths"].keys() == listed.keys()
    for path, operations in TOLD["paths"].items():
        command = listed[path]
        wanted = {"get", "head"} if command.method == "GET" else {"post"}
        assert operations.keys() == wanted | ({"post"} if command.changing else set())
        for operation in operations.values():
            named = [*command.names, *(name for name, _ in (*command.parameters, *command.fields))]
            assert [one["name"] for one in operation["parameters"]] == named


def test_names_of_operations_are_different() -> None:
    names = [operation["operationId"] for operations in TOLD["paths"].values() for operation in operations.values()]
    assert len(names) == len(set(names))


def test_choices_and_numbers_are_known() -> None:
    parameters = {one["name"]: one["schema"] for one in TOLD["paths"]["/routes/explain"]["get"]["parameters"]}
    assert parameters["format"] == {"type": "string", "enum": ["json", "text"]}
    assert parameters["random"]["type"] == "integer"
    assert parameters["header"] == {"type": "array", "items": {"type": "string"}}
    level = TOLD["paths"]["/logging"]["post"]["parameters"][-1]["schema"]
    assert level["enum"] == ["", "trace", "debug", "info", "warning", "error", "critical", "off"]


def test_who_needs_no_token() -> None:
    assert TOLD["paths"]["/ready"]["get"]["security"] == [{}]
    assert "security" not in TOLD["paths"]["/stats"]["get"]
    assert TOLD["security"] == [{"token": []}, {}]
