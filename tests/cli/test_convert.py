"""``shifter convert``."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shifter.cli import main
from tests.support.configs import GOOD

OLD = GOOD.replace("- name: envoy.filters.http.router", "- name: envoy.router  # last")
NEW = GOOD.replace("- name: envoy.filters.http.router", "- name: envoy.filters.http.router  # last")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("good.yaml", GOOD), ("old.yaml", OLD), ("wrong.yaml", OLD.replace("lb_policy", "lb_polcy"))):
        (tmp_path / name).write_text(text)
    return tmp_path


def shifter(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["convert", *arguments], input=stdin)


def test_to_the_standard_output() -> None:
    result = shifter("old.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, NEW, "")
    assert shifter("-", stdin=OLD).stdout == NEW
    assert shifter("-o", "-", "good.yaml").stdout == GOOD


def test_into_a_file(folder: Path) -> None:
    result = shifter("-o", "new.yaml", "old.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "new.yaml: 1 change\n")
    assert ((folder / "new.yaml").read_text(), (folder / "old.yaml").read_text()) == (NEW, OLD)


def test_in_place_and_once_more(folder: Path) -> None:
    assert shifter("--in-place", "old.yaml").stderr == "old.yaml: 1 change\n"
    assert (folder / "old.yaml").read_text() == NEW
    assert shifter("--in-place", "old.yaml").stderr == "old.yaml: nothing to change\n"


def test_diff(folder: Path) -> None:
    result = shifter("--diff", "old.yaml")
    changed = [line for line in result.stdout.splitlines() if line[0] in "+-"]
    assert changed == [
        "--- old.yaml",
        "+++ old.yaml (converted)",
        "-          - name: envoy.router  # last",
        "+          - name: envoy.filters.http.router  # last",
    ]
    assert (folder / "old.yaml").read_text() == OLD


def test_what_else_is_wrong_is_told() -> None:
    result = shifter("wrong.yaml")
    assert result.exit_code == 1
    assert "envoy.filters.http.router  # last" in result.stdout
    assert result.stderr.startswith("in the converted text:\nerror: unknown field `lb_polcy`\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.yaml"], "nothing.yaml: cannot be read: No such file or directory\n"),
        (["-o", "no/folder", "old.yaml"], "no/folder: cannot be written: No such file or directory\n"),
        (["--diff", "--in-place", "old.yaml"], "one of --output, --in-place and --diff, please\n"),
        (["--in-place", "-"], "the standard input cannot be written to\n"),
        ([], "Missing argument 'FILE'.\n"),
    ],
)
def test_usage(arguments: list[str], said: str) -> None:
    result = shifter(*arguments)
    assert result.exit_code == 2 and result.stderr.endswith(said)


def test_no_yaml(folder: Path) -> None:
    (folder / "no.yaml").write_text("a: [\n")
    result = shifter("no.yaml")
    assert (result.exit_code, result.stdout) == (1, "a: [\n")
    assert result.stderr.startswith("error: not valid YAML")
