"""Programs are ended with their blocks, and what they said last is their failure's reason."""

import sys
from pathlib import Path

import pytest

from bench.process import BenchError, Command, free_ports, running, tail, wait_listening

ROOT = Path(__file__).parents[2]


def test_a_program_ends_with_its_block(tmp_path: Path) -> None:
    command = Command([sys.executable, "-c", "import signal; signal.pause()"], tmp_path / "log")
    with running(command, 0) as process:
        assert process.poll() is None
    assert process.returncode is not None


def test_a_program_that_does_not_start_says_why(tmp_path: Path) -> None:
    command = Command([sys.executable, "-c", "raise SystemExit('no such luck')"], tmp_path / "log")
    with running(command, 0) as process, pytest.raises(BenchError, match="status 1: no such luck"):
        wait_listening(free_ports(1)[0], process, command.output)


def test_the_last_lines_without_the_checkouts_place(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == "it said nothing"
    log.write_text(f"first\nsecond\n  File {ROOT}/shifter/tap.py\n\n")
    assert tail(log) == "second / File shifter/tap.py"


def test_free_ports_differ() -> None:
    assert len(set(free_ports(7))) == 7
