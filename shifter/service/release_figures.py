"""What statistics say of a release: made of what people are shown of it (`Running.status`).                            (pure)

Rule 1. Counters are those of the whole release, over all processes that carried it on. One that is estimated, and may be found to have been
        less (``excess_failed``), is told as the most that it was.
"""

from collections.abc import Mapping
from typing import Any

from shifter.model.release import State
from shifter.model.report import Figures, ReleaseReport

_COUNTED = ("canary_requests", "canary_failed", "baseline_requests", "baseline_failed", "forced_requests", "mirrored")
_STATES = {state.value: state.value.replace(" ", "_") for state in State}
_EVIDENCE = {"value": "all", "errors": "errors", "latency": "latency"}


def report_of(status: Mapping[str, Any], excess: int) -> ReleaseReport:
    """Return the figures of the release that *status* is about. *excess* is the most that its excess failures were before."""
    evidence, exposure = status["evidence"], status["exposure"]
    counters = {f"{name}_total": int(exposure[name]) for name in _COUNTED}
    counters["excess_failed_total"] = max(excess, excess_of(status))
    gauges: dict[str, float] = {
        **{f"evidence.{name}": evidence[key] for key, name in _EVIDENCE.items()},
        "step": status["step"],
        **{f"state.{name}": int(status["state"] == state) for state, name in _STATES.items()},
        "threshold": evidence["threshold"],
        "weight": status["weight"],
    }
    if status["budget"] is not None:
        gauges["budget"] = status["budget"]
    return ReleaseReport(status["name"], Figures(counters, gauges))


def excess_of(status: Mapping[str, Any]) -> int:
    """Return how many more of the canary's requests failed than the baseline would have failed, as far as that is known now."""
    return max(0, round(float(status["exposure"]["excess_failed"])))
