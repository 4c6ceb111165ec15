"""``shifter top``: what every version gets, how it answers and how long it takes, once a second in the terminal.

Rule 1. What is drawn comes over ``/events``, as the live page's figures do; a thread reads it, and comes back when the proxy does.
Rule 2. The terminal is left as it was found, however this ends.
Rule 3. Where the output is no terminal it is plain text, one table a sample.
"""

import json
import os
import select
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from queue import Empty, SimpleQueue
from typing import Any

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.exits import EXIT_UNREACHABLE, Failed
from shifter.cli.figures import Figures, events, printable
from shifter.cli.top_text import head, screen, table

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_WIDE = 120
_PAUSES = (0.3, 0.6, 1.2, 2.5, 5.0)


@click.command("top")
@click.option("--interval", type=click.FloatRange(1, 60), default=2.0, show_default=True, help="Seconds that figures are added up over.")
@click.option("-n", "samples", type=click.IntRange(min=1), help="So many samples, then stop; otherwise until q is pressed.")
@click.option("--once", is_flag=True, help="One sample as plain text, as where the output is no terminal.")
@admin_options
def command(client: Client, as_json: bool, interval: float, samples: int | None, once: bool) -> None:
    """Show the clusters of a running proxy with their figures, weighted routes first; q ends it.

    The exit code is 0, or 3 when the proxy cannot be reached.
    """
    live = sys.stdout.isatty() and sys.stdin.isatty() and not (as_json or once)
    with _Reader(client) as reader:
        if live:
            _draw(reader, interval, samples)
        else:
            _print(reader, interval, samples or 1, as_json)


class _Reader:
    """The thread that listens. ``told`` are events, and ``("lost", why)`` when there are none; one byte in ``wakes`` for each."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.told: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self.wakes, self._wake = os.pipe()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)  # which may be waiting for an answer when all is over

    def __enter__(self) -> "_Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _tell(self, name: str, data: Any) -> None:
        self.told.put((name, data))
        os.write(self._wake, b".")

    def _run(self) -> None:
        last, failures = "", 0
        while not self._over.is_set():
            try:
                answer = self._client.open("GET", "/events", [("after", last)])
                for name, data, identity in events(iter(answer.readline, b"")):
                    if self._over.is_set():
                        return
                    self._tell(name, json.loads(data))
                    last, failures = identity or last, 0
                why = "the proxy ended the stream"
            except Failed as error:
                why = str(error)
            except (OSError, HTTPException, ValueError, KeyError) as error:
                why = str(error) or type(error).__name__
            self._tell("lost", printable(why))
            self._over.wait(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1


def _print(reader: _Reader, interval: float, samples: int, as_json: bool) -> None:
    figures = Figures()
    while samples:
        name, data = reader.told.get()
        if name == "lost":
            raise Failed(data, EXIT_UNREACHABLE)
        figures.take(name, data)
        if figures.greeted and figures.fresh >= interval - 0.5:
            seconds, figures.fresh = figures.fresh, 0.0
            samples -= 1
            if as_json:
                click.echo(json.dumps(_sample(figures, seconds)))
            else:
                width = shutil.get_terminal_size((_WIDE, 24)).columns
                click.echo("\n".join([*head(figures, seconds, width, False), "", *table(figures.rows(seconds, 20), width, False)]))
                if samples:
                    click.echo("")


def _sample(figures: Figures, seconds: float) -> dict[str, object]:
    rps, errors = figures.total(seconds)
    return {
        "time": figures.now,
        "seconds": round(seconds, 3),
        "version": figures.version,
        "state": figures.state,
        "config_version": figures.configuration,
        "problems": list(figures.problems),
        "rps": rps,
        "errors": errors,
        "clusters": [row.to_dict() for row in figures.rows(seconds)],
    }


def _draw(reader: _Reader, interval: float, samples: int | None) -> None:
    figures, lost, drawn = Figures(), "", 0
    while not figures.greeted:  # one that cannot be reached is no reason to touch the terminal
        name, data = reader.told.get()
        if name == "lost":
            raise Failed(data, EXIT_UNREACHABLE)
        figures.take(name, data)
    with _terminal():
        while samples is None or drawn < samples:
            size = shutil.get_terminal_size()
            lines = screen(figures, interval, size.columns, size.lines, lost=lost)
            _write(_HOME + "".join(f"{line}{_REST_OF_LINE}\n" for line in lines) + _REST_OF_SCREEN)
            ready, _, _ = select.select([sys.stdin, reader.wakes], [], [])
            if sys.stdin in ready and os.read(sys.stdin.fileno(), 16).lower()[:1] in (b"q", b"\x03", b"\x04", b""):
                return
            if reader.wakes in ready:
                os.read(reader.wakes, 4096)
            with suppress(Empty):
                while True:
                    name, data = reader.told.get_nowait()
                    lost = data if name == "lost" else ""
                    if name != "lost":
                        figures.take(name, data)
                        drawn += name == "figures" and figures.greeted


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


@contextmanager
def _terminal() -> Iterator[None]:
    """A screen of its own, and keys as they are pressed (rule 2); a new size is noticed at the next figures."""
    import termios  # there is none on other systems, and whoever prints needs none
    import tty

    before = termios.tcgetattr(sys.stdin)
    handler = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        tty.setcbreak(sys.stdin)
        _write(_ENTER)
        yield
    except KeyboardInterrupt:
        pass
    finally:
        _write(_LEAVE)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, handler)
