"""Running the project's programs as a user does: as processes, from an installation."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
# Where `shifter` and `twistd` are: of the environment that runs the tests, or of the installation under test.
BIN = Path(os.environ.get("SHIFTER_BIN") or Path(sys.executable).parent)
PATIENCE = 60  # seconds until a test stops believing that something will happen


def free_ports(count: int) -> list[int]:
    """TCP ports of 127.0.0.1 that nobody uses now."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def running(command: list[str], directory: Path) -> Iterator["subprocess.Popen[str]"]:
    """A program with its output in a pipe, killed at the end unless it has ended."""
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def until(process: "subprocess.Popen[str]", ask: Callable[[], T]) -> T:
    """Return what *ask* returns, once it no longer raises ``OSError``. Fails when the process ends before that."""
    for _ in range(PATIENCE * 20):
        try:
            return ask()
        except OSError:
            pass
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    process.kill()
    said = process.communicate()[0]
    raise AssertionError(f"{process.args} ended with {process.returncode}, or never got ready. It said:\n{said}")


def stopped(process: "subprocess.Popen[str]", how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
    """Ask it to end. Returns its exit status and what it said since."""
    process.send_signal(how)
    said = process.communicate(timeout=PATIENCE)[0]
    return process.returncode, said
