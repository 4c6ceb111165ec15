"""The tables of docs/verdict.md."""

from collections.abc import Iterator
from typing import Final

from bench.report import Row
from bench.verdict.cells import SHIFTER, Cell
from bench.verdict.goals import honest, outcomes
from bench.verdict.kept import Detected, Kept, Released
from bench.verdict.rules import RULES, SCHEDULED
from bench.verdict.scenarios import RATES, SCENARIOS, WEIGHTS, Truth

Table = tuple[Row, list[Row]]
_NOTHING: Final = "–"
_EVERYBODY: Final = (SHIFTER, *RULES)
_AT: Final = 0.1


def _percent(share: float) -> str:
    return f"{share * 100:.2g}" if share < 0.1 else f"{share * 100:.0f}"


def _about(number: float | None) -> str:
    return _NOTHING if number is None else f"{number:,.0f}"


def _found(found: Detected) -> str:
    if not found.runs:
        return _NOTHING
    return f"{_percent(found.rate)} / {_about(found.seconds)} / {_about(found.requests)}" if found.hits else "0"


def false_roll_backs(kept: Kept) -> Table:
    """How often what is no worse was rolled back, on average over the weights."""
    columns = ["scenario", "req/s", "runs", "worst cell", *_EVERYBODY]
    rows = []
    for scenario in SCENARIOS:
        for rate in RATES if scenario.truth is not Truth.BAD else ():
            cells = [Cell(scenario.name, rate, weight) for weight in WEIGHTS]
            ours = [found for found in map(kept.detected, cells) if found.runs]
            if ours:
                shares = [_mean([kept.detected(cell, rule) for cell in cells]) for rule in _EVERYBODY]
                worst = max(found.rate for found in ours)
                rows.append([scenario.name, str(rate), f"{sum(found.runs for found in ours):,}", _percent(worst), *shares])
    return columns, rows


def _mean(found: list[Detected]) -> str:
    rates = [one.rate for one in found if one.runs]
    return _percent(sum(rates) / len(rates)) if rates else _NOTHING


def detection(kept: Kept) -> Table:
    """Per cent rolled back / median seconds / median canary requests, at 10 per cent."""
    return ["scenario", "req/s", *_EVERYBODY], [
        [scenario.name, str(rate), *(_found(kept.detected(Cell(scenario.name, rate, _AT), rule)) for rule in _EVERYBODY)]
        for scenario in SCENARIOS
        for rate in (RATES if scenario.truth is Truth.BAD else ())
        if kept.detected(Cell(scenario.name, rate, _AT)).runs
    ]


def weights(kept: Kept) -> Table:
    """The same for shifter at every weight and 100 requests a second, and the fewest requests that an honest rule needs which finds as
    many."""
    rate = RATES[-1]
    rows = []
    for scenario in SCENARIOS:
        if scenario.truth is Truth.BAD:
            others = honest(kept, rate, scenario.name)
            cells = [Cell(scenario.name, rate, weight) for weight in WEIGHTS]
            if any(kept.detected(cell).runs for cell in cells):
                rows.append([scenario.name, *(f"{_found(kept.detected(cell))} ({_best(kept, cell, others)})" for cell in cells)])
    return ["scenario", *(f"{weight:.0%}" for weight in WEIGHTS)], rows


def _best(kept: Kept, cell: Cell, others: list[str]) -> str:
    found = [kept.detected(cell, rule) for rule in others]
    surest = max((one.rate for one in found), default=0.0)
    return _about(min((one.requests for one in found if one.requests is not None and one.rate == surest), default=None))


def releases(kept: Kept) -> Table:
    """Whole releases: rolled back % / median of the extra failed requests (9 of 10 below) / median seconds to 100 %."""
    rules = (SHIFTER, *SCHEDULED)
    rows = []
    for scenario in SCENARIOS:
        for rate in RATES:
            found = [kept.released(scenario.name, rate, rule) for rule in rules]
            if found[0] is not None:
                braked = f"{found[0].braked:.2g}"
                rows.append([scenario.name, str(rate), str(found[0].runs), braked, *(_released(one) for one in found)])
    return ["scenario", "req/s", "runs", "brakes", *rules], rows


def _released(found: Released | None) -> str:
    if found is None:
        return _NOTHING
    extra = f"{_about(found.extra)} ({_about(found.worst)})" if found.extra is not None else _NOTHING
    return f"{_percent(found.rolled_back)} / {extra} / {_about(found.to_the_end)}"


def goals(kept: Kept) -> Table:
    """Every goal, and whether it is met."""
    said = {True: "yes", False: "**no**", None: "not measured"}
    return ["goal", "wanted", "measured", "runs", "met"], [
        [one.what, one.wanted, one.measured, f"{one.runs:,}", said[one.met]] for one in outcomes(kept)
    ]


def all_tables(kept: Kept) -> Iterator[tuple[str, Table]]:
    """Iterate over the tables, with the names that the page knows them by."""
    yield "verdict-goals", goals(kept)
    yield "verdict-false", false_roll_backs(kept)
    yield "verdict-detection", detection(kept)
    yield "verdict-weights", weights(kept)
    yield "verdict-releases", releases(kept)


NAMES: Final = ("verdict-goals", "verdict-false", "verdict-detection", "verdict-weights", "verdict-releases")
