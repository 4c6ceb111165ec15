"""Work that is done in steps, so that whoever has it done may do other things in between.                                (pure)

Rule 1. It is written down once, as a generator: each ``yield`` is a place to pause at, and what it returns is the result. The work
        knows nothing of time; who runs it decides how many steps are taken at a stretch (`at_once`, `service.slices`).
Rule 2. A step is a fraction of a millisecond.
"""

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]
"""Some work. Closing it before its end undoes what it has done."""


def at_once(steps: Steps[T]) -> T:
    """Do all of it now. Raises what it raises."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


_AT_A_TIME = 64


def emptying(*things: list[Any] | dict[Any, Any]) -> Steps[None]:
    """Take everything out of *things*, which have served: dropping much at once takes its time."""
    for thing in things:
        take = thing.pop if isinstance(thing, list) else thing.popitem
        while thing:
            for _ in range(min(len(thing), _AT_A_TIME)):
                take()
            yield
