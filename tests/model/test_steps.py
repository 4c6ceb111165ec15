"""Work that can pause: once written down, it is the same whoever runs it."""

import pytest

from shifter.model.steps import Steps, at_once, emptying


def counting(to: int) -> Steps[int]:
    for _ in range(to):
        yield
    return to


def test_at_once_takes_every_step() -> None:
    assert at_once(counting(3)) == 3
    assert at_once(counting(0)) == 0


def test_what_goes_wrong_is_raised() -> None:
    def failing() -> Steps[None]:
        yield
        raise ValueError("so")

    with pytest.raises(ValueError, match="so"):
        at_once(failing())


def test_emptying_takes_a_few_at_a_time() -> None:
    first, second = list(range(200)), dict.fromkeys(range(100))
    steps = emptying(first, second)
    next(steps)
    assert 100 < len(first) < 200
    assert len(second) == 100
    at_once(steps)
    assert not first
    assert not second
