"""``shifter release get``: everything about a release."""

import os
import shutil
import sys

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.release_asking import meant, path, told
from shifter.cli.release_text import screen

_EVENTS = "20"
_LINES = 10_000


@click.command("get")
@click.argument("release", metavar="[NAME]", required=False)
@admin_options
@click.pass_context
def command(context: click.Context, client: Client, as_json: bool, release: str | None) -> None:
    """Show a release: its steps, its verdict, what both versions do, and what happened. `watch` shows the same while it goes on."""
    name = meant(client, release)
    answer = client.get(path(name))
    found = told(answer)
    if as_json:
        click.echo(answer.text, nl=False)
        context.exit(0)
    events = told(client.get("/v1/history", release=name, count=_EVENTS)).get("events") or []
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((140, 50)).columns
    click.echo("\n".join(screen(found, list(reversed(events)), width, _LINES, colour=colour)), color=colour)
    context.exit(0)
