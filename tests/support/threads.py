"""A reactor for what is done in threads: it turns when a test waits for something."""

from queue import Queue
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

T = TypeVar("T")

PATIENCE = 30.0  # seconds that something which is sure to happen may take


class Threads(Clock):
    """A ``Clock`` that threads can call back to."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: Queue[Any] = Queue()

    def callFromThread(self, call: Any, *arguments: Any) -> None:
        self._calls.put((call, arguments))

    def wait(self, deferred: Deferred[T]) -> T:
        """Return what *deferred* fires with, or raise what it fails with."""
        found: list[Any] = []
        deferred.addBoth(found.append)
        while not found:
            call, arguments = self._calls.get(timeout=PATIENCE)
            call(*arguments)
        if isinstance(found[0], Failure):
            found[0].raiseException()
        result: T = found[0]
        return result
