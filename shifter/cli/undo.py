"""``shifter undo``: take the last change back."""

import click

from shifter.cli.client import Client, admin_options, author_options, tell_change


@click.command("undo")
@author_options
@admin_options
@click.pass_context
def command(context: click.Context, client: Client, as_json: bool, by: str, why: str) -> None:
    """Take the last change of what is served back: weights, runtime values, or the configuration's files as they were before.

    Files are not written: if they say something else, that is served when one of them changes, or after `shifter reload`. Undoing
    again does it again. The exit code is 0 when it is taken back, 1 when there is nothing that can be, 3 when the proxy cannot be
    reached.
    """
    context.exit(tell_change(client.post("/undo", by=by, why=why), as_json))
