"""What became of route tests, for people and for programs.

Rule 1. A failure says which field, what was expected and what came; and where the test stands.
Rule 2. In JSON everything is there, whatever a reader of the text asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shifter.routing.explain_text import title
from shifter.routing.match_text import described, shown
from shifter.routing.routetest import Check, Covered, Result, Summary


@dataclass(frozen=True, slots=True)
class Detail:
    """How much to tell: every field of every test (``fields``), nothing of tests that passed (``only_failures``), the routes that
    were not tested (``untested``), and of each route what was not (``comprehensive``)."""

    fields: bool = False
    only_failures: bool = False
    untested: bool = False
    comprehensive: bool = False


def text(summary: Summary, detail: Detail) -> str:
    """Return *summary* for a terminal."""
    lines = [line for result in summary.results for line in _result(result, detail)]
    count = len(summary.results)
    lines.append(f"{count} test{'s' if count != 1 else ''}, {summary.failures or 'none'} failed")
    lines.append(coverage_line(summary, detail.comprehensive))
    if detail.untested or detail.comprehensive:
        lines += _untested(summary, detail.comprehensive)
    return "\n".join(lines) + "\n"


def coverage_line(summary: Summary, comprehensive: bool) -> str:
    """Return how much of the route table was tested."""
    percentage = f"{summary.coverage(comprehensive):.2f}".rstrip("0").rstrip(".")
    if comprehensive:
        return f"coverage {percentage} % of what can be tested of {len(summary.routes)} routes"
    return f"coverage {percentage} %: {sum(bool(route.tested) for route in summary.routes)} of {len(summary.routes)} routes"


def _result(result: Result, detail: Detail) -> Iterator[str]:
    if result.ok and (detail.only_failures or not detail.fields):
        return
    yield f"{'ok    ' if result.ok else 'FAILED'}  {shown(result.test.name)}  ({result.test.place})"
    for check in result.checks:
        if not check.ok or (detail.fields and not detail.only_failures):
            yield f"        {shown(check.field)}: {_check(check)}"


def _check(check: Check) -> str:
    expected = _value(check.expected)
    return expected if check.ok else f"expected {expected}, got {_value(check.got)}"


def _value(value: str) -> str:
    return shown(value) if value else "nothing"


def _untested(summary: Summary, comprehensive: bool) -> Iterator[str]:
    for route in summary.routes:
        if route.missing if comprehensive else not route.tested:
            missing = f"  without {', '.join(route.missing)}" if comprehensive and route.tested else ""
            yield f"not tested  {_name(route)}{missing}  ({route.route.place})"


def _name(route: Covered) -> str:
    cluster = f" to {shown(route.cluster)}" if route.cluster else ""
    return f"{shown(route.host.name)} {title(route.number, route.route)}: {described(route.route.match)}{cluster}"


def as_dict(summary: Summary) -> dict[str, object]:
    """Return *summary* as plain JSON-able values."""
    return {
        "failures": summary.failures,
        "coverage": summary.coverage(),
        "comprehensive_coverage": summary.coverage(comprehensive=True),
        "tests": [
            {
                "name": result.test.name,
                "place": result.test.place,
                "ok": result.ok,
                "checks": [{"field": check.field, "expected": check.expected, "got": check.got, "ok": check.ok} for check in result.checks],
            }
            for result in summary.results
        ],
        "routes": [
            {
                "virtual_host": route.host.name,
                "number": route.number,
                "name": route.route.name,
                "match": described(route.route.match),
                "cluster": route.cluster,
                "place": route.route.place,
                "tested": sorted(route.tested),
                "missing": list(route.missing),
            }
            for route in summary.routes
        ],
    }
