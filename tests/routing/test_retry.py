"""Repeating a request that nobody asked to retry."""

from itertools import product

import pytest

from shifter.routing.retry import IDEMPOTENT, Reached, may_repeat


@pytest.mark.parametrize(
    ("method", "reached", "reused", "replayable", "expected"),
    [
        (b"GET", Reached.REQUEST_SENT, True, True, True),
        (b"GET", Reached.REQUEST_SENT, False, True, False),
        (b"POST", Reached.REQUEST_SENT, True, True, False),
        (b"POST", Reached.NOTHING_SENT, True, True, True),
        (b"POST", Reached.NOTHING_SENT, False, True, True),
        (b"PUT", Reached.REQUEST_SENT, True, True, True),
        (b"PUT", Reached.REQUEST_SENT, True, False, False),
        (b"PATCH", Reached.REQUEST_SENT, True, True, False),
        (b"get", Reached.REQUEST_SENT, True, True, False),
        (b"POST", Reached.NOTHING_SENT, True, False, False),
    ],
)
def test_a_request_is_repeated_when_nobody_can_notice(
    method: bytes, reached: Reached, reused: bool, replayable: bool, expected: bool
) -> None:
    assert may_repeat(method, reached, reused, replayable) is expected


def test_nothing_is_repeated_once_an_answer_began_or_without_its_body() -> None:
    for method, reused, flag in product([*IDEMPOTENT, b"POST"], (True, False), (True, False)):
        assert not may_repeat(method, Reached.ANSWER_BEGUN, reused, flag)
        assert not any(may_repeat(method, reached, reused, False) for reached in Reached)
