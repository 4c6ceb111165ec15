"""docs/admin.md names every page, its method and its parameters."""

import re

from shifter.admin.pages import COMMANDS
from tests.support.programs import ROOT

PAGE = (ROOT / "docs/admin.md").read_text()
LISTED = [command for command in COMMANDS if command.listed]
PARAMETERS = "|".join(sorted({name for command in LISTED for name, _ in command.parameters}))


def test_every_page_and_its_parameters() -> None:
    rows = {path: (method, words) for path, method, words in re.findall(r"^\| `(/\S*)`(?: \((\w+)\))? \| (.+) \|$", PAGE, re.MULTILINE)}
    assert set(rows) == {command.path for command in LISTED}
    for command in LISTED:
        method, words = rows[command.path]
        assert (method or "GET") == command.method
        assert {name for name, _ in command.parameters} == set(re.findall(rf"`({PARAMETERS})\b", words))
