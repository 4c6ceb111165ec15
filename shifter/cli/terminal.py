"""What commands that go on in a terminal have in common: a thread that listens to the proxy, and a screen.

Rule 1. What is drawn comes over a stream of server-sent events; a thread reads it, and comes back when the proxy does.
Rule 2. The terminal is left as it was found, however this ends.
"""

import json
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from queue import Empty, SimpleQueue
from typing import Any

from shifter.cli.client import Client
from shifter.cli.exits import Failed
from shifter.cli.figures import events, printable

LOST = "lost"
"""The name of what is told when the stream has ended; its data says why."""

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
_PAUSES = (0.3, 0.6, 1.2, 2.5, 5.0)
_QUIT = (b"q", b"\x03", b"\x04", b"")


class Reader:
    """The thread that listens to *path*. ``told`` are events, and `LOST` when there are none. A context manager."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path
        self.told: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self.wakes, self._wake = os.pipe()  # one byte for each event
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)  # which may be waiting for an answer when all is over

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def fresh(self) -> Iterator[tuple[str, Any]]:
        """Iterate over what was told since the last time, without waiting."""
        with suppress(Empty):
            while True:
                yield self.told.get_nowait()

    def _tell(self, name: str, data: Any) -> None:
        self.told.put((name, data))
        os.write(self._wake, b".")

    def _run(self) -> None:
        last, failures = "", 0
        while not self._over.is_set():
            try:
                answer = self._client.open("GET", self._path, [("after", last)])
                if answer.status >= 300:
                    raise Failed(f"the proxy answers {answer.status}")
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
            self._tell(LOST, printable(why))
            self._over.wait(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1


def draw(lines: Sequence[str]) -> None:
    """Have the screen show *lines* and nothing else."""
    _write(_HOME + "".join(f"{line}{_REST_OF_LINE}\n" for line in lines) + _REST_OF_SCREEN)


def waits(reader: Reader) -> bool:
    """Wait until there is something new; whether to go on: the user has not pressed q."""
    ready, _, _ = select.select([sys.stdin, reader.wakes], [], [])
    if sys.stdin in ready and os.read(sys.stdin.fileno(), 16).lower()[:1] in _QUIT:
        return False
    if reader.wakes in ready:
        os.read(reader.wakes, 4096)
    return True


@contextmanager
def screen_of_its_own() -> Iterator[None]:
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


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
