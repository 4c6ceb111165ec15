"""The garbage collector has nothing to do with a configuration, and does not look while one is changed."""

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from shifter.service.collector import Collector


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.unfreeze()  # what a start in this process has left
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


def test_it_does_as_it_likes_until_the_process_serves() -> None:
    collector = Collector()
    collector.hold()
    assert gc.isenabled()
    collector.release()
    assert not gc.get_freeze_count()


def test_what_a_change_has_made_stays() -> None:
    collector = Collector()
    collector.settle()
    before = gc.get_freeze_count()
    assert before
    collector.hold()
    assert not gc.isenabled()
    made = [[number] for number in range(100)]
    collector.release()
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)


class Knot:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_a_small_change_has_dropped_goes() -> None:
    collector = Collector()
    collector.settle()
    collector.hold()
    gone = ref(Knot())
    collector.release()
    assert gone() is None


def test_a_large_change_is_not_looked_through() -> None:
    collector = Collector()
    collector.settle()
    collector.hold()
    stays = ref(Knot())
    made = [[number] for number in range(30_000)]
    collector.release()
    assert stays() is not None
    assert gc.get_freeze_count() >= len(made)
