"""``shifter weight``: what share of a route's requests each cluster gets."""

from typing import Any

import click

from shifter.cli.client import Client, admin_options, author_options, tell_change
from shifter.cli.exits import EXIT_USAGE, Failed


@click.command("weight")
@click.argument("route", required=False)
@click.argument("weights", metavar="[CLUSTER=WEIGHT]...", nargs=-1)
@click.option("--reset", is_flag=True, help="Have the weights of the file again.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@author_options
@admin_options
@click.pass_context
def command(
    context: click.Context,
    client: Client,
    as_json: bool,
    route: str | None,
    weights: tuple[str, ...],
    reset: bool,
    dry_run: bool,
    by: str,
    why: str,
) -> None:
    """Change the weights of one route of the running proxy; without arguments, list the routes that have weights.

    ROUTE is a route's name, the path that it matches (/service/1), or VIRTUAL_HOST/NAME where that is not enough. If every cluster of
    the route is named, the numbers are weights, which count in relation to each other. If only some are, the numbers are per cent of
    all requests, and the others share the rest in the proportions that they have: service1a=10 gives a tenth of the requests to
    service1a, service1a=0.5 every two hundredth.

    The new weights hold from the next request on, over reloads, until the file itself has other weights there. The exit code is 0 when
    they hold, 1 when they are refused, 3 when the proxy cannot be reached.
    """
    if route is None or not (weights or reset):
        if dry_run or reset or weights:
            raise Failed("say which route: shifter weight ROUTE CLUSTER=WEIGHT", EXIT_USAGE)
        context.exit(_list(client, as_json, route))
    if weights and reset:
        raise Failed("give weights or --reset, not both", EXIT_USAGE)
    for one in weights:
        if "=" not in one:
            raise Failed(f"{one!r} is not CLUSTER=WEIGHT", EXIT_USAGE)
    pairs = [("route", route), *(("cluster", one) for one in weights), *([("reset", "1")] if reset else [])]
    answer = client.post("/weights", (*pairs, *([("dry_run", "1")] if dry_run else [])), by=by, why=why)
    context.exit(_tell_rehearsal(answer.json()) if dry_run and not as_json and answer.status < 300 else tell_change(answer, as_json))


def _tell_rehearsal(result: dict[str, Any]) -> int:
    for warning in result.get("warnings", ()):
        click.echo(f"warning: {warning}", err=True)
    change = result.get("change") or {}
    click.echo("\n".join(change.get("changes") or ["nothing would change"]))
    return 0


def _list(client: Client, as_json: bool, wanted: str | None) -> int:
    answer = client.get("/weights")
    if as_json and wanted is None:
        click.echo(answer.text, nl=False)
        return 0
    routes = [one for one in answer.json().get("routes", []) if wanted is None or wanted in (one["route"], *_parts(one["route"]))]
    if not routes:
        click.echo("no route has weights" if wanted is None else f"no route with weights is called {wanted!r}", err=wanted is not None)
        return 0 if wanted is None else 1
    if as_json:
        import json

        click.echo(json.dumps({"routes": routes}, indent=1))
        return 0
    for one in routes:
        over = one.get("override")
        held = "" if over is None else "   (set; the file says otherwise)"
        held = f"   (release {one['release']})" if one.get("release") else held
        click.echo(f"{one['route']}{held}")
        width = max(len(cluster["name"]) for cluster in one["clusters"])
        for cluster in one["clusters"]:
            said = "" if over is None else f"   file: {over['instead_of'].get(cluster['name'], '-')}"
            click.echo(f"  {cluster['name']:<{width}}  {cluster['percent']:>7g} %   weight {cluster['weight']}{said}")
    return 0


def _parts(name: str) -> tuple[str, ...]:
    """What a route may be called beside its full name: what stands behind the virtual host, and the path in that."""
    behind = name.partition("/")[2]
    return behind, behind.partition(" ")[2]
