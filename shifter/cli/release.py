"""``shifter release``: releases of the running proxy, from beginning to end.

Exit codes are those of all commands (`exits`), but for the commands that say what a release came to: ``status --wait`` and ``watch`` end
with 0 when it succeeded, 1 when it was rolled back, 2 when it was aborted, 3 otherwise.
"""

import click

from shifter.cli.lazy import LazyGroup

COMMANDS = (
    *("start", "list", "get", "status", "watch", "promote", "pause", "resume", "brake", "abort", "retry", "undo", "gate"),
    *("explain", "history", "finish", "lint", "plan", "simulate"),
)
"""In the order of the help: each is in a module ``shifter.cli.release_NAME``."""


@click.group("release", cls=LazyGroup, names=COMMANDS, prefix="shifter.cli.release_")
def command() -> None:
    """Move the requests of a route from one cluster to another, a little at a time, for as long as the new version is no worse.

    Commands without a NAME are about the release that runs, or else the last one.
    """
