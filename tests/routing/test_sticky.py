"""Rendezvous hashing: exact shares, and nobody moves who need not."""

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.routing.errors import RoutingError
from shifter.routing.sticky import Rendezvous

KEYS = st.integers(0, 2**64 - 1)
WEIGHT = st.integers(0, 2**32 - 1)
NAMES = ["canary", "stable", "other", "fourth"]
MANY = [key * 0x9E37_79B9_7F4A_7C15 % 2**64 for key in range(1, 100_001)]


def place(weights: dict[str, int], key: int) -> str:
    return Rendezvous([(name, name.encode(), weight) for name, weight in weights.items()]).of(key)


def weights_of(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(WEIGHT | st.integers(0, 100), min_size=count, max_size=count).filter(any)


@st.composite
def changes(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, int]]:
    """Two sets of weights of the same entries."""
    names = NAMES[: draw(st.integers(2, 4))]
    one, other = (draw(weights_of(len(names))) for _ in range(2))
    return dict(zip(names, one, strict=True)), dict(zip(names, other, strict=True))


@given(changes(), KEYS)
def test_who_moves_moves_to_an_entry_that_has_grown_in_relation(change: tuple[dict[str, int], dict[str, int]], key: int) -> None:
    before, after = change
    old, new = place(before, key), place(after, key)
    if old != new:
        assert after[new] * before[old] > after[old] * before[new]


@given(st.lists(st.integers(0, 100), min_size=2, max_size=8), st.sampled_from([100, 1000, 10_000]), KEYS)
def test_a_canary_takes_users_as_it_grows_and_gives_them_back_as_it_shrinks(steps: list[int], total: int, key: int) -> None:
    scale = total // 100
    places = [place({"canary": step * scale, "stable": total - step * scale}, key) for step in steps]
    for (step, where), (next_step, there) in zip(zip(steps, places, strict=True), list(zip(steps, places, strict=True))[1:], strict=False):
        assert there == where or there == ("canary" if next_step > step else "stable")


@given(st.lists(st.integers(0, 60), min_size=2, max_size=8), KEYS)
def test_among_three_only_the_one_that_moves_gains_or_loses(steps: list[int], key: int) -> None:
    places = [place({"stable": 20, "canary": step, "other": 37}, key) for step in steps]
    for step, where, next_step, there in zip(steps, places, steps[1:], places[1:], strict=False):
        if next_step >= step:
            assert there in (where, "canary")
        else:
            assert there == where or where == "canary"


@given(weights_of(3), st.integers(1, 1000), KEYS)
def test_what_the_weights_add_up_to_does_not_matter(weights: list[int], factor: int, key: int) -> None:
    small = dict(zip(NAMES[:3], weights, strict=True))
    assert place(small, key) == place({name: weight * factor for name, weight in small.items()}, key)


@given(weights_of(4), st.permutations(range(4)), KEYS)
def test_the_order_of_the_list_does_not_matter(weights: list[int], order: list[int], key: int) -> None:
    entries = list(zip(NAMES, weights, strict=True))
    assert place(dict(entries), key) == place(dict([entries[at] for at in order]), key)


@given(weights_of(4), KEYS)
def test_no_weight_no_key(weights: list[int], key: int) -> None:
    entries = dict(zip(NAMES, weights, strict=True))
    assert entries[place(entries, key)] > 0
    assert place({"canary": 0, "stable": 1, "other": 0}, key) == "stable"


@given(WEIGHT.filter(bool), KEYS)
def test_an_entry_that_comes_or_goes_moves_nobody_else(weight: int, key: int) -> None:
    without = place({"stable": 70, "other": 30}, key)
    assert place({"stable": 70, "canary": weight, "other": 30}, key) in (without, "canary")
    assert place({"stable": 70, "canary": 0, "other": 30}, key) == without


@pytest.mark.parametrize(
    "weights",
    [
        {"canary": 1, "stable": 99},
        {"canary": 25, "stable": 75},
        {"canary": 1, "stable": 9_999},
        {"canary": 1, "stable": 1},
        {"canary": 7, "stable": 11, "other": 82},
        {"canary": 1_000_000_000, "stable": 2_000_000_000, "other": 500_000_000, "fourth": 1},
    ],
)
def test_shares_are_those_of_the_weights(weights: dict[str, int]) -> None:
    rendezvous = Rendezvous([(name, name.encode(), weight) for name, weight in weights.items()])
    counts = dict.fromkeys(weights, 0)
    for key in MANY:
        counts[rendezvous.of(key)] += 1
    total = sum(weights.values())
    for name, weight in weights.items():
        share = weight / total
        assert abs(counts[name] - len(MANY) * share) <= 4 * sqrt(len(MANY) * share * (1 - share)) + 1


def test_the_same_cluster_twice_has_the_shares_of_both() -> None:
    rendezvous = Rendezvous([("first", b"same", 30), ("second", b"same", 10), ("other", b"other", 60)])
    counts = {"first": 0, "second": 0, "other": 0}
    for key in MANY[:20_000]:
        counts[rendezvous.of(key)] += 1
    assert [round(count / 2_000) for count in counts.values()] == [3, 1, 6]


@pytest.mark.parametrize("entries", [[], [("a", b"a", 0)], [("a", b"a", 0), ("b", b"b", 0)]])
def test_somebody_must_have_a_weight(entries: list[tuple[str, bytes, int]]) -> None:
    with pytest.raises(RoutingError):
        Rendezvous(entries)


@given(KEYS, st.sampled_from("abc"))
def test_while_an_entry_is_not_alive_only_its_users_are_elsewhere(key: int, dead: str) -> None:
    entries = Rendezvous([(name, name.encode(), weight) for name, weight in (("a", 5), ("b", 3), ("c", 2))])
    usual, now = entries.of(key), entries.of(key, lambda entry: entry != dead)
    assert now != dead
    assert usual in (now, dead)
    assert entries.of(key, lambda entry: False) == usual
