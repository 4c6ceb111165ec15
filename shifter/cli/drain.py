"""``shifter drain``: have the running proxy take no new connections."""

import json

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.exits import EXIT_ERRORS, Failed


@click.command("drain")
@click.option("--now", is_flag=True, help="Take no new connections from now on, not only when the drain time has passed.")
@click.option("--keep-listening", is_flag=True, help="Ask clients to go, and go on to take new connections.")
@click.option("--inbound-only", is_flag=True, help="Only listeners whose traffic_direction is INBOUND.")
@admin_options
def command(client: Client, as_json: bool, now: bool, keep_listening: bool, inbound_only: bool) -> None:
    """Have the running proxy take no new connections, and ask those that are there to go when they are answered.

    Answers say `connection: close` (HTTP/1.1) or GOAWAY (HTTP/2) meanwhile, so that clients go by themselves. The process goes on;
    SIGTERM ends it when all is answered. It cannot be taken back.
    """
    if now and keep_listening:
        raise click.UsageError("--now and --keep-listening contradict each other")
    flags = {"graceful": not now, "skip_exit": keep_listening, "inboundonly": inbound_only}
    asked = {name: "" for name, is_set in flags.items() if is_set}
    answer = client.post("/drain_listeners", asked.items())
    if answer.status != 200:
        raise Failed(answer.text.strip(), EXIT_ERRORS)
    when = "none is refused" if keep_listening else "none is taken from now on" if now else "taken until the drain time has passed"
    click.echo(json.dumps({"draining": True}) if as_json else f"{client.where} drains; new connections: {when}")
