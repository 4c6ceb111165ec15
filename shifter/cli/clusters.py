"""``shifter clusters``: the endpoints of the running proxy's clusters."""

import click

from shifter.cli.answers import clusters
from shifter.cli.client import Client, admin_options
from shifter.cli.exits import EXIT_USAGE, Failed
from shifter.cli.table import table

_HEAD = ("CLUSTER", "ENDPOINT", "HEALTH", "WEIGHT", "ACTIVE", "REQUESTS", "ERRORS", "TIMEOUTS")

_FIGURES = ("rq_active", "rq_total", "rq_error", "rq_timeout")


@click.command("clusters")
@click.argument("names", metavar="[FILTER]", default="")
@admin_options
def command(client: Client, as_json: bool, names: str) -> None:
    """Show the running proxy's clusters and their endpoints: how they are, and what they were asked.

    FILTER is a regular expression that the name of a cluster must contain a match of. ACTIVE are requests under way, REQUESTS those
    since the start of the proxy.
    """
    answer = client.get("/clusters", [("format", "json"), ("filter", names)])
    if answer.status != 200:
        raise Failed(answer.text.strip(), EXIT_USAGE)
    if as_json:
        click.echo(answer.text.rstrip("\n"))
        return
    rows: list[tuple[object, ...]] = []
    for name, endpoints in clusters(answer.json()):
        rows += [(name, one.address, one.health, one.weight, *(one.figures.get(key, 0) for key in _FIGURES)) for one in endpoints]
        rows += [] if endpoints else [(name, "none", *[""] * 6)]
    click.echo(table(_HEAD, rows, range(3, 8)), nl=False)
