"""The ``shifter`` command: one module per subcommand.

Exit codes of them all (`exits`): 0 all is well, 1 the answer is no (a configuration has errors, a change is refused, the proxy is
not live), 2 the command line is wrong or a file cannot be read, 3 the proxy cannot be reached.

Rule 1. A subcommand NAME is the ``click`` command called ``command`` in the module ``shifter.cli.NAME``, and a word of ``_COMMANDS``.
Rule 2. Its module is imported when it is called, so that ``shifter check`` starts as fast as it can.
Rule 3. What a command does is in the other rooms; here it is asked for and printed.
"""

import platform
import sys
from difflib import get_close_matches
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from shifter import __version__
from shifter.cli.exits import EXIT_USAGE

_COMMANDS = (
    *("check", "clusters", "completion", "convert", "drain", "history", "listeners", "reload", "restart"),
    *("routes", "run", "schema", "stats", "status", "top", "undo", "weight"),
)
"""In the order of the help."""


class _Group(click.Group):
    """Imports the module of a command when that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"shifter.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [CompletionItem(name) for name in _COMMANDS if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)  # not that of `click.Group`, which imports them all

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], _COMMANDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(_COMMANDS)}"
            ctx.fail(f"there is no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
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
