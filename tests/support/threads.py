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

    def getThreadPool(self) -> "AtOnce":
        return AtOnce()

    def turn(self) -> None:
        """Make the calls that have come."""
        while not self._calls.empty():
            call, arguments = self._calls.get()
            call(*arguments)

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


class AtOnce:
    """A thread pool that needs no thread: what it is given is done when it is."""

    def callInThreadWithCallback(self, told: Any, function: Any, *arguments: Any) -> None:
        try:
            result, well = function(*arguments), True
        except Exception:
            result, well = Failure(), False
        told(well, result)
