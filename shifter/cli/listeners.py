"""``shifter listeners``: where the running proxy listens."""

import click

from shifter.cli.answers import listeners
from shifter.cli.client import Client, admin_options
from shifter.cli.table import table


@click.command("listeners")
@admin_options
def command(client: Client, as_json: bool) -> None:
    """Show where the running proxy listens."""
    answer = client.get("/listeners", format="json")
    click.echo(answer.text.rstrip("\n") + "\n" if as_json else table(("LISTENER", "ADDRESS"), listeners(answer.json())), nl=False)
