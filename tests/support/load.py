"""Clients that never pause, for changes that nobody may notice."""

import itertools
import re
import threading
from collections import Counter

from tests.support.programs import PATIENCE
from tests.support.wireclient import Wire


class Load:
    """Clients that ask without a pause, on kept and on new connections, and check every answer. A context manager.

    A kept connection must be kept, unless *may_close*: then it may end behind an answer that says so.
    """

    def __init__(self, port: int, names: str, kept: int = 3, fresh: int = 2, *, may_close: bool = False) -> None:
        self._port = port
        self._may_close = may_close
        self._names = names
        self._over = threading.Event()
        self._changed = threading.Condition()
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.reconnects = 0
        self._threads = [threading.Thread(target=self._run, args=(number, number < kept)) for number in range(kept + fresh)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        self.more(50)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait until *count* more requests have been answered."""
        with self._changed:
            goal = self.answers.total() + count
            assert self._changed.wait_for(lambda: self.wrong or self.answers.total() >= goal, PATIENCE)

    def _run(self, number: int, kept: bool) -> None:
        wire = None
        for count in itertools.count():
            if self._over.is_set():
                break
            target = f"/name/{number}/{count}"
            try:
                if wire is None:
                    wire = Wire(self._port)
                    self.reconnects += kept
                answer = wire.ask("POST" if count % 3 == 0 else "GET", target, body=b"b" * (count % 3 == 0))
                good = re.fullmatch(rf"({self._names}) {target}", answer.body.decode())
                problem = "" if good else f"{target}: {answer}"
                closes = good and kept and not answer.kept
                if closes and not self._may_close:
                    problem = f"{target}: the connection was closed"
            except OSError as error:
                good, closes, problem = None, False, f"{target}: {error!r}"
            with self._changed:
                if problem:
                    self.wrong.append(problem)
                if good:
                    self.answers[good[1]] += 1
                self._changed.notify_all()
            if wire is not None and (problem or closes or not kept):
                wire.close()
                wire = None
        if wire is not None:
            wire.close()
