"""``shifter release simulate``: what a release would have noticed of a bad canary, and when."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from shifter.cli.common import read, reason, tell, title
from shifter.cli.exits import EXIT_ERRORS, EXIT_USAGE, Failed
from shifter.cli.table import plain, table
from shifter.config.releases import read_release
from shifter.model.release import ReleaseSpec
from shifter.observe.logreader import Reading
from shifter.release.replay import Replay
from shifter.release.simulate import FAULTS, OUT_OF_REQUESTS, ROLLED_BACK, Fault, Found, decided, made_up, simulate

_HEAD = ("canary", "ends", "runs", "after", "in step", "its requests", "failed", "by the fault", "braked after", "has all after")
_RIGHT = (2, 3, 5, 6, 7, 8, 9)
_FAULT = re.compile(r"(?:(?P<what>errors|latency)=\+?(?P<per_cent>\d+(?:\.\d+)?) ?%?)|(?P<word>healthy|broken)")
_MEASURE = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|min|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class _Fault(click.ParamType[Fault]):
    name = "FAULT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fault:
        if isinstance(value, Fault):
            return value
        found = _FAULT.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is none of healthy, broken, errors=5%, latency=30%", param, ctx)
        if found["word"]:
            return Fault(found["word"], failing=1.0 if found["word"] == "broken" else 0.0)
        part = float(found["per_cent"]) / 100
        if found["what"] == "latency":
            return Fault(f"latency +{found['per_cent']} %", slower=1.0 + part)
        if part > 1.0:
            self.fail("no more than 100 % of requests can fail", param, ctx)
        return Fault(f"errors +{found['per_cent']} %", failing=part)


class _PerCent(click.ParamType[float]):
    name = "PERCENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            share = float(str(value).rstrip("% ")) / 100
        except ValueError:
            share = -1.0
        if not 0.0 <= share <= 1.0:
            self.fail(f"{value!r} is not between 0 % and 100 %", param, ctx)
        return share


class _Time(click.ParamType[float]):
    name = "TIME"

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = _MEASURE.fullmatch(str(value))
        seconds = float(found[1]) * _UNITS[found[2] or self._unit] if found is not None else 0.0
        if not 0.0 < seconds <= 30 * 24 * 3600:
            self.fail(f"{value!r} is not a time, such as 80ms, 30s, 2h", param, ctx)
        return seconds


@click.command("simulate")
@click.argument("file")
@click.option("--from", "log", metavar="LOG", help='Replay this access log, Envoy\'s default format or JSON lines; "-": standard input.')
@click.option("--rate", type=click.FloatRange(min=0.01, max=100_000), metavar="R", help="Make up so many requests a second instead.")
@click.option("--errors", type=_PerCent(), default="0.1%", show_default=True, help="How many of those that are made up fail.")
@click.option("--latency", type=_Time("ms"), default="80ms", show_default=True, help="Their median latency.")
@click.option("--fault", "faults", type=_Fault(), multiple=True, help="What is wrong: broken, errors=5%, latency=30%, healthy. Repeatable.")
@click.option("--advance", is_flag=True, help="Steps that would wait for a person go on.")
@click.option("--runs", type=click.IntRange(1, 1000), default=3, show_default=True, help="So many releases with each fault.")
@click.option("--longest", type=_Time("s"), default="2h", show_default=True, help="Stop a release after so long.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another number is another chance.")
@click.option("--json", "as_json", is_flag=True, help="All of it, every run with its events, as JSON.")
@click.pass_context
def command(
    context: click.Context,
    file: str,
    log: str | None,
    rate: float | None,
    errors: float,
    latency: float,
    faults: tuple[Fault, ...],
    advance: bool,
    runs: int,
    longest: float,
    seed: int,
    as_json: bool,
) -> None:
    """Tell what the release in FILE would have noticed of a bad canary, when, and after how many of the canary's requests; and how long
    a healthy one would take. Nothing is asked of any proxy.

    The requests are those of an access log, or made up at a rate. What a log says became of a request is what the old version makes of
    it; the new one does the same, and has a fault besides. Chance says which requests it gets. The verdict and the state machine are
    those of real releases; gates are taken to be open. What of a log cannot be read is told, and left out.

    The exit code is 0 when every release with a fault was rolled back, 1 when one was not, or the release has errors, 2 when a file
    cannot be read.
    """
    if (log is None) == (rate is None):
        raise Failed("say where requests come from: --from LOG, or --rate R", EXIT_USAGE)
    spec = _release(context, file)
    spec = decided(spec) if advance else spec
    chosen = faults or FAULTS
    seconds = max(1, round(longest))
    if rate is not None:
        found = simulate(spec, made_up(rate, errors, latency * 1e3, seed), chosen, runs, seconds, seed)
        about: dict[str, Any] = {"rate": rate, "errors": errors, "latency_ms": latency * 1e3}
        said = f"{rate:g} requests a second are made up, {errors:.2%} of them fail, their median latency is {latency * 1e3:g} ms"
    else:
        assert log is not None
        found, about, said = _replayed(spec, log, chosen, runs, seconds, seed)
    if as_json:
        click.echo(json.dumps({"release": spec.name, **about, "faults": [_as_dict(one) for one in found]}, indent=1, ensure_ascii=False))
    else:
        click.echo(plain(f"{spec.name}: {said}") + "\n\n" + _as_text(found), nl=False)
    missed = [one for one in found if _is_bad(one.fault) and any(run.outcome != ROLLED_BACK for run in one.runs)]
    context.exit(EXIT_ERRORS if missed else 0)


def _release(context: click.Context, file: str) -> ReleaseSpec:
    text = read(file)
    if text is None:
        context.exit(EXIT_USAGE)
    spec, problems = read_release(text, title(file))
    tell(problems, text, err=True)
    if spec is None:
        context.exit(EXIT_ERRORS)
    return spec


def _replayed(
    spec: ReleaseSpec, log: str, faults: Sequence[Fault], runs: int, seconds: int, seed: int
) -> tuple[list[Found], dict[str, Any], str]:
    reading, replay = Reading(), Replay(spec)
    with _lines(log) as lines:
        found = simulate(spec, replay.of(reading.requests(lines)), faults, runs, seconds, seed)
    for number, problem in reading.told:
        click.echo(plain(f"{title(log)}:{number}: {problem}"), err=True)
    if reading.unreadable > len(reading.told):
        click.echo(f"{plain(title(log))}: {reading.unreadable - len(reading.told)} more lines cannot be read", err=True)
    if not replay.requests:
        raise Failed(f"{plain(title(log))}: no request of the release's route in {reading.lines:,} lines", EXIT_ERRORS)
    rate = replay.requests / max(replay.seconds, 1.0)
    counts = {"lines": reading.lines, "unreadable": reading.unreadable, "elsewhere": replay.elsewhere, "left": replay.left}
    problems = [{"line": number, "problem": problem} for number, problem in reading.told]
    about = {"log": log, **counts, "requests": replay.requests, "failed": replay.failed, "rate": rate, "problems": problems}
    said = f"{replay.requests:,} requests of {log}, {rate:.3g} a second for {_clock(replay.seconds)}, {replay.failed:,} of them failed"
    left_out = [
        f"{count:,} {what}"
        for count, what in (
            (replay.elsewhere, "of other routes"),
            (replay.left, "whose client went away"),
            (reading.unreadable, "lines that cannot be read"),
        )
        if count
    ]
    return found, about, said + (f"; left out: {', '.join(left_out)}" if left_out else "")


@contextmanager
def _lines(log: str) -> Iterator[Iterable[str]]:
    """Open *log*. Raises `Failed`."""
    try:
        if log == "-":
            yield sys.stdin
        else:
            with open(log, encoding="utf-8", errors="replace") as file:
                yield file
    except OSError as error:
        raise Failed(f"{log}: cannot be read: {reason(error)}", EXIT_USAGE) from None


def _is_bad(fault: Fault) -> bool:
    return fault.failing > 0.0 or fault.slower > 1.0


def _as_dict(found: Found) -> dict[str, Any]:
    outcome, count = found.outcome()
    typical = asdict(found.typical())
    typical.pop("events")
    runs = [{**asdict(run), "events": [{"at": at, "event": event, "reason": said} for at, event, said in run.events]} for run in found.runs]
    return {"fault": found.fault.name, "outcome": outcome, "times": count, "of": len(runs), "typical": typical, "runs": runs}


def _as_text(found: Sequence[Found]) -> str:
    rows = []
    for one in found:
        outcome, count = one.outcome()
        typical = one.typical()
        # all of one run: what is in the middle of several need not go together, nor be in order
        cells: list[object] = [one.fault.name, outcome, f"{count} of {len(one.runs)}", _clock(typical.seconds), typical.step]
        cells += [f"{number:,}" for number in (typical.requests, typical.failed, typical.caused)]
        rows.append([*cells, _clock(typical.braked), _clock(typical.full)])
    reasons = "".join(f"\n{plain(one.fault.name)}: {plain(_why(one))}\n" for one in found)
    return table(_HEAD, rows, _RIGHT) + reasons


def _why(found: Found) -> str:
    typical = found.typical()
    return f"no more requests in step {typical.step}" if typical.outcome == OUT_OF_REQUESTS else typical.reason


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
