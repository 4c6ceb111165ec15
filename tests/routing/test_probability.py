"""Shares of random numbers, against counting them one by one."""

from fractions import Fraction
from math import lcm

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import FractionalPercent
from shifter.routing.probability import Chances

DENOMINATORS = (2, 6, 12)
"""Each divides the next, as 100, 10,000 and 1,000,000 do; small enough to count."""
SHARES = st.builds(FractionalPercent, st.integers(0, 13), st.sampled_from(DENOMINATORS))
WEIGHTS = st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any)


@given(st.lists(SHARES, max_size=4), WEIGHTS)
def test_shares_are_those_of_counting(shares: list[FractionalPercent], weights: list[int]) -> None:
    left, numbers = Chances(), list(range(lcm(*DENOMINATORS, sum(weights))))
    everything = len(numbers)
    for share in shares:
        through, left = left.split(share)
        passed = [number for number in numbers if number % share.denominator < share.numerator]
        numbers = [number for number in numbers if number not in passed]
        assert through.share == Fraction(len(passed), everything)
        _weighed_alike(through, passed, weights)
    assert left.share == Fraction(len(numbers), everything)
    _weighed_alike(left, numbers, weights)


def _weighed_alike(chances: Chances, numbers: list[int], weights: list[int]) -> None:
    if not numbers:
        return
    start = 0
    for weight, share in zip(weights, chances.weigh(weights), strict=True):
        chosen = sum(start <= number % sum(weights) < start + weight for number in numbers)
        assert share == Fraction(chosen, len(numbers))
        start += weight


def test_one_number_decides_all() -> None:
    """Of those that a share of 10 % lets through, the first cluster, with 10 of 100, gets all."""
    through, left = Chances().split(FractionalPercent(10))
    assert through.weigh([10, 90]) == [1, 0]
    assert left.weigh([10, 90]) == [0, 1]
    assert left.weigh([1, 2]) == [Fraction(1, 3), Fraction(2, 3)]


def test_large_sums_are_not_walked_through() -> None:
    through, _ = Chances().split(FractionalPercent(1, 1_000_000))
    assert sum(through.weigh([1, 2**32 - 2])) == 1
