"""The `shifter` command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shifter import __version__
from shifter.cli import main
from shifter.wire.heads import IMPLEMENTATION
from tests.support.configs import FILE_LOG_TYPE, GOOD
from tests.support.programs import ROOT

BAD = GOOD.replace("port_value: 8000", "port_value: eighty")
ODD = GOOD.replace("0.25s", "250ms", 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("good.yaml", GOOD), ("bad.yaml", BAD), ("odd.yaml", ODD)):
        (tmp_path / name).write_text(text)
    return tmp_path


def shifter(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "good.yaml"], 0),
        (["check", "good.yaml", "odd.yaml"], 0),
        (["check", "--strict", "good.yaml"], 0),
        (["check", "--strict", "good.yaml", "odd.yaml"], 1),
        (["check", "bad.yaml", "good.yaml"], 1),
        (["check", "nothing.yaml"], 2),
        (["check", "nothing.yaml", "good.yaml"], 2),
        (["check", "nothing.yaml", "bad.yaml"], 2),
        (["check", "."], 2),
        (["check", "--format", "xml", "good.yaml"], 2),
        (["check"], 2),
        (["chekc", "good.yaml"], 2),
        ([], 2),
        (["--version"], 0),
        (["--help"], 0),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    assert shifter(*arguments).exit_code == code


@pytest.mark.usefixtures("folder")
def test_text() -> None:
    result = shifter("check", "good.yaml", "bad.yaml", "odd.yaml")
    assert result.stdout == (
        "good.yaml: OK\n"
        "error: a whole number is wanted here, not `eighty`\n  --> bad.yaml:7:21\n"
        "    7 |         port_value: eighty\n      |                     ^^^^^^\n"
        "bad.yaml: refused, 1 error\n"
        "warning: the duration `250ms` is taken for 0.25s\n  --> odd.yaml:54:22\n"
        "   54 |     connect_timeout: 250ms\n      |                      ^^^^^  Envoy wants 0.25s\n"
        "odd.yaml: OK, 1 warning\n"
    )
    assert result.stderr == ""


@pytest.mark.usefixtures("folder")
def test_json() -> None:
    result = shifter("check", "--format", "json", "--strict", "good.yaml", "odd.yaml", "nothing.yaml")
    assert json.loads(result.stdout) == [
        {"file": "good.yaml", "ok": True, "problems": []},
        {
            "file": "odd.yaml",
            "ok": False,
            "problems": [
                {
                    "level": "error",
                    "line": 54,
                    "column": 22,
                    "width": 5,
                    "message": "the duration `250ms` is taken for 0.25s",
                    "hint": "Envoy wants 0.25s",
                }
            ],
        },
    ]
    assert result.stderr == "nothing.yaml: cannot be read: No such file or directory\n"


def test_standard_input() -> None:
    assert shifter("check", "-", stdin=GOOD).stdout == "-: OK\n"
    assert "--> <stdin>:7:21" in shifter("check", "-", stdin=BAD).stdout


def test_a_file_for_a_body(folder: Path) -> None:
    (folder / "body.yaml").write_text(GOOD.replace("inline_string: hello", "filename: hello.txt"))
    missing = shifter("check", "body.yaml")
    assert missing.exit_code == 1 and "`hello.txt` cannot be read: No such file or directory" in missing.stdout
    (folder / "hello.txt").write_bytes(b"\xff")
    assert shifter("check", "body.yaml").exit_code == 0


def test_what_other_rooms_refuse(folder: Path) -> None:
    (folder / "regex.yaml").write_text(GOOD.replace("path: /hello", "safe_regex: {regex: '/('}"))
    log = f'          access_log: [{{name: a, typed_config: {{"@type": {FILE_LOG_TYPE}, path: /dev/null, format: "%NOPE%"}}}}]\n'
    (folder / "log.yaml").write_text(GOOD.replace("\n  clusters:\n", f"\n{log}  clusters:\n"))
    assert "this regular expression cannot be used: " in shifter("check", "regex.yaml").stdout
    assert "this format cannot be used: " in shifter("check", "log.yaml").stdout


def test_not_text(folder: Path) -> None:
    (folder / "binary.yaml").write_bytes(b"a: \xff\n")
    result = shifter("check", "binary.yaml")
    assert result.exit_code == 1
    assert result.stdout.startswith("error: this is not text in UTF-8\n  --> binary.yaml:1:4\n")


def test_version() -> None:
    assert shifter("--version").stdout == f"shifter {__version__}\n"
    verbose = shifter("--version", "-v").stdout.splitlines()
    assert verbose[0] == f"shifter {__version__}"
    assert [line.split()[0] for line in verbose[1:3]] == ["Python", "Twisted"]
    assert verbose[3] == f"head parser: {IMPLEMENTATION}"


def test_as_a_program(folder: Path) -> None:
    command = [sys.executable, "-m", "shifter.cli", "check", str(folder / "bad.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
