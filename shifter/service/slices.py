"""Work in steps (`model.steps`) while the proxy serves: a slice of it, then whatever has come in meanwhile, then the next one.

Rule 1. A slice takes no longer than `SLICE` and one step; so that is what a request waits for it at most.
Rule 2. The first slice begins at once: work that fits in one is done when `Slices.run` returns.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from shifter.model.steps import Steps

T = TypeVar("T")

SLICE = 0.002
"""Seconds."""


class Slices:
    """See the module. *monotonic* tells the time now, not that of the last tick."""

    def __init__(self, reactor: Any, monotonic: Callable[[], float]) -> None:
        self._reactor = reactor
        self._monotonic = monotonic
        self._running: set[_Run[Any]] = set()

    def run(self, steps: Steps[T]) -> Deferred[T]:
        """Do the work; fires with its result. Cancelling it closes *steps*."""
        run: _Run[T] = _Run(steps, self)
        self._running.add(run)
        run.go_on()
        return run.done

    def stop(self) -> None:
        """Do no more of anything: everybody who waits is told that it was cancelled."""
        for run in list(self._running):
            run.done.cancel()

    def after(self, run: "_Run[Any]") -> Any:
        """Have *run* go on when others have had their turn."""
        return self._reactor.callLater(0, run.go_on)

    def ended(self, run: "_Run[Any]") -> None:
        """There is no more to do for *run*."""
        self._running.discard(run)

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return self._monotonic()


class _Run(Generic[T]):
    """One piece of work that is being done."""

    __slots__ = ("_next", "_slices", "_steps", "done")

    def __init__(self, steps: Steps[T], slices: Slices) -> None:
        self._steps = steps
        self._slices = slices
        self._next: Any = None
        self.done: Deferred[T] = Deferred(self._cancel)

    def go_on(self) -> None:
        """Take the steps of one slice."""
        self._next = None
        steps, now = self._steps, self._slices.now
        until = now() + SLICE
        try:
            while True:
                next(steps)
                if now() >= until:
                    self._next = self._slices.after(self)
                    return
        except StopIteration as stop:
            self._slices.ended(self)
            self.done.callback(stop.value)
        except Exception:
            self._slices.ended(self)
            self.done.errback(Failure())

    def _cancel(self, _: object) -> None:
        self._slices.ended(self)
        if self._next is not None:
            self._next.cancel()
        self._steps.close()
