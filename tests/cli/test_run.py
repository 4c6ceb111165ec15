"""`shifter run`, and the options of the process, which are the same as those of `twistd shifter`."""

import inspect
import json
import os
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from twisted.python import usage
from twisted.python.reflect import namedAny

from shifter.cli import main
from shifter.cli.run import command
from shifter.service.handover import VARIABLE
from shifter.service.printed_log import json_lines
from shifter.tap import Options, makeService


def ran(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    """The command line of twistd that comes of one."""
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr("twisted.scripts.twistd.run", lambda: None)
    result = CliRunner().invoke(main, ["run", *arguments])
    assert result.exit_code == 0, result.output
    return sys.argv


def test_it_is_twistd_in_the_foreground(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ran(monkeypatch, "-c", "front.yaml") == ["twistd", "-n", "--pidfile=", "shifter", "--config", "front.yaml"]


def test_options_of_the_process_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["--drain-time-s", "5", "--drain-strategy", "immediate", "--parent-shutdown-time-s", "9"]
    line = ran(monkeypatch, "-c", "front.yaml", *given)
    options = Options()
    options.parseOptions(line[line.index("shifter") + 1 :])  # type: ignore[no-untyped-call]  # Twisted has no types there
    assert (options["drain-time-s"], options["drain-strategy"], options["parent-shutdown-time-s"]) == (5, "immediate", 9)


def test_the_log_can_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    line = ran(monkeypatch, "-c", "front.yaml", "--json")
    factory = namedAny(line[line.index("shifter") - 1].removeprefix("--logger="))  # type: ignore[no-untyped-call]  # as below
    assert factory is json_lines


def test_both_have_the_same_options() -> None:
    here = {option.opts[-1] for option in command.params if option.name != "as_json"}  # that is one of twistd's
    assert here == {f"--{row[0]}" for row in inspect.getattr_static(Options, "optParameters")}


@pytest.mark.parametrize("wrong", ["--drain-time-s=-1", "--parent-shutdown-time-s=-5", "--drain-time-s=soon", "--drain-strategy=slow"])
def test_what_makes_no_sense_is_told(wrong: str) -> None:
    with pytest.raises(usage.UsageError):
        Options().parseOptions(["--config", "front.yaml", wrong])  # type: ignore[no-untyped-call]  # as above


def test_a_process_that_is_to_take_over_says_why_it_cannot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, memo = tmp_path / "front.yaml", tmp_path / "memo"
    config.write_text("nonsense: 1\n")
    ours, theirs = socket.socketpair()
    overrides = {"runtime": {}, "weights": [], "files": None}
    memo.write_text(json.dumps({"line": theirs.detach(), "sockets": [], "epoch": 1, "since": 0.0, "overrides": overrides}))
    monkeypatch.setenv(VARIABLE, str(os.open(memo, os.O_RDONLY)))
    options = Options()
    options.parseOptions(["--config", str(config)])  # type: ignore[no-untyped-call]  # as above
    with ours, pytest.raises(SystemExit):
        try:
            makeService(options)
        finally:
            said = json.loads(ours.recv(10_000))
    assert "unknown field `nonsense`" in said["refused"]
    assert "unknown field `nonsense`" in capsys.readouterr().err
    assert VARIABLE not in os.environ
