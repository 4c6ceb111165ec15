"""The operations log of a process in the foreground, which nobody may be reading: a full pipe must not keep requests waiting.

Rule 1. ``twistd -n`` writes each event to the standard output and waits until it is taken. Here a thread waits (`FileThread`); what comes
        while too much waits is lost, and the next line that is not says how much.
"""

import atexit
import io

from shifter.observe.writerthread import FileThread

LAST = 1.0
"""Seconds that who reads may take for the last lines."""


class PrintedLog(io.TextIOBase):
    """A text stream over *sink*, in UTF-8, whose `write` never waits."""

    def __init__(self, sink: FileThread) -> None:
        super().__init__()
        self._sink = sink
        self._lost = 0
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
        lost = f"[{self._lost} lines of this log are lost: nobody has read them in time]\n" if self._lost else ""
        try:
            self._sink.write((lost + text).encode("utf-8", "backslashreplace"))
            self._lost = 0
        except BlockingIOError:
            self._lost += text.count("\n")
        return len(text)

    def _finish(self) -> None:
        self._sink.close()
        self._sink.join(LAST)
