"""Work that is done in steps, so that whoever has it done may do other things in between.                                (pure)

Rule 1. It is written down once, as a generator: each ``yield`` is a place to pause at, and what it returns is the result. The work
        knows nothing of time; who runs it decides how many steps are taken at a stretch (`at_once`, `service.slices`).
Rule 2. A step is a fraction of a millisecond.
"""

from collections.abc import Generator
from typing import TypeAlias, TypeVar

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
