"""Which admin listener a configuration has."""

import click

from shifter.cli.common import load, read, tell
from shifter.cli.exits import EXIT_ERRORS, EXIT_USAGE, Failed
from shifter.model.address import SocketAddress

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def admin_of(name: str) -> str:
    """Return where the admin listener of the configuration in the file *name* is asked from this machine. Raises `Failed`."""
    text = read(name)
    if text is None:
        raise click.exceptions.Exit(EXIT_USAGE)
    loaded, texts = load(name, text)
    if loaded.bootstrap is None:
        tell([problem for problem in loaded.problems if problem.level == "error"], texts, err=True)
        raise click.exceptions.Exit(EXIT_ERRORS)
    admin = loaded.bootstrap.admin
    if admin is None:
        raise Failed(f"{name} has no admin listener", EXIT_ERRORS)
    address = admin.address
    return str(SocketAddress(_ANY.get(address.host, address.host), address.port))
