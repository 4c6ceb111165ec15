"""How much a run of the tests tries out of what it could: the profile of hypothesis says it for everything."""

from collections.abc import Sequence
from random import sample
from typing import TypeVar

import hypothesis

T = TypeVar("T")

AT_A_TIME = 8


def thorough() -> bool:
    """Say whether this is the run before a release (``HYPOTHESIS_PROFILE=thorough``)."""
    return hypothesis.settings.get_current_profile_name() == "thorough"


def some(rows: Sequence[T]) -> Sequence[T]:
    """Return a few of *rows*, others in every run; all of them in a thorough one."""
    return rows if thorough() or len(rows) <= AT_A_TIME else sample(rows, AT_A_TIME)


def examples(number: int) -> int:
    """Return how many examples a test needs that needs *number* of them in a thorough run: a third in others."""
    return number if thorough() else number // 3
