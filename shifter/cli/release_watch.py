"""``shifter release watch``: a release while it goes on, in the terminal.

Rule 1. In a terminal it is a screen that is drawn anew each second; elsewhere one line for each thing that happens.
Rule 2. It ends when the release is over, with the exit code that says how (`OUTCOMES`).
Rule 3. A connection that is lost is waited for: `GONE` times where there is no terminal, and as long as anybody looks where there is one.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.exits import EXIT_ERRORS, EXIT_UNREACHABLE, Failed
from shifter.cli.figures import printable
from shifter.cli.release_asking import EXIT_UNDECIDED, OUTCOMES, meant, path, releases
from shifter.cli.release_text import happened, screen, standing
from shifter.cli.terminal import LOST, Reader, draw, screen_of_its_own, waits

GONE = 15
"""So many times in a row the proxy may be asked in vain; that takes about a minute."""

_WIDE = 100


@click.command("watch")
@click.argument("name", required=False)
@admin_options
def command(client: Client, as_json: bool, name: str | None) -> None:
    """Show a release while it goes on: the one called NAME, or the one that runs.

    It ends when the release is over, and q ends it before. The exit code is 0 when it succeeded, 1 when it was rolled back, 2 when it was
    aborted, and 3 otherwise, also when the proxy cannot be reached.
    """
    try:
        wanted = _existing(client, name)
    except Failed as failure:
        # 1 and 2 would say that the release was rolled back, or aborted
        raise Failed(failure.message, EXIT_UNDECIDED) from None
    live = sys.stdout.isatty() and sys.stdin.isatty() and not as_json
    with Reader(client, path(wanted, "events")) as reader:
        watched = _Watched()
        if live:
            _draw(reader, watched)
        else:
            _print(reader, watched, as_json)
    raise SystemExit(OUTCOMES.get(watched.state, EXIT_UNDECIDED))


def _existing(client: Client, name: str | None) -> str:
    """Return which release is meant; when *name* is given, see that there is such a one. Raises `Failed`."""
    if name is None:
        return meant(client, None)
    known = [str(one.get("name")) for one in releases(client)]
    if name not in known:
        rest = f"; there are {', '.join(map(printable, known))}" if known else ""
        raise Failed(f"there is no release {printable(name)}{rest}", EXIT_ERRORS)
    return name


class _Watched:
    """What was told of the release: how it is, and what happened to it. ``lost`` says why nothing comes any more."""

    def __init__(self) -> None:
        self.status: Mapping[str, Any] | None = None
        self.events: dict[int, Mapping[str, Any]] = {}
        self.lost = ""
        self.failures = 0

    def take(self, name: str, data: Any) -> None:
        """Take one event of the stream in. Raises `Failed` when there never was anything else than failures."""
        if name != LOST:
            self.lost, self.failures = "", 0
        if name == "status":
            self.status = data
        elif name == "event":
            self.events[data["number"]] = data
        elif name == LOST:
            if self.status is None:
                raise Failed(data, EXIT_UNREACHABLE)
            self.lost = data
            self.failures += 1

    @property
    def state(self) -> str:
        return "" if self.status is None else str(self.status["state"])

    @property
    def over(self) -> bool:
        return self.status is not None and bool(self.status["over"])

    def screen(self, width: int, height: int, colour: bool) -> list[str]:
        """Return what a terminal shows."""
        assert self.status is not None
        told = [self.events[number] for number in sorted(self.events)]
        return screen(self.status, told, width, height, lost=self.lost, colour=colour)


def _draw(reader: Reader, watched: _Watched) -> None:
    while watched.status is None:  # one that cannot be reached is no reason to touch the terminal
        watched.take(*reader.told.get())
    colour = not os.environ.get("NO_COLOR")
    with screen_of_its_own():
        while not watched.over:
            size = shutil.get_terminal_size()
            draw(watched.screen(size.columns, size.lines, colour))
            if not waits(reader):
                break
            for name, data in reader.fresh():
                watched.take(name, data)
    size = shutil.get_terminal_size()
    click.echo("\n".join(watched.screen(size.columns, 1000, colour)), color=colour)


def _print(reader: Reader, watched: _Watched, as_json: bool) -> None:
    greeted = False
    while not watched.over:
        name, data = reader.told.get()
        watched.take(name, data)
        if name == LOST:
            click.echo(f"the connection is lost: {data}", err=True)
            if watched.failures >= GONE:
                raise Failed(data, EXIT_UNREACHABLE)
        elif as_json:
            click.echo(json.dumps({"kind": name, **{key: value for key, value in data.items() if key != "series"}}))
        elif name == "event":
            click.echo(happened(data))
        elif name == "status" and (watched.over or not greeted):
            greeted = True
            click.echo(standing(data))
