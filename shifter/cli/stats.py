"""``shifter stats``: what the running proxy has counted."""

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.exits import EXIT_USAGE, Failed


@click.command("stats")
@click.argument("names", metavar="[FILTER]", default="")
@click.option("--used", is_flag=True, help="Only what was counted since the start.")
@click.option("--invert", is_flag=True, help="What FILTER does not fit.")
@click.option("--prometheus", is_flag=True, help="Answer in the form that Prometheus reads.")
@admin_options
def command(client: Client, as_json: bool, names: str, used: bool, invert: bool, prometheus: bool) -> None:
    """Show the running proxy's statistics, in Envoy's names.

    FILTER is a regular expression that the name of a statistic must contain a match of: `shifter stats 'service1a.*rq_(2|5)xx'`.
    """
    if prometheus and as_json:
        raise click.UsageError("--json and --prometheus are two forms: choose one")
    asked = {"format": "json" if as_json else "prometheus" if prometheus else "text"}
    asked |= {"filter": names} if names else {}
    asked |= {"usedonly": ""} if used else {}
    asked |= {"invert_filter": ""} if invert else {}
    answer = client.get("/stats", asked.items())
    if answer.status != 200:
        raise Failed(answer.text.strip(), EXIT_USAGE)
    click.echo(answer.text.rstrip("\n"))
