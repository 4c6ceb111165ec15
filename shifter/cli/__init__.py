"""The ``shifter`` command: one module per subcommand.

Exit codes of them all (`exits`): 0 all is well, 1 the answer is no (a configuration has errors, a change is refused, the proxy is
not live), 2 the command line is wrong or a file cannot be read, 3 the proxy cannot be reached.

Rule 1. A subcommand NAME is the ``click`` command called ``command`` in the module ``shifter.cli.NAME``, and a word of ``_COMMANDS``.
Rule 2. ``release`` is a group of commands itself, by the same rules: its NAME is in ``shifter.cli.release_NAME``.
Rule 3. A module is imported when its command is called, so that ``shifter check`` starts as fast as it can.
Rule 4. What a command does is in the other rooms; here it is asked for and printed.
"""

import platform
import sys

import click

from shifter import __version__
from shifter.cli.exits import EXIT_USAGE
from shifter.cli.lazy import LazyGroup

_COMMANDS = (
    *("check", "clusters", "completion", "convert", "drain", "history", "listeners", "release", "reload"),
    *("restart", "routes", "run", "schema", "stats", "status", "top", "undo", "weight"),
)
"""In the order of the help."""


@click.group(
    cls=LazyGroup,
    names=_COMMANDS,
    prefix="shifter.cli.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--version", is_flag=True, help="Print the version and stop; with -v also what it runs on.")
@click.option("-v", "--verbose", is_flag=True, help="Tell more.")
@click.pass_context
def main(context: click.Context, version: bool, verbose: bool) -> None:
    """A reverse proxy for incremental releases that reads Envoy's configuration."""
    if version:
        click.echo("\n".join(_version(verbose)))
        context.exit(0)
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(EXIT_USAGE)


def _version(verbose: bool) -> list[str]:
    lines = [f"shifter {__version__}"]
    if verbose:
        from shifter.wire.h2_engine import ENGINE
        from shifter.wire.heads import IMPLEMENTATION
        from twisted import __version__ as twisted_version

        lines.append(f"Python {platform.python_version()} ({platform.python_implementation()}, {sys.platform})")
        lines.append(f"Twisted {twisted_version}")
        lines.append(f"head parser: {IMPLEMENTATION}")
        lines.append(f"HTTP/2: {ENGINE}")
    return lines
