"""docs/cli.md names every command and the exit codes."""

import re

from shifter.cli import _COMMANDS
from shifter.cli.client import DEFAULT
from shifter.cli.exits import EXIT_ERRORS, EXIT_UNREACHABLE, EXIT_USAGE
from tests.support.programs import ROOT

PAGE = (ROOT / "docs/cli.md").read_text()


def test_every_command() -> None:
    assert sorted(re.findall(r"^\| `([a-z]+)` \|", PAGE, re.MULTILINE)) == sorted(_COMMANDS)


def test_exit_codes_and_where_it_asks() -> None:
    assert re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE) == ["0", *map(str, (EXIT_ERRORS, EXIT_USAGE, EXIT_UNREACHABLE))]
    assert f"`{DEFAULT}`" in PAGE
