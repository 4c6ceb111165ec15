"""docs/routes.md shows what `shifter routes` prints, and names its options."""

import re
import shlex

import click
import pytest
from click.testing import CliRunner

from shifter.cli import main
from shifter.cli.routes import command
from tests.support.programs import ROOT

PAGE = (ROOT / "docs/routes.md").read_text()
README = (ROOT / "README.md").read_text()
PROMPT = "$ shifter routes --config "


def consoles() -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE + README, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if block.startswith(PROMPT)]


@pytest.mark.parametrize("block", consoles())
def test_output(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    line, _, printed = block.partition("\n")
    assert CliRunner().invoke(main, shlex.split(line)[2:]).stdout == printed


def test_there_is_output() -> None:
    assert len(consoles()) >= 5


def test_every_option() -> None:
    options = [option for parameter in command.params if isinstance(parameter, click.Option) for option in parameter.opts]
    for option in options:
        if option not in ("--header", "-c"):
            assert re.search(rf"`{option}[ `]", PAGE), option


def test_failing_tests_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    routes = (ROOT / "etc/front.yaml").read_text().replace("weight: 25", "weight: 20")
    done = CliRunner().invoke(main, ["routes", "--config", "-", "--test", "etc/front-tests.yaml"], input=routes)
    assert done.exit_code == 1
    assert done.stdout in PAGE
