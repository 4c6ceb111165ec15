"""The chance that an answer ends its connection."""

from hypothesis import given
from hypothesis import strategies as st

from shifter.proxy.draining import Drain, DrainStrategy

POINTS = st.integers(0, 2**63 - 1)


@given(passed=st.floats(0, 1e6), seconds=st.floats(0, 1e6), point=POINTS)
def test_told_at_once_every_answer_does(passed: float, seconds: float, point: int) -> None:
    assert Drain(DrainStrategy.IMMEDIATE, 100.0, seconds, lambda: point).closes(100.0 + passed)


@given(seconds=st.floats(0.001, 1e6), point=POINTS, more=st.floats(0, 1e6))
def test_told_gradually_none_does_at_first_and_every_one_at_last(seconds: float, point: int, more: float) -> None:
    drain = Drain(DrainStrategy.GRADUAL, 0.0, seconds, lambda: point)
    assert not drain.closes(0.0)
    assert drain.closes(seconds + more)


@given(point=POINTS, first=st.floats(0, 10), second=st.floats(0, 10))
def test_the_chance_only_grows(point: int, first: float, second: float) -> None:
    drain = Drain(DrainStrategy.GRADUAL, 0.0, 10.0, lambda: point)
    assert drain.closes(min(first, second)) <= drain.closes(max(first, second))


def test_it_says_what_it_is() -> None:
    assert repr(Drain(DrainStrategy.GRADUAL, 5.0, 30.0, lambda: 0)) == "<Drain gradual 30 s from 5>"
