"""``shifter release history``: what happened to releases."""

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.release_asking import told
from shifter.cli.release_text import happened
from shifter.cli.table import plain


@click.command("history")
@click.argument("release", metavar="[NAME]", required=False)
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many events to tell.")
@click.option("--before", metavar="NUMBER", type=click.IntRange(1), help="Only events with a lower number.")
@admin_options
@click.pass_context
def command(context: click.Context, client: Client, as_json: bool, release: str | None, count: int, before: int | None) -> None:
    """Tell what happened to releases, or to one of them, the newest first: when, what, by whom and why."""
    pairs = [("count", str(count)), ("before", str(before or "")), ("release", release or "")]
    answer = client.get("/v1/history", [(key, value) for key, value in pairs if value])
    events = told(answer).get("events") or []
    if as_json:
        click.echo(answer.text, nl=False)
        context.exit(0)
    for event in events:
        name = "" if release is not None else f"{plain(event['release'])}  "
        click.echo(f"{event['number']:>5}  {name}{happened(event)}")
    if not events:
        click.echo("nothing has happened")
    context.exit(0)
