"""``shifter release explain``: the numbers behind a verdict."""

from collections.abc import Iterator
from typing import Any

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.release_asking import Json, meant, path, told
from shifter.cli.table import plain, table
from shifter.model.release import State


@click.command("explain")
@click.argument("release", metavar="[NAME]", required=False)
@admin_options
@click.pass_context
def command(context: click.Context, client: Client, as_json: bool, release: str | None) -> None:
    """Say what the verdict on a canary is, and show every number that it is based on. docs/verdict.md says what they mean."""
    answer = client.get(path(meant(client, release), "verdict"))
    found = told(answer)
    click.echo(answer.text if as_json else "\n".join(_lines(found)) + "\n", nl=False)
    context.exit(0)


def _lines(found: Json) -> Iterator[str]:
    evidence: Json = found.get("evidence") or {}
    yield plain(f"{found.get('name')} is {found.get('state')}: {found.get('verdict') or found.get('reason')}")
    unit = plain(evidence.get("unit", "request"))
    metrics = list(evidence.get("metrics") or ())
    if metrics:
        yield ""
        head = ["METRIC", "BASELINE", "CANARY", "DIFFERENCE", "AT LEAST", "AT MOST", "MAY BE"]
        rows = [
            [_metric(one), *(_figure(one.get(key)) for key in ("baseline", "canary")), *(_differs(one, key) for key in _DIFFERENCES)]
            for one in metrics
        ]
        yield table(head, rows, range(1, len(head))).rstrip("\n")
    if not evidence:
        return
    yield ""
    yield f"evidence      {_figure(evidence.get('value'))} of {_figure(evidence.get('threshold'))}, where it is rolled back"
    yield f"  of errors   {_figure(evidence.get('errors'))}"
    yield f"  of latency  {_figure(evidence.get('latency'))}"
    yield f"  at once     {_figure(evidence.get('fast'))} of {_figure(evidence.get('threshold'))}, where it is braked"
    proven = "yes" if evidence.get("proven") else "no" + (_needed(evidence, unit) if found.get("state") not in _OVER else "")
    yield f"not worse     {proven}" + (" (warming up: only a catastrophe counts)" if evidence.get("warming") else "")
    for key, words in (("requests", f"{unit}s"), ("failed", "failed"), ("in_flight", "in flight")):
        baseline, canary = (*(evidence.get(key) or ()), None, None)[:2]
        yield f"{words:<13} baseline {_figure(baseline)}, canary {_figure(canary)}"
    budget = found.get("budget")
    of = f", of {_figure(budget)} that may" if budget is not None else ""
    yield f"in excess     {_figure(evidence.get('excess_failed'))} failed that the baseline would not have failed{of}"


_DIFFERENCES = ("difference", "low", "high", "margin")
_OVER = frozenset(state.value for state in State if state.over)


def _metric(one: Json) -> str:
    unit = one.get("unit")
    return plain(f"{one.get('name')} ({unit})" if unit else one.get("name"))


def _differs(one: Json, key: str) -> str:
    """Return what one metric differs by: points for errors, which are in per cent themselves, and per cent of the baseline's for others."""
    value = _figure(one.get(key))
    return value if value == "-" else f"{value} {'pt' if one.get('name') == 'errors' else '%'}"


def _needed(evidence: Json, unit: str) -> str:
    needed = evidence.get("needed")
    return f"; about {needed:,} more canary {unit}s until something is" if isinstance(needed, int) else ""


def _figure(value: Any) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
