"""Exit codes of all commands, and failures that end one."""

import json
from typing import IO, Any

import click

EXIT_ERRORS = 1
"""The answer is no: a configuration has errors, a change is refused, the proxy is not live."""
EXIT_USAGE = 2
"""The command line is wrong, or a file cannot be read."""
EXIT_UNREACHABLE = 3
"""The proxy cannot be asked."""


class Failed(click.ClickException):
    """A command cannot go on; the text says why, and is all that is shown. Who asked for JSON is shown ``as_json``, which is the answer
    that said so if there was one."""

    def __init__(self, message: str, exit_code: int = EXIT_ERRORS, as_json: str = "") -> None:
        super().__init__(message)
        self.as_json = as_json or json.dumps({"detail": message}, ensure_ascii=False)
        self.exit_code = exit_code  # type: ignore[misc]  # click asks the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it on standard error."""
        click.echo(self.message, file=file, err=True)
