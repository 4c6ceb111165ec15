"""``shifter reload``: have the running proxy read its configuration again."""

import click

from shifter.cli.client import Client, admin_options, author_options, tell_change


@click.command("reload")
@author_options
@admin_options
@click.pass_context
def command(context: click.Context, client: Client, as_json: bool, by: str, why: str) -> None:
    """Have the running proxy read its configuration again, and say what changed or why it is refused.

    Waits until the new configuration is served. The exit code is 0 when it is, 1 when it is refused and the old one goes on, 3 when
    the proxy cannot be reached.
    """
    context.exit(tell_change(client.post("/reload", by=by, why=why), as_json))
