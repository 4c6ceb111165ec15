"""The operations log of a process in the foreground, which nobody may be reading: a full pipe must not keep requests waiting.

Rule 1. ``twistd -n`` writes each event to the standard output and waits until it is taken. Here a thread waits (`FileThread`); what comes
        while too much waits is lost, and the next line that is not says how much.
Rule 2. A line is for people, or (`json_lines`) one object for programs.
"""

import atexit
import io
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from twisted.logger import FileLogObserver, eventAsText, formatTime

from shifter.observe.writerthread import FileThread

LAST = 1.0
"""Seconds that who reads may take for the last lines."""


class PrintedLog(io.TextIOBase):
    """A text stream over *sink*, in UTF-8, whose `write` never waits."""

    def __init__(self, sink: FileThread) -> None:
        super().__init__()
        self._sink = sink
        self._lost = 0
        self.lost_words: Callable[[int], str] = _lost_words
        """How it is said that so many lines are lost."""
        atexit.register(self._finish)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # there it is declared as a variable
        """That of what is written."""
        return "utf-8"

    def writable(self) -> bool:
        """See ``io.TextIOBase``."""
        return True

    def write(self, text: str) -> int:
        """Take *text*, which is one line or several."""
        lost = self.lost_words(self._lost) if self._lost else ""
        try:
            self._sink.write((lost + text).encode("utf-8", "backslashreplace"))
            self._lost = 0
        except BlockingIOError:
            self._lost += text.count("\n")
        return len(text)

    def _finish(self) -> None:
        self._sink.close()
        self._sink.join(LAST)


def _lost_words(count: int) -> str:
    return f"[{count} lines of this log are lost: nobody has read them in time]\n"


def json_lines() -> FileLogObserver:
    """Return what writes events to the standard output as JSON: for ``twistd --logger``, which `shifter run --json` says."""
    if isinstance(sys.stdout, PrintedLog):
        sys.stdout.lost_words = lambda count: as_json({"log_format": "{text}", "text": _lost_words(count).strip("[]\n")})
    return FileLogObserver(sys.stdout, as_json)


def as_json(event: Mapping[str, Any]) -> str:
    """Return the line of one event: its ``time`` (RFC 3339; ``null`` where it has none), ``level``, ``logger`` and ``message``."""
    level, time = event.get("log_level"), event.get("log_time")
    told = {
        "time": formatTime(time) if time is not None else None,
        "level": level.name if level is not None else "info",
        "logger": event.get("log_namespace") or __name__,
        "message": eventAsText(dict(event), includeTimestamp=False, includeSystem=False).rstrip("\n"),
    }
    return json.dumps(told, ensure_ascii=False) + "\n"
