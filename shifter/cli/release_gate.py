"""``shifter release gate``: answer what a release waits for."""

import click

from shifter.cli.client import Client, admin_options, author_options
from shifter.cli.exits import EXIT_ERRORS, Failed
from shifter.cli.release_asking import meant, path, tell, told, version_option, wanted
from shifter.cli.table import plain


@click.command("gate")
@click.argument("answer", type=click.Choice(["approve", "reject"]))
@click.argument("gate", metavar="[GATE]", required=False)
@click.option("--release", metavar="NAME", help="The release; else the one that runs.")
@version_option
@author_options
@admin_options
@click.pass_context
def command(
    context: click.Context,
    client: Client,
    as_json: bool,
    answer: str,
    gate: str | None,
    release: str | None,
    version: int | None,
    by: str,
    why: str,
) -> None:
    """Open the gate that a release waits for, or roll the release back.

    Without GATE it is the one that waits. The exit code is 0 when it is done, 1 when the gate does not wait, 3 when the proxy cannot be
    reached.
    """
    name = meant(client, release)
    gate = gate if gate is not None else _waiting(client, name)
    context.exit(tell(wanted(client, path(name, "gates", gate, answer), [("by", by), ("why", why)], version), as_json))


def _waiting(client: Client, name: str) -> str:
    """Return the gate that the release *name* waits for. Raises `Failed`."""
    steps = told(client.get(path(name))).get("steps") or ()
    gates = [step["gate"] for step in steps if step.get("gate")]
    waiting = [str(gate["name"]) for gate in gates if gate.get("waiting")]
    if len(waiting) != 1:
        known = f"; its gates: {', '.join(plain(gate['name']) for gate in gates)}" if gates else ""
        raise Failed(f"no gate of {plain(name)} waits for an answer{known}", EXIT_ERRORS)
    return waiting[0]
