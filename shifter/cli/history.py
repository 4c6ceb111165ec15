"""``shifter history``: what was changed in the running proxy, by whom and why."""

import click

from shifter.cli.client import Client, admin_options


@click.command("history")
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many changes to tell.")
@click.option("--before", metavar="NUMBER", type=click.IntRange(1), help="Only changes with a lower number.")
@admin_options
@click.pass_context
def command(context: click.Context, client: Client, as_json: bool, count: int, before: int | None) -> None:
    """Tell the last changes of what is served, the newest first: weights, runtime values, files, and what was taken back.

    Without a state directory the proxy remembers them as long as it runs.
    """
    pairs = [("count", str(count)), ("format", "json" if as_json else "text"), *([("before", str(before))] if before is not None else [])]
    click.echo(client.get("/audit", pairs).text, nl=False)
    context.exit(0)
