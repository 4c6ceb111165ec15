"""How likely it is that a request's random number leads somewhere.

Rule 1. Every random choice about a request is made with one number (``RequestHead.random``), by what is left of it when it is
        divided by something; so two choices about one request are not independent, and here they are not taken to be.
Rule 2. Shares are exact fractions.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from math import gcd, lcm

from shifter.model.route import FractionalPercent


class Chances:
    """The random numbers that are still possible: those whose remainder by *modulus* lies in one of *ranges* (start, end)."""

    __slots__ = ("_modulus", "_ranges")

    def __init__(self, modulus: int = 1, ranges: Sequence[tuple[int, int]] = ((0, 1),)) -> None:
        self._modulus = modulus
        self._ranges = tuple(ranges)

    @property
    def share(self) -> Fraction:
        """Which share of all numbers is possible."""
        return Fraction(sum(end - start for start, end in self._ranges), self._modulus)

    def split(self, share: FractionalPercent) -> tuple["Chances", "Chances"]:
        """Return those that *share* lets through, and those that it does not."""
        modulus = lcm(self._modulus, share.denominator)
        inside: list[tuple[int, int]] = []
        outside: list[tuple[int, int]] = []
        for turn in range(0, modulus, self._modulus):
            for start, end in self._ranges:
                _cut(start + turn, end + turn, share, inside, outside)
        return Chances(modulus, inside), Chances(modulus, outside)

    def weigh(self, weights: Sequence[int]) -> list[Fraction]:
        """Return the share of each of *weights*, which lie one behind the other in the remainders by their sum, among what is
        possible."""
        total = sum(weights)
        common = gcd(total, self._modulus)
        # Given its remainder by what both have in common, the remainder by the sum is as likely as any other.
        counts = self._counts(common)
        before = [0, *accumulate(counts)]
        bounds = [0, *accumulate(weights)]
        sums = [bound // common * before[-1] + before[bound % common] for bound in bounds]
        return [Fraction(end - start, sums[-1]) for start, end in pairwise(sums)]

    def _counts(self, modulus: int) -> list[int]:
        """How many possible remainders there are for each remainder by *modulus*, which divides the own one."""
        steps = [0] * (modulus + 1)
        turns = 0
        for start, end in self._ranges:
            turns += (end - start) // modulus
            first, last = start % modulus, end % modulus
            if (end - start) % modulus:
                steps[first] += 1
                steps[last] -= 1
                if first > last:
                    steps[0] += 1
        return [turns + count for count in accumulate(steps[:modulus])]


def _cut(start: int, end: int, share: FractionalPercent, inside: list[tuple[int, int]], outside: list[tuple[int, int]]) -> None:
    """Put the parts of a range where they belong."""
    size, let_through = share.denominator, min(share.numerator, share.denominator)
    while start < end:
        turn = start - start % size
        limit = turn + let_through
        if start < limit:
            stop = min(limit, end)
            inside.append((start, stop))
        else:
            stop = min(turn + size, end)
            outside.append((start, stop))
        start = stop
