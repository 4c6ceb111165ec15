"""The command ``python -m bench.verdict``; see the package."""

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Final

import bench.verdict
from bench import report
from bench.verdict import cost, goals, tables
from bench.verdict.cells import WHOLE, Cell, all_of
from bench.verdict.kept import Kept
from bench.verdict.scenarios import RATES, SCENARIOS, WEIGHTS, Truth

_AT_ONCE: Final = 10
"""So many runs are one piece of work for a process."""
_SAVE_EVERY: Final = 20.0
_MANY: Final = 5
"""Each of the cells that a goal is about together has this part of the runs."""
_RARE: Final = 10
"""Cells that no goal is about have this part of them."""


def wanted(runs: int) -> Iterator[tuple[Cell, int]]:
    """Iterate over all cells, and how many runs each has: all of them where a goal is one number, a fifth where it is about many cells,
    a tenth elsewhere."""
    rate, weight = goals.DETECTED_AT
    of_a_goal = {*goals.EXTRA_FAILED, *goals.RELEASE_FALSE, goals.TO_THE_END[0]}
    few, some = max(1, runs // _RARE), max(1, runs // _MANY)
    for scenario in SCENARIOS:
        for at in RATES:
            yield Cell(scenario.name, at, WHOLE), runs if at == rate and scenario.name in of_a_goal else few
            for share in WEIGHTS:
                cell = Cell(scenario.name, at, share)
                if (at, share) == (rate, weight) and scenario.name in goals.DETECTION:
                    yield cell, runs
                else:
                    yield cell, some if scenario.name in goals.FALSE or (scenario.truth is Truth.BAD and at == rate) else few


def looked_at_again(kept: Kept, runs: int) -> Iterator[tuple[Cell, int]]:
    """Iterate over cells of a goal about false roll-backs in which there was one: few runs say too little about those. Where
    there were so many that the goal may be missed, three times the runs are wanted to be sure of it."""
    for name in goals.FALSE:
        for rate in RATES:
            for weight in WEIGHTS:
                found = kept.detected(Cell(name, rate, weight))
                if found.hits:
                    doubtful = found.runs >= runs and found.rate > goals.AT_MOST / 2
                    yield Cell(name, rate, weight), 3 * runs if doubtful else runs


def simulate(kept: Kept, plan: Sequence[tuple[Cell, int]], seed: int, jobs: int, keep: Path | None) -> None:
    """Have what *plan* asks for, and is not in *kept* already, found out by so many processes."""
    pieces = []
    for cell, runs in plan:
        missing = kept.missing(cell, range(seed, seed + runs))
        pieces += [(cell, missing[at : at + _AT_ONCE]) for at in range(0, len(missing), _AT_ONCE)]
    pieces.sort(key=lambda piece: (piece[1][0], -piece[0].rate))  # something of everything first, in case that somebody ends it
    saved = began = time.monotonic()
    with ProcessPoolExecutor(jobs) as processes:
        waiting = {processes.submit(all_of, cell, seeds): (cell, seeds) for cell, seeds in pieces}
        for number, done in enumerate(as_completed(waiting), 1):
            cell, seeds = waiting[done]
            kept.add(cell, seeds, done.result())
            now = time.monotonic()
            if now - saved > _SAVE_EVERY or number == len(pieces):
                saved = now
                print(f"{now - began:6.0f} s  {number} of {len(pieces)} pieces, last: {cell.key}", file=sys.stderr, flush=True)
                if keep is not None:
                    kept.save(keep)


def main(argv: Sequence[str] | None = None) -> int:
    parser = report.parser("bench.verdict", bench.verdict.__doc__, *tables.NAMES, cost.NAME)
    parser.add_argument("--runs", type=int, default=300, help="of a cell that a goal is about (300); others have fewer")
    parser.add_argument("--quick", action="store_true", help="a tenth of them, to see that all is well")
    parser.add_argument("--seed", type=int, default=1_000_000, help="of the first run; the next one has the next (1000000)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--only", metavar="TEXT", help="scenarios with TEXT in their name")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="remember what was found, and go on from what is remembered")
    parser.add_argument("--cost", action="store_true", help="measure what the verdict costs a request, and a second, instead")
    chosen = parser.parse_args(argv)
    if chosen.cost:
        report.publish(cost.NAME, cost.COLUMNS, cost.rows(), chosen.markdown)
        return 0
    runs = max(1, chosen.runs // 10) if chosen.quick else chosen.runs
    kept = Kept.load(chosen.keep) if chosen.keep else Kept()
    plan = [(cell, count) for cell, count in wanted(runs) if chosen.only is None or chosen.only in cell.scenario]
    simulate(kept, plan, chosen.seed, chosen.jobs, chosen.keep)
    for _ in range(2):
        simulate(kept, list(looked_at_again(kept, runs)), chosen.seed, chosen.jobs, chosen.keep)
    for name, (columns, rows) in tables.all_tables(kept):
        print(f"\n{name}")
        report.publish(name, columns, rows, chosen.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
