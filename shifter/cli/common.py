"""What several commands share: reading a configuration, and saying what was found in it."""

import sys
from collections.abc import Mapping, Sequence

import click

from shifter.config import Loaded, Problem, render
from shifter.service.judging import MAX_BYTES, read_bounded
from shifter.service.loading import load_checked


def read(name: str) -> bytes | None:
    """Return the content of the file *name* ("-" is the standard input); ``None`` when it cannot be read, and that was said."""
    try:
        return sys.stdin.buffer.read(MAX_BYTES) if name == "-" else read_bounded(name)
    except (OSError, ValueError) as error:
        click.echo(f"{name}: cannot be read: {reason(error)}", err=True)
        return None


def reason(error: OSError | ValueError) -> str:
    """Say why a file cannot be read or written."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def title(name: str) -> str:
    """Return how problems call the file *name*."""
    return name if name != "-" else "<stdin>"


def load(name: str, text: bytes, *, routes_alone: bool = False) -> tuple[Loaded, dict[str, bytes]]:
    """Return what becomes of *text*, which is that of the file *name*, and the texts of all files that it took to find out."""
    texts = {title(name): text}

    def resources(path: str) -> bytes:
        texts[path] = read_bounded(path)
        return texts[path]

    return load_checked(text, title(name), routes_alone=routes_alone, resources=resources), texts


def tell(problems: Sequence[Problem], text: bytes | Mapping[str, bytes], *, err: bool = False) -> None:
    """Print *problems* with the lines of *text*, or of the texts of several files by their names, that they are about."""
    if problems:
        click.echo(render(problems, text.decode("utf-8", "replace") if isinstance(text, bytes) else text), err=err)
