"""``shifter restart``: have a new process take over from the running one."""

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.exits import EXIT_ERRORS


@click.command("restart")
@admin_options
@click.pass_context
def command(context: click.Context, client: Client, as_json: bool) -> None:
    """Have a new process take over from the running one, without a connection refused or a request lost.

    The new process is the program as it is installed now, with the arguments of the one that runs. The exit code is 0 when it serves, 1
    when nothing came of it and the old one goes on, 3 when the proxy cannot be reached.
    """
    answer = client.post("/restart")
    result = answer.json()
    if as_json:
        click.echo(answer.text, nl=False)
    elif result["taken"]:
        click.echo("a new process serves; the old one ends when its connections have")
    else:
        for problem in result["problems"]:
            click.echo(problem, err=True)
        click.echo("nothing is handed over: the old process goes on", err=True)
    context.exit(0 if result["taken"] else EXIT_ERRORS)
