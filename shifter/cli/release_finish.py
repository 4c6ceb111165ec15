"""``shifter release finish``: let go of a route."""

from collections.abc import Callable

import click

from shifter.cli.client import Client, admin_options, author_options
from shifter.cli.exits import EXIT_ERRORS
from shifter.cli.release_asking import echo_json, meant, path, refusal, releases, tell, told, version_option, wanted

_DONE = "finished: the route is what the configuration's file says"
"""Its own reason stays that of its end."""


@click.command("finish")
@click.argument("release", metavar="[NAME]", required=False)
@click.option("--patch", is_flag=True, help="Only print the change for the configuration's file, as a diff.")
@click.option("--force", is_flag=True, help="Let go although the file says something else.")
@version_option
@author_options
@admin_options
@click.pass_context
def command(
    context: click.Context,
    client: Client,
    as_json: bool,
    release: str | None,
    patch: bool,
    force: bool,
    version: int | None,
    by: str,
    why: str,
) -> None:
    """Let go of the route of a release that is over: the configuration's file says again what is served.

    So the file should say first what the release came to. --patch prints that change, and does nothing:

    \b
        shifter release finish --patch | patch etc/front.yaml

    As soon as the file says it the release lets go by itself. Without that the command refuses, unless there is --force: then requests
    go where they went before the release. The exit code is 0 when it is done, 1 when it does not fit, 3 when the proxy cannot be reached.
    """
    name = meant(client, release)
    if patch or not force:
        answer = client.get(path(name, "patch"))
        if patch:
            context.exit(_print(answer.text if answer.status < 300 else told(answer), as_json, lambda: _holds(client, name)))
        if answer.status < 300 and answer.text.strip():
            if as_json:
                echo_json({"detail": "the file says something else than what the release came to", "patch": answer.text})
                context.exit(EXIT_ERRORS)
            click.echo("the file says something else than what the release came to; what to change in it:\n\n" + answer.text, err=True)
            click.echo("change it (shifter release finish --patch | patch FILE), or go back to what it says with --force", err=True)
            context.exit(EXIT_ERRORS)
        if answer.status >= 300 and answer.status != 404:
            click.echo(f"warning: {refusal(answer.json(), answer)}", err=True)
    context.exit(tell(wanted(client, path(name, "finish"), [("by", by), ("why", why)], version), as_json, _DONE))


def _holds(client: Client, name: str) -> bool:
    """Whether the release *name* still has its route."""
    return any(one.get("name") == name and bool(one.get("held")) for one in releases(client))


def _print(patch: object, as_json: bool, holds: Callable[[], bool]) -> int:
    if as_json:
        echo_json({"patch": patch})
    elif patch:
        click.echo(patch, nl=False)
    else:
        # it does nothing about a file that said so all the time
        then = ": shifter release finish lets go of the route" if holds() else ""
        click.echo(f"the file says what the release came to already{then}", err=True)
    return 0
