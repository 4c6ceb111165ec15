"""What people may see of a release: the JSON that the page, `shifter release` and webhooks' receivers draw everything from.

Rule 1. It only looks. What is remembered for it (`Kept`, `Noticed`) decides nothing.
Rule 2. Weights are per cent, times are seconds, ``at``, ``started`` and ``asked`` are of the wall clock; what is not known is ``null``.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from math import exp
from typing import Any

from shifter.model.release import FINEST, ReleaseSpec, RouteReference, State, Step, header_text
from shifter.observe.comparison import BIN_WIDTH, FINEST_MS, Second
from shifter.release.evidence import Evidence
from shifter.release.machine import ReleaseMachine
from shifter.release.observed import KEPT, together
from shifter.release.rules import Facts

POINTS = 600
"""Seconds that the series reach back at most."""
_QUANTILES = (0.5, 0.9, 0.99)
_PER_CENT = 100 * FINEST

Needs = Callable[[ReleaseSpec, float], Sequence[Mapping[str, object] | None]]
"""Says of each step how long it needs, at so many requests of the route a second (`plan`)."""
_UNSEEN: Sequence[float | None] = (None,) * 8


class Kept:
    """What is written down for people beside the evidence, and found again: seconds spent in each step, what gates were asked and answered,
    and what the processes before this one have seen of the requests. ``ended`` is when the release was over, by the wall clock."""

    def __init__(self, counts: Mapping[str, Any]) -> None:
        self._before: Mapping[str, Any] = counts.get("observed", {})
        self._spent: dict[int, float] = {int(number): float(spent) for number, spent in counts.get("spent", {}).items()}
        self._gates: dict[str, dict[str, Any]] = {name: dict(said) for name, said in counts.get("gates", {}).items()}
        self.ended: float | None = counts.get("ended")

    def spend(self, step: int, seconds: float) -> None:
        """So many *seconds* of *step* have gone by."""
        self._spent[step] = self._spent.get(step, 0.0) + seconds

    def spent(self, step: int) -> float:
        """Return the seconds spent in *step*, pauses and gates included."""
        return self._spent.get(step, 0.0)

    def asked(self, gate: str, at: float) -> None:
        """The webhook of *gate* is asked."""
        self._gates.setdefault(gate, {"answer": ""})["asked"] = at

    def answered(self, gate: str, answer: str) -> None:
        """The webhook of *gate* has answered, in these words."""
        self._gates.setdefault(gate, {"asked": None})["answer"] = answer

    def opened(self, gate: str) -> None:
        """*gate* was approved, by whoever that was."""
        self._gates.setdefault(gate, {"asked": None, "answer": ""})["opened"] = True

    def is_open(self, gate: str) -> bool:
        """Say whether *gate* was approved. Steps can also be passed over, with their gates."""
        return bool(self._gates.get(gate, {}).get("opened"))

    def gate(self, gate: str) -> tuple[float | None, str]:
        """Return when *gate* was asked last, and what it answered."""
        said = self._gates.get(gate, {})
        return said.get("asked"), said.get("answer", "")

    def observed(self, now: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what this process has seen by *now* (`DataPath.observed`) with what those before it had."""
        return together(self._before, now)

    def to_dict(self, now: Mapping[str, Any]) -> Mapping[str, object]:
        """Return it as JSON has it, with what this process has seen by *now*."""
        seen = self.observed(now)
        observed = {name: seen[name] for name in KEPT if name in seen}
        spent = {str(step): spent for step, spent in self._spent.items()}
        return {"spent": spent, "gates": self._gates, "observed": observed, "ended": self.ended}


class Noticed:
    """The last seconds, for the page's lines: none of it outlives the process."""

    __slots__ = ("_points",)

    def __init__(self) -> None:
        self._points: deque[Sequence[float | None]] = deque(maxlen=POINTS)

    def note(self, at: float, share: int, second: Second | None, evidence: float) -> None:
        """A second has gone by."""
        seen = _UNSEEN
        if second is not None:
            errors = [_rounded(100.0 * lost / every) if every else None for lost, every in zip(second.failed, second.answered, strict=True)]
            baseline, canary = second.histograms
            seen = [*errors, *chain(*zip(_quantiles(baseline), _quantiles(canary), strict=True))]
        self._points.append((round(at, 3), share / _PER_CENT, _rounded(evidence), *seen))

    def to_dict(self, points: int | None = None) -> Mapping[str, object]:
        """Return the lines, as JSON has them; of each only the last *points*."""
        shown = self._points
        if points is not None and points < len(shown):
            shown = deque(islice(shown, len(shown) - points, None))
        lines = [list(line) for line in zip(*shown, strict=True)] or [[] for _ in range(3 + len(_UNSEEN))]
        at, weight, evidence, *pairs = lines
        named = {name: [pairs[2 * place], pairs[2 * place + 1]] for place, name in enumerate(("errors", "p50", "p90", "p99"))}
        return {"at": at, "weight": weight, **named, "evidence": evidence}


def _quantiles(bins: Sequence[int]) -> Sequence[float | None]:
    """Return the quantiles of a histogram (`comparison.bin_of`) in milliseconds."""
    passed = list(accumulate(bins))
    every = passed[-1]
    if not every:
        return _UNSEEN[:3]
    return [_rounded(FINEST_MS * exp((bisect_left(passed, quantile * every) + 0.5) * BIN_WIDTH)) for quantile in _QUANTILES]


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that a status is made of."""

    machine: ReleaseMachine
    evidence: Evidence
    facts: Facts
    kept: Kept
    noticed: Noticed
    started: float
    now: float
    observed: Mapping[str, Any]
    notifications: Sequence[Mapping[str, object]]
    checks: Sequence[Mapping[str, object]]
    needs: Sequence[Mapping[str, object] | None]
    problem: str

    def to_dict(self, points: int | None = None) -> Mapping[str, object]:
        """Return the JSON; of its series only the last *points*."""
        machine, evidence, observed, facts = self.machine, self.evidence, self.observed, self.facts
        spec, progress = machine.spec, machine.progress
        named = {"name": spec.name, "source": spec.source, "spec": spec.text, "route": route_text(spec.route)}
        versions = {"baseline": spec.baseline, "canary": spec.canary, "unit": evidence.unit}
        times = {"started": self.started, "now": self.now}
        state = {"state": progress.state.value, "over": progress.state.over, "held": progress.held, "version": progress.version}
        said = {"reason": progress.reason, "verdict": evidence.sentence, "problem": self.problem}
        steps = {"step": progress.step, "steps": [self._step(step) for step in spec.steps]}
        header = spec.header
        shares: dict[str, object] = {"weight": progress.share / _PER_CENT, "forced": progress.forced, "mirror": progress.mirror / _PER_CENT}
        shares["header"] = header_text(header) if header is not None else None
        ended = self.kept.ended if progress.state.over else None
        in_state = progress.in_state if ended is None else max(0.0, self.now - ended)
        counts = {"in_step": progress.in_step, "in_state": in_state, "attempt": progress.attempt}
        seen = {"evidence": dict(evidence.to_dict()), "budget": spec.verdict.exposure_budget, "exposure": self._exposure()}
        found = {name: observed.get(name, []) for name in ("statuses", "paths", "failing")}
        found["differences"] = observed.get("differences")
        around = {"endpoints": {"baseline": list(facts.baseline), "canary": list(facts.canary)}, "rate": facts.rate}
        last = {"series": self.noticed.to_dict(points), "verbs": [verb.value for verb in machine.fitting()]}
        others = {"checks": list(self.checks), "notifications": list(self.notifications)}
        return {**named, **versions, **times, **state, **said, **steps, **shares, **counts, **seen, **found, **around, **last, **others}

    def _exposure(self) -> dict[str, object]:
        evidence, observed = self.evidence, self.observed
        canary = {"canary_requests": evidence.requests[1], "canary_failed": evidence.failed[1]}
        baseline = {"baseline_requests": evidence.requests[0], "baseline_failed": evidence.failed[0]}
        beside = {"forced_requests": observed.get("forced_requests", 0), "mirrored": observed.get("mirrored", 0)}
        return {**canary, **baseline, "excess_failed": evidence.excess_failed, **beside}

    def _step(self, step: Step) -> dict[str, object]:
        progress = self.machine.progress
        over = step.number < progress.step or progress.state is State.SUCCEEDED
        kind = "header" if step.header is not None else "mirror" if step.mirror is not None else "weight"
        return {
            "number": step.number,
            "title": step.title,
            "kind": kind,
            "weight": step.share / _PER_CENT,
            "state": "done" if over else "current" if step.number == progress.step else "next",
            "min": step.min,
            "max": step.max,
            "length": step.length,
            "warm_up": step.warm_up,
            "hold_back": step.hold_back / _PER_CENT,
            "undecided": step.undecided.value,
            "gate": self._gate(step, over),
            "seconds": self.kept.spent(step.number),
            "needs": self.needs[step.number - 1] if step.number <= len(self.needs) else None,
        }

    def _gate(self, step: Step, over: bool) -> dict[str, object] | None:
        gate, progress = step.gate, self.machine.progress
        if gate is None:
            return None
        here = step.number == progress.step
        approved = self.kept.is_open(gate.name) if over else here and progress.gate == "approved"
        rejected = here and progress.gate == "rejected"
        waiting = here and not approved and not rejected and State.GATED in (progress.state, progress.before_pause)
        state = "approved" if approved else "rejected" if rejected else "waiting" if waiting else ""
        asked, answer = self.kept.gate(gate.name)
        named = {"name": gate.name, "kind": gate.kind.value, "state": state}
        return {**named, "waiting": waiting, "approved": approved, "rejected": rejected, "asked": asked, "answer": answer}


def route_text(route: RouteReference) -> str:
    """Return what a reference says, in one line: ``backend/prefix /service/1``."""
    what = route.name or (f"{route.kind} {route.text}" if route.kind is not None else route.text)
    return f"{route.virtual_host}/{what}" if route.virtual_host else what
