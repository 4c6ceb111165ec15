"""``shifter release promote``: go on without waiting for the verdict."""

import click

from shifter.cli.client import Client, admin_options, author_options
from shifter.cli.exits import EXIT_USAGE, Failed
from shifter.cli.release_asking import meant, path, tell, version_option, wanted


@click.command("promote")
@click.argument("release", metavar="[NAME]", required=False)
@click.option("--to", metavar="PERCENT", default="", help="Go to this weight, in the step that has it.")
@click.option("--full", is_flag=True, help="Go to the last step at once.")
@version_option
@author_options
@admin_options
@click.pass_context
def command(
    context: click.Context,
    client: Client,
    as_json: bool,
    release: str | None,
    to: str,
    full: bool,
    version: int | None,
    by: str,
    why: str,
) -> None:
    """Go on with the next step, whether or not the canary is proven to be no worse.

    The verdict goes on looking. The exit code is 0 when it is done, 1 when it does not fit, 3 when the proxy cannot be reached.
    """
    if to and full:
        raise Failed("give --to or --full, not both", EXIT_USAGE)
    pairs = [("to", to.removesuffix("%").strip()), ("full", "1" if full else ""), ("by", by), ("why", why)]
    context.exit(tell(wanted(client, path(meant(client, release), "promote"), pairs, version), as_json))
