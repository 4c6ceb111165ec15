"""Groups of commands, each of which is in a module of its own that is imported when the command is called."""

from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """The command NAME, one of ``names`` (in the order of the help), is the ``click`` command called ``command`` in the module
    ``<prefix>NAME``."""

    def __init__(self, *arguments: Any, names: Sequence[str], prefix: str, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.names = tuple(names)
        self._prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(self.names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command *cmd_name*; ``None`` when there is none."""
        if cmd_name not in self.names:
            return None
        command = import_module(f"{self._prefix}{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return what *incomplete* may become."""
        names = [CompletionItem(name) for name in self.names if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)  # not that of `click.Group`, which imports them all

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that *args* begin with; one that is none ends with the nearest that is."""
        if args and args[0] not in self.names and not args[0].startswith("-"):
            near = get_close_matches(args[0], self.names, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(self.names)}"
            ctx.fail(f"there is no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)
