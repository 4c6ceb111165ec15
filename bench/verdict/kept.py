"""What was found: runs by cell and seed, in memory, and in a file that another time goes on from."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.verdict.cells import SHIFTER, WHOLE, Cell, Run
from bench.verdict.whole import DONE, ROLLED_BACK, Ended


@dataclass(frozen=True, slots=True)
class Detected:
    """What one rule did in one cell: how often it rolled back; if it did, the medians of the seconds and of the canary's requests."""

    runs: int
    hits: int
    seconds: float | None
    requests: float | None

    @property
    def rate(self) -> float:
        """How often, from 0 to 1."""
        return self.hits / self.runs if self.runs else 0.0


@dataclass(frozen=True, slots=True)
class Released:
    """What became of whole releases that one rule led: parts of 1, and medians (``worst`` is what 9 of 10 stay below)."""

    runs: int
    rolled_back: float
    done: float
    seconds: float | None
    """Until the roll-back."""
    extra: float | None
    worst: float | None
    to_the_end: float | None
    """Seconds until 100 per cent."""
    braked: float
    """How often, on average."""


@dataclass(slots=True)
class Kept:
    """All runs, by cell and seed."""

    cells: dict[str, dict[str, Run]] = field(default_factory=dict)

    def missing(self, cell: Cell, seeds: Iterable[int]) -> list[int]:
        """Return those of *seeds* that nothing is known of."""
        known = self.cells.get(cell.key, {})
        return [seed for seed in seeds if str(seed) not in known]

    def add(self, cell: Cell, seeds: Iterable[int], found: Iterable[Run]) -> None:
        """Remember what came of *seeds*."""
        self.cells.setdefault(cell.key, {}).update((str(seed), run) for seed, run in zip(seeds, found, strict=True))

    def runs(self, cell: Cell, rule: str) -> list[list[float] | None]:
        """Return what *rule* made of each stream of *cell* that it saw."""
        return [run[rule] for run in self.cells.get(cell.key, {}).values() if rule in run]

    def detected(self, cell: Cell, rule: str = SHIFTER) -> Detected:
        """Return what *rule* did at the weight of *cell*."""
        assert cell.weight != WHOLE
        runs = self.runs(cell, rule)
        hits = [run for run in runs if run is not None]
        if not hits:
            return Detected(len(runs), 0, None, None)
        return Detected(len(runs), len(hits), median(hit[0] for hit in hits), median(hit[1] for hit in hits))

    def released(self, scenario: str, rate: int, rule: str = SHIFTER) -> Released | None:
        """Return what became of whole releases; ``None`` if there were none."""
        runs = [Ended.from_list(run) for run in self.runs(Cell(scenario, rate, WHOLE), rule) if run is not None]
        if not runs:
            return None
        back, done = ([run for run in runs if run.outcome == outcome] for outcome in (ROLLED_BACK, DONE))
        extra = sorted(run.extra for run in back)
        return Released(
            len(runs),
            len(back) / len(runs),
            len(done) / len(runs),
            median(run.seconds for run in back) if back else None,
            median(extra) if extra else None,
            extra[len(extra) * 9 // 10] if extra else None,
            median(run.seconds for run in done) if done else None,
            sum(run.brakes for run in runs) / len(runs),
        )

    def worst_seeds(self, cell: Cell) -> Iterator[int]:
        """Iterate over the seeds with which shifter rolled back."""
        for seed, run in self.cells.get(cell.key, {}).items():
            result = run[SHIFTER]
            if result is not None and (cell.weight != WHOLE or result[0] == ROLLED_BACK):
                yield int(seed)

    def save(self, path: Path) -> None:
        """Write everything to *path*."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(self.cells, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Kept":
        """Return what `save` wrote; nothing if there is no such file."""
        return cls(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else cls()
