"""The command ``python -m bench``; see the package's docstring for how to read what it prints."""

import argparse
import fcntl
import json
import os
import platform
import resource
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

import bench
from bench import candidates, load, measure, report, resting, scenarios
from bench.backend import serving
from bench.measure import Entry, Place, Series, say
from bench.process import BenchError, free_ports
from bench.resting import Resting
from bench.scenarios import Kind, Scenario

_PRIORITY = -10
_REALTIME = 5


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    listed = "\n".join(f"  {scenario.name:9} {scenario.meaning}" for scenario in scenarios.ALL)
    proxies = ", ".join(candidates.BY_NAME)
    parser = argparse.ArgumentParser(
        "python -m bench",
        description=bench.__doc__,
        epilog=f"scenarios:\n{listed}\n\nproxies: {proxies}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="which ones (all)")
    parser.add_argument("--only", default="", metavar="NAME,NAME", help="only these proxies; Envoy too, if quotients are wanted")
    parser.add_argument("--rounds", type=int, default=5, help="samples of each proxy (%(default)s)")
    parser.add_argument("--duration", type=int, default=3, metavar="SECONDS", help="of one sample, whole seconds (%(default)s)")
    parser.add_argument("--connections", type=int, default=0, help="instead of the scenario's number")
    parser.add_argument("--realtime", action="store_true", help="keep others off the CPUs (needs the right to; p99 suffers from it)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="write the tables there; a table replaces what an existing file has between <!-- bench: SCENARIO --> and <!-- end -->",
    )
    chosen = parser.parse_args(argv)
    for kind, names, known in (("scenario", chosen.scenarios, scenarios.BY_NAME), ("proxy", only(chosen), candidates.BY_NAME)):
        for name in names:
            if name not in known:
                parser.error(f"unknown {kind} {name!r}; there are {', '.join(known)}")
    if chosen.rounds < 1 or chosen.duration < 1:
        parser.error("--rounds and --duration are 1 or more")
    return chosen


def only(chosen: argparse.Namespace) -> list[str]:
    return [name for name in str(chosen.only).split(",") if name]


def present(names: Sequence[str]) -> list[candidates.Candidate]:
    """The candidates that can run here; says which cannot, and why."""
    found = []
    for candidate in candidates.ALL:
        if names and candidate.name not in names:
            continue
        if reason := candidate.absent():
            say(f"{candidate.name}: not measured: {reason}")
        else:
            found.append(candidate)
    return found


def machine() -> str:
    """What was measured on, in one line."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ""
    )
    return f"{os.cpu_count()} CPUs {cpu}, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"


def same_command(chosen: argparse.Namespace) -> str:
    """The command that makes this again, without where its output went."""
    words = ["python", "-m", "bench", *chosen.scenarios, "--rounds", str(chosen.rounds), "--duration", str(chosen.duration)]
    words += ["--connections", str(chosen.connections)] if chosen.connections else []
    words += ["--only", chosen.only] if chosen.only else []
    words += ["--realtime"] if chosen.realtime else []
    return shlex.join(words)


def entries_of(scenario: Scenario, found: Sequence[candidates.Candidate]) -> list[Entry]:
    if scenario.log_compared:
        return [Entry(candidate, log) for candidate in found for log in (True, False)]
    return [Entry(candidate) for candidate in found]


def with_connections(scenario: Scenario, count: int) -> Scenario:
    return replace(scenario, connections=count) if count else scenario


def prepare_ourselves(stack: ExitStack, *, realtime: bool = False) -> tuple[int, int]:
    """One benchmark at a time, many descriptors, ahead of others where that is allowed; gives the two CPUs."""
    lock = Path(tempfile.gettempdir(), "shifter-bench.lock").open("w")  # noqa: SIM115  # closed with the stack
    stack.callback(lock.close)
    fcntl.flock(lock, fcntl.LOCK_EX)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    if realtime:
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_REALTIME))
        except PermissionError:
            raise BenchError("--realtime is not allowed to this user") from None
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        say("only one CPU: proxy, backend and load generator share it; read CPU µs/req and nothing else")
    os.sched_setaffinity(0, {cpus[-1]})
    return cpus[0], cpus[-1]


def scratch() -> str | None:
    """Memory, where there is a file system in it: access logs and bodies shall not wait for a disk."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and os.access(shared, os.W_OK) else None


def one_scenario(
    scenario: Scenario, found: Sequence[candidates.Candidate], place: Place, chosen: argparse.Namespace
) -> Sequence[Series | Resting]:
    say(f"{scenario.name}: {scenario.meaning}")
    entries = entries_of(scenario, found)
    if scenario.kind in (Kind.IDLE, Kind.START):
        return resting.run(scenario, entries, place, chosen.rounds, chosen.duration)
    return measure.run(scenario, entries, place, chosen.rounds, chosen.duration)


def table_of(scenario: Scenario, rows: Sequence[Series | Resting]) -> tuple[report.Row, list[report.Row]]:
    series = [row for row in rows if isinstance(row, Series)]
    return report.load_table(scenario, series) if series else report.resting_table([row for row in rows if isinstance(row, Resting)])


def stop(signum: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signum)


def main() -> int:
    chosen = arguments()
    signal.signal(signal.SIGTERM, stop)  # so that what was started is ended
    found = present(only(chosen))
    if not found:
        say("no proxy to measure")
        return 1
    command, data = same_command(chosen), []
    facts = [datetime.now(UTC).strftime("%Y-%m-%d"), machine(), *(candidate.version() for candidate in found)]
    page = chosen.markdown.read_text(encoding="utf-8") if chosen.markdown and chosen.markdown.exists() else ""
    with ExitStack() as stack:
        proxy_cpu, load_cpu = prepare_ourselves(stack, realtime=chosen.realtime)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=scratch())))
        backend = stack.enter_context(serving(directory, load_cpu))
        facts.append(f"backend: {backend.program}")
        print("; ".join(facts))
        place = Place(directory, free_ports(1, 22_000)[0], proxy_cpu, load_cpu, backend)
        for name in chosen.scenarios or scenarios.BY_NAME:
            scenario = with_connections(scenarios.BY_NAME[name], chosen.connections)
            reason = load.missing(scenario)
            if not reason and scenario.h2_up and not backend.h2:
                reason = "this backend does not speak HTTP/2"
            if reason:
                say(f"{name}: left out: {reason}")
                continue
            rows = one_scenario(scenario, found, place, chosen)
            columns, table = table_of(scenario, rows)
            said = report.notes(rows)
            print(f"\n{name}: {scenario.meaning}\n" + (report.plain(columns, table) if table else "nothing measured"))
            print("".join(f"  {note}\n" for note in said), end="", flush=True)
            data.append(report.as_data(scenario, rows))
            if chosen.markdown:
                page = report.embed(page, name, report.markdown(scenario, command, columns, table, [*said, "; ".join(facts)]))
                chosen.markdown.write_text(page, encoding="utf-8")
            if chosen.json:
                chosen.json.write_text(
                    json.dumps({"command": command, "facts": facts, "scenarios": data}, indent=1) + "\n", encoding="utf-8"
                )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(f"bench: {error}")
