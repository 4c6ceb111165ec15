"""Where each microsecond goes: ``python -m bench.profile`` (``--only envoy`` for another proxy).

Three runs of one proxy under the ``headers`` load: undisturbed, for CPU µs per request; under py-spy (if installed), whose
shares of samples divide those microseconds among functions; under ``strace -c`` (if installed), for system calls per
request. Neither tool's own cost is in the figures, because only the first run gives microseconds.

How to read it: a sample counts for the innermost frame. A system call's time is the kernel's work for both sides of a
loopback connection. *By place* adds the innermost frame of a file of shifter to what it calls in Python's and Twisted's
own code, but not system calls; time in C code that py-spy cannot name goes to the Python function that called it.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import candidates, measure, report, scenarios
from bench.__main__ import entries_of, prepare_ourselves, scratch
from bench.backend import serving
from bench.load import drive
from bench.measure import Entry, Place, started, work_for
from bench.process import BenchError, free_ports
from bench.scenarios import Scenario

_SYSTEM_CALLS: Final = frozenset(
    ("send", "sendmsg", "recv", "recv_into", "read", "write", "writev", "readv", "epoll_wait", "epoll_ctl", "accept4", "close", "connect")
)
_RATE: Final = 400
"""Samples a second."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One line of py-spy's raw output: frames ``name (file:line)`` from the outermost in, and how many samples."""

    frames: tuple[str, ...]
    count: int


def parse_raw(lines: Iterable[str]) -> list[Stack]:
    """py-spy's ``--format raw``."""
    stacks = []
    for line in lines:
        frames, _, count = line.strip().rpartition(" ")
        if frames:
            stacks.append(Stack(tuple(frames.split(";")), int(count)))
    return stacks


def function(frame: str) -> str:
    """A frame without its line number: ``locate (shifter/routing/table.py)``."""
    return re.sub(r":\d+\)$", ")", frame)


def place_of(stack: Stack) -> str:
    """Who a sample counts for: a system call, the innermost file of shifter, else the innermost file at all."""
    leaf = stack.frames[-1]
    name, _, where = leaf.partition(" ")
    if name in _SYSTEM_CALLS and ".py" not in where:
        return f"system call {name}"
    for frame in reversed(stack.frames):
        if found := re.search(r"\((shifter/[^:)]+)", frame):
            return found[1]
    found = re.search(r"\(([^:)]+)", leaf)
    return found[1] if found else leaf


def shares(stacks: Sequence[Stack], micros: float, least: float = 0.005) -> tuple[list[report.Row], list[report.Row]]:
    """*micros* divided by place and by function, largest first; what has less than *least* of all is added up at the end."""
    total = sum(stack.count for stack in stacks)
    tables = []
    for name in (place_of, lambda stack: function(stack.frames[-1])):
        counted: Counter[str] = Counter()
        for stack in stacks:
            counted[name(stack)] += stack.count
        shown = [(key, count) for key, count in counted.most_common() if count >= least * total]
        rest = total - sum(count for _, count in shown)
        tables.append(
            [[key, f"{count / total:.1%}", f"{micros * count / total:.2f}"] for key, count in (*shown, ("everything else", rest)) if count]
        )
    return tables[0], tables[1]


def parse_strace(output: str) -> dict[str, int]:
    """Calls by name from the table of ``strace -c``."""
    calls = {}
    for line in output.splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[0].replace(".", "").isdigit() and fields[3].isdigit() and fields[-1] != "total":
            calls[fields[-1]] = int(fields[3])
    return calls


def py_spy() -> str:
    beside = Path(sys.executable).parent / "py-spy"
    return str(beside) if beside.exists() else shutil.which("py-spy") or ""


def stacks_under_load(scenario: Scenario, entry: Entry, place: Place, seconds: int) -> list[Stack]:
    """Stacks of the proxy while it is loaded. py-spy runs on the load's CPU."""
    raw = place.directory / "stacks.txt"
    work = work_for(scenario, entry, place)
    with started(entry, work, place.proxy_cpu) as process:
        loading = threading.Thread(target=drive, args=(scenario, work.port, seconds + 3, place.load_cpu, place.directory))
        loading.start()
        try:
            spy = [py_spy(), "record", "--native", "--format", "raw", "--rate", str(_RATE), "--duration", str(seconds)]
            done = subprocess.run(
                [*spy, "--output", str(raw), "--pid", str(process.pid)], capture_output=True, text=True, timeout=seconds + 60, check=False
            )
        finally:
            loading.join()
    if done.returncode or not raw.exists():
        raise BenchError(f"py-spy: {done.stderr.strip()[-300:]}")
    return parse_raw(raw.read_text(encoding="utf-8", errors="replace").splitlines())


def calls_under_load(scenario: Scenario, entry: Entry, place: Place, seconds: int) -> list[report.Row]:
    """System calls per request. strace is attached before the first request and detached after the last."""
    table = place.directory / "strace.txt"
    work = work_for(scenario, entry, place)
    with started(entry, work, place.proxy_cpu) as process:
        argv = ["strace", "-f", "-c", "-o", str(table), "-p", str(process.pid)]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            said = tracer.stderr.readline()  # it says so when it is attached, or why it cannot be
            if "attached" not in said:
                raise BenchError(f"strace: {said.strip()}")
            try:
                result = drive(scenario, work.port, seconds, place.load_cpu, place.directory)
            finally:
                tracer.terminate()
    calls = parse_strace(table.read_text(encoding="utf-8"))
    return [
        [name, f"{count / result.requests:.2f}"]
        for name, count in sorted(calls.items(), key=lambda one: -one[1])
        if count >= result.requests / 100
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m bench.profile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    closed = [scenario.name for scenario in scenarios.ALL if scenario.kind is scenarios.Kind.CLOSED]
    parser.add_argument("scenario", nargs="?", default="headers", choices=closed, help="which load (%(default)s)")
    parser.add_argument("--only", default="shifter", choices=list(candidates.BY_NAME), help="which proxy (%(default)s)")
    parser.add_argument("--duration", type=int, default=5, metavar="SECONDS", help="of each of the three runs (%(default)s)")
    chosen = parser.parse_args(argv)
    scenario, candidate = scenarios.BY_NAME[chosen.scenario], candidates.BY_NAME[chosen.only]
    if reason := candidate.absent() or candidate.unable(scenario):
        raise BenchError(f"{candidate.name}: {reason}")
    with ExitStack() as stack:
        proxy_cpu, load_cpu = prepare_ourselves(stack)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=scratch())))
        backend = stack.enter_context(serving(directory, load_cpu))
        place = Place(directory, free_ports(1, 22_000)[0], proxy_cpu, load_cpu, backend)
        entry = entries_of(scenario, [candidate])[0]
        measure.check(scenario, entry, place)
        sample = measure.measure_quietly(scenario, entry, place, chosen.duration)
        micros = sample.cpu_per_request * 1e6
        print(f"{entry.label}, {scenario.name}: {micros:.1f} µs CPU per request, {sample.requests / sample.seconds:.0f} req/s")
        if not candidate.python:
            print("\nnot a Python program: no shares")
        elif not py_spy():
            print("\npy-spy is not installed in this environment: no shares")
        else:
            by_place, by_function = shares(stacks_under_load(scenario, entry, place, chosen.duration), micros)
            print("\nby place\n" + report.plain(["place", "share", "µs/req"], by_place))
            print("\nby function\n" + report.plain(["function", "share", "µs/req"], by_function))
        if not shutil.which("strace"):
            print("\nstrace is not installed: no system calls")
        else:
            calls = calls_under_load(scenario, entry, place, chosen.duration)
            print("\nsystem calls\n" + report.plain(["call", "per request"], calls))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(f"bench.profile: {error}")
