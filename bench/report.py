"""From samples to tables: medians, quotients to Envoy, text for the terminal, Markdown, JSON, a page with embedded tables."""

import argparse
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench.candidates import REFERENCE
from bench.measure import DISTURBED, Sample, Series
from bench.resting import Idle, Resting, Start
from bench.scenarios import Scenario

Row = list[str]
_NOTHING: Final = "–"
_LOAD_COLUMNS: Final = ("proxy", "CPU µs/req", "min–max", "user", "sys", "× Envoy", "req/s", "busy", "p50 ms", "p99 ms", "PSS MB", "errors")
_IDLE_COLUMNS: Final = (
    "proxy",
    "bytes/connection",
    "× Envoy",
    "PSS MB before",
    "PSS MB with all",
    "CPU µs to open and ask",
    "CPU at rest",
    "alive",
)
_START_COLUMNS: Final = ("proxy", "ms to first answer", "× Envoy", "CPU ms", "PSS MB")


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Median of the quotients of each round; None when no round has both, or theirs is nothing."""
    quotients = [our / their for our, their in zip(ours, theirs, strict=False) if their]
    return statistics.median(quotients) if quotients else None


def _costs(series: Series) -> list[float]:
    return [sample.cpu_per_request for sample in series.samples]


def _quotient(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.2f}"


def _load_row(series: Series, reference: Series | None, without_log: Series | None) -> Row:
    samples = series.samples

    def median(of: Callable[[Sample], float]) -> float:
        return statistics.median(of(sample) for sample in samples)

    costs = [cost * 1e6 for cost in _costs(series)]
    disturbed = any(sample.foreign > DISTURBED for sample in samples)
    accounted = [sample.user + sample.system for sample in samples]
    user = statistics.median(  # the ticks say how to divide, the nanoseconds say how much
        cost * sample.user / ticks if ticks else 0.0 for cost, sample, ticks in zip(costs, samples, accounted, strict=True)
    )
    middle = statistics.median(costs)
    row = [
        series.entry.label + (" *" if disturbed else ""),
        f"{middle:.1f}",
        f"{min(costs):.1f}–{max(costs):.1f}",
        f"{user:.1f}",
        f"{max(0.0, middle - user):.1f}",
        _quotient(ratio(_costs(series), _costs(reference)) if reference else None),
        f"{median(lambda sample: sample.requests / sample.seconds):.0f}",
        f"{median(lambda sample: sample.busy):.2f}",
        f"{median(lambda sample: sample.p50) * 1e3:.2f}",
        f"{median(lambda sample: sample.p99) * 1e3:.2f}",
        f"{median(lambda sample: sample.pss) / 2**20:.0f}",
        f"{sum(sample.errors for sample in samples)}",
    ]
    if without_log is not None:
        row.append(_quotient(ratio(_costs(series), _costs(without_log))))
    return row


def load_table(scenario: Scenario, rows: Sequence[Series]) -> tuple[Row, list[Row]]:
    """Columns and rows of a closed or open loop; entries with a log are divided by Envoy with one."""
    columns = [*_LOAD_COLUMNS, *(["× without log"] if scenario.log_compared else [])]
    by_key = {(series.entry.candidate.name, series.entry.log): series for series in rows if series.samples}
    table = []
    for series in rows:
        if series.samples:
            without = by_key.get((series.entry.candidate.name, False), series) if scenario.log_compared else None
            table.append(_load_row(series, by_key.get((REFERENCE, series.entry.log)), without))
    return columns, table


def _megabytes(size: float) -> str:
    return f"{size / 2**20:.1f}"


def resting_table(rows: Sequence[Resting]) -> tuple[Row, list[Row]]:
    """Columns and rows of ``idle`` and ``start``."""
    reference = next((row.found for row in rows if row.entry.candidate.name == REFERENCE), None)
    table: list[Row] = []
    columns: Row = []
    for row in rows:
        found, label = row.found, row.entry.label
        if isinstance(found, Idle):
            columns = list(_IDLE_COLUMNS)
            theirs = [reference.per_connection] if isinstance(reference, Idle) else []
            table.append(
                [
                    label,
                    f"{found.per_connection:.0f}",
                    _quotient(ratio([found.per_connection], theirs)),
                    _megabytes(found.before),
                    _megabytes(found.after),
                    f"{found.cpu_per_connection * 1e6:.0f}",
                    f"{found.resting:.1%}",
                    f"{found.alive} of {found.asked}",
                ]
            )
        elif isinstance(found, Start):
            columns = list(_START_COLUMNS)
            theirs = [reference.seconds] if isinstance(reference, Start) else []
            quotient = _quotient(ratio([found.seconds], theirs))
            table.append([label, f"{found.seconds * 1e3:.0f}", quotient, f"{found.cpu * 1e3:.0f}", _megabytes(found.pss)])
    return columns, table


def notes(rows: Sequence[Series | Resting]) -> list[str]:
    """What a reader must know: who was left out and why, who does less, what was disturbed."""
    said: list[str] = []
    for row in rows:
        if row.failure:
            said.append(f"{row.entry.label}: left out: {row.failure}")
        elif row.entry.candidate.note:
            said.append(f"{row.entry.candidate.name}: {row.entry.candidate.note}")
    said = list(dict.fromkeys(said))  # a candidate has two rows where logs are compared
    if any(isinstance(row, Series) and any(sample.foreign > DISTURBED for sample in row.samples) for row in rows):
        said.append(f"* others used more than {DISTURBED:.0%} of a CPU during a sample and its repetition")
    return said


def plain(columns: Row, table: Sequence[Row]) -> str:
    """An aligned table for a terminal."""
    widths = [max(len(row[at]) for row in (columns, *table)) for at in range(len(columns))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (columns, *table)
    )


def table_lines(columns: Row, table: Sequence[Row]) -> list[str]:
    """A table in Markdown, line by line."""
    return [f"| {' | '.join(row)} |" for row in (columns, [":--", *["--:"] * (len(columns) - 1)], *table)]


def markdown(scenario: Scenario, command: str, columns: Row, table: Sequence[Row], said: Sequence[str]) -> str:
    """A section body: what was asked, the command, the table, notes."""
    lines = [f"{scenario.meaning[0].upper()}{scenario.meaning[1:]}. Made by `{command}`.", ""]
    lines += table_lines(columns, table) if table else []
    lines += ["", *(f"- {note}" for note in said)] if said else []
    return "\n".join(lines) + "\n"


def embed(page: str, name: str, text: str) -> str:
    """Put *text* where the page has ``<!-- bench: NAME -->`` … ``<!-- end -->``; at the page's end, with a heading, when it has not."""
    opening, closing = f"<!-- bench: {name} -->\n", "<!-- end -->"
    block = f"{opening}{text}{closing}"
    found, count = re.subn(f"{re.escape(opening)}.*?{re.escape(closing)}", lambda _: block, page, flags=re.DOTALL)
    if count:
        return found
    return f"{page.rstrip()}\n\n## {name}\n\n{block}\n".lstrip()


def parser(program: str, said: str | None, *names: str) -> argparse.ArgumentParser:
    """A parser for ``python -m`` *program*, which tells what *said* says and puts its tables called *names* into a page."""
    places = ", ".join(f"<!-- bench: {name} -->" for name in names)
    made = argparse.ArgumentParser(f"python -m {program}", description=said, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--markdown", type=Path, metavar="FILE", help=f"replace what FILE has between {places} and <!-- end -->")
    return made


def publish(name: str, columns: Row, table: Sequence[Row], page: Path | None) -> None:
    """Print the table called *name*, and embed it in *page*, if there is one."""
    print(plain(columns, table))
    if page is not None:
        text = embed(page.read_text(encoding="utf-8"), name, "\n".join([*table_lines(columns, table), ""]))
        page.write_text(text, encoding="utf-8")


def as_data(scenario: Scenario, rows: Sequence[Series | Resting]) -> dict[str, object]:
    """Everything that was measured, for ``--json``: seconds and bytes, unrounded."""
    entries: list[dict[str, object]] = []
    for row in rows:
        one: dict[str, object] = {"proxy": row.entry.candidate.name, "access_log": row.entry.log}
        if row.failure:
            one["left_out"] = row.failure
        if isinstance(row, Series):
            one["samples"] = [asdict(sample) for sample in row.samples]
            reference = next(
                (s for s in rows if isinstance(s, Series) and (s.entry.candidate.name, s.entry.log) == (REFERENCE, row.entry.log)), None
            )
            one["cpu_times_envoy"] = ratio(_costs(row), _costs(reference)) if reference else None
        elif row.found is not None:
            one.update(asdict(row.found))
        entries.append(one)
    return {"scenario": scenario.name, "meaning": scenario.meaning, "entries": entries}
