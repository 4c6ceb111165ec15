"""``shifter release list``: all releases that a proxy knows."""

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.release_asking import releases
from shifter.cli.release_text import clock, weight
from shifter.cli.table import table


@click.command("list")
@click.option("--running", is_flag=True, help="Only those that are not over.")
@admin_options
@click.pass_context
def command(context: click.Context, client: Client, as_json: bool, running: bool) -> None:
    """List releases, the newest first: the ones that run, and those that are over."""
    if as_json and not running:
        click.echo(client.get("/v1/releases").text, nl=False)
        context.exit(0)
    found = [one for one in releases(client) if not (running and one.get("over"))]
    if as_json:
        from shifter.cli.release_asking import echo_json

        echo_json({"releases": found})
    elif not found:
        click.echo("no release runs" if running else "there is no release")
    else:
        rows = [
            [
                one.get("name"),
                one.get("state"),
                weight(one.get("weight") or 0.0),
                "yes" if one.get("held") else "no",
                one.get("route"),
                f"{one.get('baseline')} -> {one.get('canary')}",
                clock(one["started"]) if one.get("started") else "",
            ]
            for one in found
        ]
        click.echo(table(["NAME", "STATE", "WEIGHT", "HOLDS", "ROUTE", "CLUSTERS", "STARTED"], rows, (2,)), nl=False)
    context.exit(0)
