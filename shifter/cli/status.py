"""``shifter status``: how the running proxy is."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from shifter.cli.answers import clusters, listeners, maps, number
from shifter.cli.client import Client, admin_options
from shifter.cli.exits import EXIT_ERRORS
from shifter.cli.table import plain, table

_CHANGES = 3
_REFUSED = "The last configuration was refused, the one before it is in use:"
_NOT_THE_FILES = "What is in use is not what the files say:"


@click.command("status")
@admin_options
@click.pass_context
def command(context: click.Context, client: Client, as_json: bool) -> None:
    """Say how the running proxy is: state, version, uptime, listeners, weights, the last changes, and what is wrong with its files.

    REQUESTS are all those that a cluster was sent since the start of the proxy. The exit code is 0 when it takes requests (its state
    is LIVE), 1 when not, 3 when it cannot be reached.
    """
    info = client.get("/server_info").json()
    told = clusters(client.get("/clusters", format="json").json())
    requests = {name: sum(one.figures.get("rq_total", 0) for one in endpoints) for name, endpoints in told}
    problems, notices = _said(client.get("/ready").text)
    found = {
        "state": info.get("state", ""),
        "version": info.get("version", ""),
        "uptime_s": number(str(info.get("uptime_current_epoch", "0s")).rstrip("s")),
        "config": info.get("command_line_options", {}).get("config_path", ""),
        "config_version": info.get("node", {}).get("metadata", {}).get("config_version", 0),
        "listeners": [{"name": name, "address": where} for name, where in listeners(client.get("/listeners", format="json").json())],
        "weights": list(_weights(client.get("/weights").json(), requests)),
        "changes": client.get("/audit", format="json", count=str(_CHANGES)).json(),
        "problems": problems,
        "notices": notices,
    }
    click.echo(json.dumps(found, indent=1) + "\n" if as_json else _text(found), nl=False)
    context.exit(0 if found["state"] == "LIVE" else EXIT_ERRORS)


def _weights(told: object, requests: dict[str, int]) -> Iterator[dict[str, Any]]:
    for route in maps(told, "routes"):
        for one in maps(route, "clusters"):
            name = str(one.get("name", ""))
            yield {
                "route": str(route.get("route", "")),
                "cluster": name,
                "weight": one.get("weight", 0),
                "percent": one.get("percent", 0.0),
                "requests": requests.get(name, 0),
                "live": route.get("override") is not None,
            }


def _text(found: dict[str, Any]) -> str:
    parts = [
        f"{plain(found['state'])}  {plain(found['version'])}  up {_span(found['uptime_s'])}\n"
        f"configuration {plain(found['config_version'])}  {plain(found['config'])}\n",
        table(("LISTENER", "ADDRESS"), ((one["name"], one["address"]) for one in found["listeners"])) if found["listeners"] else "",
    ]
    if found["weights"]:
        rows = ((one["route"], one["cluster"], one["weight"], f"{one['percent']:g} %", one["requests"]) for one in found["weights"])
        parts.append(table(("ROUTE", "CLUSTER", "WEIGHT", "SHARE", "REQUESTS"), rows, range(2, 5)))
    if found["changes"]:
        parts.append("last changes:\n" + "".join(f"  {_change(one)}\n" for one in found["changes"]))
    for heading, lines in ((_REFUSED, found["problems"]), (_NOT_THE_FILES, found["notices"])):
        parts.append(f"{heading}\n" + "".join(f"  {plain(line)}\n" for line in lines) if lines else "")
    return "\n".join(part for part in parts if part)


def _said(ready: str) -> tuple[list[str], list[str]]:
    """Return what ``/ready`` tells of a refused configuration, and what else: each below a line that says which."""
    parts = [part.splitlines() for part in ready.strip().split("\n\n")[1:]]
    problems = [line for heading, *lines in parts if heading == _REFUSED for line in lines]
    return problems, [line for heading, *lines in parts if heading != _REFUSED for line in lines]


def _change(told: dict[str, Any]) -> str:
    when = datetime.fromtimestamp(told.get("when", 0), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    actor = told.get("actor", {})
    why = f": {actor['why']}" if actor.get("why") else ""
    return plain(f"{told.get('number', '')}  {when}  {'; '.join(told.get('changes', ()))}  by {actor.get('by', '')}{why}")


def _span(seconds: int) -> str:
    """Return a span of time in its two largest units."""
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (left, "s")) if count]
    return " ".join(parts[:2]) or "0 s"
