"""Histograms that grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.observe.comparison import BINS
from shifter.release.distribution import Distribution

HISTOGRAMS = st.dictionaries(st.integers(0, BINS - 1), st.integers(1, 10_000), max_size=12).map(
    lambda counts: [counts.get(number, 0) for number in range(BINS)]
)


@given(st.lists(HISTOGRAMS, max_size=5))
def test_it_counts_what_others_counted(histograms: list[list[int]]) -> None:
    grown = Distribution()
    for histogram in histograms:
        grown.add(histogram)
    assert grown.counts == [sum(counts) for counts in zip(*histograms, strict=True)] or not histograms
    assert Distribution.from_state(grown.to_state()).counts == grown.counts


@given(HISTOGRAMS, st.floats(0.1, 1.0))
def test_fading_leaves_whole_numbers_with_the_right_sum(histogram: list[int], part: float) -> None:
    known = Distribution(histogram)
    known.fade(part)
    assert sum(known.counts) == int(part * sum(histogram))
    assert all(0 <= now <= had for now, had in zip(known.counts, histogram, strict=True))


@pytest.mark.parametrize("wrong", [None, "1", [1.5], [0, -1], [BINS, 1], [True, "x"]])
def test_what_is_no_histogram(wrong: object) -> None:
    with pytest.raises(ValueError, match="no histogram"):
        Distribution.from_state(wrong)
