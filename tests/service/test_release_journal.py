"""The store of releases in use: told when it is written, and closed for a while."""

from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred

from shifter.model.change import Actor
from shifter.model.release import Progress, ReleaseSpec, Transition
from shifter.release.interfaces import Record
from shifter.service.release_journal import ReleaseJournal
from shifter.service.release_store import MemoryStore, StoreError
from tests.support.releases import spec

STEP = Transition("r1", "step", Progress(), Progress(version=1), Actor("ann"), "it goes on", 1.0)


def read(text: str, source: str) -> ReleaseSpec:
    return spec()


class Slow(MemoryStore):
    """Writes when it is told to."""

    def __init__(self) -> None:
        super().__init__(read)
        self.waiting: list[Deferred[None]] = []

    def deliver(self, target: str, number: int) -> Deferred[None]:
        self.waiting.append(Deferred())
        return self.waiting[-1]


def result(done: Deferred[object]) -> object:
    found: list[object] = []
    done.addBoth(found.append)
    return found[0] if found else None


def test_what_was_written_is_told_after_that() -> None:
    told: list[Transition] = []
    journal = ReleaseJournal(MemoryStore(read), told.append)
    journal.begin(Record(spec(), Progress(), 1.0, 1.0))
    written = result(journal.commit(STEP))  # type: ignore[arg-type]
    assert told == [written] == [replace(STEP, number=1)]
    journal.commit(STEP).addErrback(lambda failure: failure.trap(StoreError))
    assert len(told) == 1


def test_closed_it_waits_for_what_was_begun_and_writes_nothing_more() -> None:
    store = Slow()
    journal = ReleaseJournal(store, lambda _: None)
    journal.deliver("r1/notify/1", 3)
    rest: list[None] = []
    journal.close("somebody else goes on").addCallback(rest.append)
    assert rest == []
    refused: list[object] = []
    journal.begin(Record(spec(), Progress(), 1.0, 1.0)).addErrback(lambda failure: refused.append(failure.value))
    assert [str(one) for one in refused] == ["somebody else goes on"] and journal.load() == []
    store.waiting[0].callback(None)
    assert rest == [None]
    journal.open()
    journal.begin(Record(spec(), Progress(), 1.0, 1.0))
    assert len(journal.load()) == 1


def test_closed_at_rest_it_is_at_once() -> None:
    rest: list[None] = []
    ReleaseJournal(MemoryStore(read), lambda _: None).close("why").addCallback(rest.append)
    assert rest == [None]


@pytest.mark.parametrize("failing", [True, False])
def test_also_what_failed_is_over(failing: bool) -> None:
    store = Slow()
    journal = ReleaseJournal(store, lambda _: None)
    journal.deliver("r1/notify/1", 3).addErrback(lambda failure: failure.trap(StoreError))
    rest: list[None] = []
    journal.close("why").addCallback(rest.append)
    if failing:
        store.waiting[0].errback(StoreError("the disk is full"))
    else:
        store.waiting[0].callback(None)
    assert rest == [None]
