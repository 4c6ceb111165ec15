"""Taking things apart: a few at a time, and never what somebody else has."""

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from shifter.model.steps import at_once
from shifter.service.leftovers import taking_apart


class Thing:
    """Something that others hold."""

    def __init__(self, *held: object) -> None:
        self.held = held


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def tree(depth: int, seen: list[weakref.ref[Thing]]) -> Thing:
    thing = Thing(*(tree(depth - 1, seen) for _ in range(4 if depth else 0)))
    seen.append(weakref.ref(thing))
    return thing


def alive(seen: list[weakref.ref[Thing]]) -> int:
    return sum(one() is not None for one in seen)


def test_it_goes_little_by_little() -> None:
    seen: list[weakref.ref[Thing]] = []
    left: list[object] = [tree(5, seen)]
    assert len(seen) == alive(seen) == 1365
    before = alive(seen)
    for _ in taking_apart(left):
        now = alive(seen)
        assert before - now < 100
        before = now
    assert not left
    assert not alive(seen)


def test_what_others_have_is_left_alone() -> None:
    seen: list[weakref.ref[Thing]] = []
    kept = tree(2, seen)
    at_once(taking_apart([Thing(kept, Thing(kept)), None, 5, "text"]))
    assert alive(seen) == len(seen)
    del kept
    assert not alive(seen)


def test_functions_too() -> None:
    seen: list[weakref.ref[Thing]] = []

    def made() -> Callable[[], object]:
        inner = tree(0, seen)
        return lambda: inner

    at_once(taking_apart([{"of": [made(), made()]}]))
    assert len(seen) == 2
    assert not alive(seen)
