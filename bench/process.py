"""Starting and ending the programs of a benchmark: pinned to a CPU, output in a file, ended as a group."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


class BenchError(Exception):
    """A candidate or the benchmark itself could not do what it should; the text says what and why."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: its arguments, what its environment has beside ours, and the file its output goes to."""

    argv: Sequence[str]
    output: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def pinned(cpu: int) -> Iterator[None]:
    """What is started inside runs on this CPU only; so do we, for the moment."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(command: Command, cpu: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program on *cpu* for as long as the block lasts, then end it and all of its group."""
    environment = {**os.environ, **command.environment}
    with command.output.open("ab") as output, pinned(cpu):
        process = subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=command.output.parent,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for signum, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(process.pid, signum)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def run_pinned(argv: Sequence[str], cpu: int, patience: float) -> str:
    """Run a program to its end on *cpu* and give its output. BenchError when it takes longer than *patience* seconds."""
    with pinned(cpu):
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{argv[0]} did not end within {patience:.0f} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return output


def listening(port: int) -> bool:
    """Does anything accept connections on this port of loopback?"""
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def wait_listening(port: int, process: subprocess.Popen[bytes], output: Path, patience: float = 20.0) -> None:
    """Return as soon as the port accepts; BenchError with the end of the program's output when it ends or takes too long."""
    until = time.monotonic() + patience
    while not listening(port):
        if process.poll() is not None:
            raise BenchError(f"ended with status {process.returncode}: {tail(output)}")
        if time.monotonic() > until:
            raise BenchError(f"does not listen after {patience:.0f} s: {tail(output)}")
        time.sleep(0.002)


def wait_free(port: int, patience: float = 10.0) -> None:
    """Return as soon as nobody listens: a program left over (Envoy would even share the port) would spoil the figures."""
    until = time.monotonic() + patience
    while listening(port):
        if time.monotonic() > until:
            raise BenchError(f"port {port} is taken by another program")
        time.sleep(0.02)


def free_ports(count: int, first: int = 21_000) -> list[int]:
    """Ports that nobody has, below the range from which the kernel takes those of outgoing connections."""
    found: list[int] = []
    for port in range(first, 32_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise BenchError(f"fewer than {count} free ports from {first} on")


def tail(output: Path) -> str:
    """The last lines of a program's output, as one, without where this checkout is: it may end in a published table."""
    text = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    lines = text.replace(f"{Path(__file__).parents[1]}/", "").splitlines()
    return " / ".join(line.strip() for line in lines[-3:] if line.strip()) or "it said nothing"
