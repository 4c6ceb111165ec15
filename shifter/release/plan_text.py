"""A plan, and the figures in it, as people read them.                                                                   (pure)

Rule 1. A plan is drawn from what there is of it as JSON: who drew it up may be another process.
"""

from collections.abc import Mapping, Sequence
from math import ceil, inf

from shifter.model.release import MILLION, percent


def plan_text(plan: Mapping[str, object]) -> str:
    """Return a plan (`Plan.to_dict`, or what came of it over JSON) as people read it."""
    steps = [step for step in _list(plan.get("steps")) if isinstance(step, Mapping)]
    names = list(dict.fromkeys(str(one.get("name")) for step in steps for one in _maps(step.get("differences"))))
    head = ["step", "canary/s", "takes", "no fault", "proof", *names]
    rows = [_row(step, names) for step in steps]
    rate, unit = plan.get("rate"), plan.get("unit", "request")
    said = f"{number(_float(rate))} {unit}s a second" if isinstance(rate, int | float) else "a rate that is not known"
    said += f" to {plan.get('baseline')} and {plan.get('canary')}, from all routes" if plan.get("whole") else ""
    assumed = " (nobody knows; this is usual)" if plan.get("assumed") else ""
    failing = f"of which {rate_of(_float(plan.get('error_rate')))} fail{assumed}"
    lines = [f"{plan.get('name')}: {plan.get('baseline')} -> {plan.get('canary')} at {said}, {failing}"]
    lines += ["", *_columns([head, *rows]), ""]
    lines.append("Figures are canary requests, with the time that they take in the step; * is more than the step has, - is never seen.")
    lines.append(f"Over after {_span(plan)}, gates left out.")
    lines += [f"! {one}" for one in _list(plan.get("advice"))]
    return "\n".join(lines) + "\n"


def _row(step: Mapping[str, object], names: Sequence[str]) -> list[str]:
    rate, least, most, gate = step.get("rate"), step.get("least"), step.get("most"), step.get("gate")
    share = _float(step.get("share"))
    takes = time(_float(least)) if most == least else f"{time(_float(least))} - {time(_float(most)) if most is not None else '...'}"
    if gate:
        takes = f"gate {gate}" if not least and most == least else f"{takes}, gate {gate}"
    healthy = step.get("healthy")
    known = {str(one.get("name")): one for one in _maps(step.get("differences"))}
    proof = f"{number(_float(step.get('proof')))}{'*' if step.get('suffices') is False else ''}" if step.get("proof") is not None else ""
    return [
        f"{step.get('number')}  {step.get('title')}",
        number(_float(rate)) if share and rate is not None else "",
        takes,
        time(_float(healthy)) if healthy else "",
        proof,
        *(_cell(known[name]) if name in known else "" for name in names),
    ]


def _cell(one: Mapping[str, object]) -> str:
    requests, seconds = one.get("requests"), one.get("seconds")
    if requests is None:
        return "-"
    takes = f" {time(_float(seconds))}" if seconds is not None else ""
    return f"{number(_float(requests))}{takes}{'*' if one.get('seen') is False else ''}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _span(plan: Mapping[str, object]) -> str:
    least, healthy, most = (plan.get(name) for name in ("earliest", "healthy", "latest"))
    usual = f"; a good canary takes about {time(_float(healthy))}" if healthy is not None else ""
    until = f"{time(_float(most))} at most" if most is not None else "nobody knows when: it may wait for somebody"
    return f"{time(_float(least))} at least, {until}{usual}"


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _maps(value: object) -> list[Mapping[str, object]]:
    return [one for one in _list(value) if isinstance(one, Mapping)]


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def number(value: float) -> str:
    """Return *value* with three digits that count."""
    if value >= 1000:
        digits = 10 ** (len(str(int(value))) - 3)
        return f"{round(value / digits) * digits:,}"
    return f"{value:.3g}"


def time(seconds: float) -> str:
    """Return a length of time, rounded up."""
    if seconds == inf:
        return "for ever"
    if seconds < 120:
        return f"{ceil(seconds - 1e-9)} s"
    if seconds < 7200:
        return f"{ceil(seconds / 60 - 1e-9)} min"
    return f"{seconds / 3600:.3g} h" if seconds < 48 * 3600 else f"{seconds / 86400:.3g} d"


def rate_of(share: float) -> str:
    """Return *share* (0 to 1) in per cent."""
    return percent(round(share * MILLION))


def listed(names: Sequence[str]) -> str:
    """Return *names* in a row."""
    return ", ".join(f"`{name}`" for name in names)
