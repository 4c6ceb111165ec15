"""Where releases are written down: a transition whole or not at all, events that stay, and texts that cannot be read any more."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.change import Actor
from shifter.model.release import EVENTS, Progress, ReleaseSpec, RouteReference, State, Step, Transition
from shifter.release.interfaces import Record
from shifter.service.journal import JournalError
from shifter.service.journal_sqlite import MIGRATIONS, SqliteJournal
from shifter.service.release_store import (
    KEPT_OVER,
    MemoryStore,
    ReleaseStore,
    StoreError,
    progress_from,
    record_from,
    record_to_dict,
    transition_from,
    transition_to_dict,
)
from shifter.service.release_store_sqlite import SqliteReleaseStore
from shifter.service.state import NAME, StateDatabase
from tests.support.threads import Threads

ROUTE = RouteReference("backend", kind="prefix", text="/service/1")
SPEC = ReleaseSpec("r-1", ROUTE, "service1", "service1a", (Step(1, 10_000),), source="etc/release.yaml", text="name: r-1 # ä")
BEGUN = Record(SPEC, Progress(), 1000.0, 1000.0)
AT_ONE = Progress(State.OBSERVING, 1, 10_000, version=1, held=True, reason="step 1 begins")
STARTED = Transition(
    "r-1", "started", Progress(), AT_ONE, Actor("ann", "why not", "POST /v1/releases"), "step 1 begins", 1001.0, {"value": 1.5}
)
JUDGE = {"capitals": [1.0, 2.5], "unit": "request"}


def read(text: str, source: str) -> ReleaseSpec:
    if "broken" in text:
        raise ValueError(f"{source}:1:1: unknown field 'broken'")
    return replace(SPEC, name="another", text=text, source=source)


class Lab:
    def __init__(self, directory: Path) -> None:
        self.reactor = Threads()
        self.wait = self.reactor.wait
        self.directory = directory
        self.opened: list[StateDatabase] = []
        self._memory: MemoryStore | None = None

    def memory(self) -> ReleaseStore:
        self._memory = MemoryStore(read, self._memory.memo() if self._memory is not None else None)
        return self._memory

    def sqlite(self) -> ReleaseStore:
        self.opened.append(StateDatabase(self.reactor, str(self.directory), MIGRATIONS))
        return SqliteReleaseStore(self.opened[-1], read)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    for database in lab.opened:
        lab.wait(database.close())


Make = Callable[[Lab], ReleaseStore]
every = pytest.mark.parametrize("make", [Lab.memory, Lab.sqlite])


@every
def test_the_next_process_knows_what_was_written(lab: Lab, make: Make) -> None:
    store = make(lab)
    assert store.load() == []
    lab.wait(store.begin(BEGUN))
    written = lab.wait(store.commit(STARTED, JUDGE))
    assert written == replace(STARTED, number=1)
    assert make(lab).load() == [Record(SPEC, AT_ONE, 1000.0, 1001.0, JUDGE)]
    later = replace(AT_ONE, in_step=12.5, in_state=3.0)
    lab.wait(store.keep("r-1", later, {"capitals": []}, {"canary_requests": 7}, 1013.5))
    if make is Lab.sqlite:
        assert make(lab).load() == [Record(SPEC, later, 1000.0, 1013.5, {"capitals": []}, {"canary_requests": 7})]


@every
def test_who_was_counted_is_known_to_the_next_process(lab: Lab, make: Make) -> None:
    store = make(lab)
    lab.wait(store.begin(BEGUN))
    lab.wait(store.commit(STARTED, JUDGE, [(0, 2**64 - 1, 0.0, 0.5), (1, 7, 0.25, 1.0)]))
    lab.wait(store.keep("r-1", AT_ONE, JUDGE, {}, 1013.5, [(0, 2**64 - 1, 0.25, 0.5), (0, 0, 0.0, 0.1), (0, 0, 0.0, 0.05)]))
    (found,) = make(lab).load()
    assert sorted(found.users) == [(0, 0, 0.0, 0.05), (0, 2**64 - 1, 0.25, 0.5), (1, 7, 0.25, 1.0)]


@every
@pytest.mark.parametrize("event", ["retried", "finished"])
def test_who_was_counted_is_forgotten_with_the_evidence(lab: Lab, make: Make, event: str) -> None:
    store = make(lab)
    lab.wait(store.begin(BEGUN))
    lab.wait(store.commit(STARTED, JUDGE, [(0, 1, 0.0, 0.5)]))
    after = Progress(State.ABORTED if event == "finished" else State.PREFLIGHT, version=2, attempt=2)
    lab.wait(store.commit(replace(STARTED, event=event, before=AT_ONE, after=after), JUDGE, [(0, 2, 0.0, 0.5)]))
    (found,) = store.load()
    assert found.users == ()
    if event == "retried":
        assert (found.judge, found.counts) == (None, {})
        lab.wait(store.keep("r-1", after, JUDGE, {}, 1013.5, [(0, 3, 0.0, 0.5)]))
        assert [user for _, user, _, _ in store.load()[0].users] == [3]


@every
def test_events_are_numbered_and_read_in_order(lab: Lab, make: Make) -> None:
    store = make(lab)
    for name in ("r-1", "r-2"):
        lab.wait(store.begin(replace(BEGUN, spec=replace(SPEC, name=name))))
    told = []
    for turn in range(3):
        before, after = Progress(version=turn), Progress(State.OBSERVING, version=turn + 1)
        told += [lab.wait(store.commit(replace(STARTED, release=name, before=before, after=after))) for name in ("r-1", "r-2")]
    assert [one.number for one in told] == [1, 2, 3, 4, 5, 6]
    assert lab.wait(store.events()) == told
    assert lab.wait(store.events(after=2, count=3)) == told[2:5]
    assert lab.wait(store.events(after=1, release="r-1")) == [told[2], told[4]]
    assert lab.wait(store.last_events(2)) == [told[5], told[4]]
    assert lab.wait(store.last_events(9, before=4, release="r-2")) == [told[1]]


@every
def test_what_has_no_encoding_stops_nothing_from_being_written(lab: Lab, make: Make) -> None:
    store, half = make(lab), "half a \ud800"
    lab.wait(store.begin(replace(BEGUN, spec=replace(SPEC, text=half, source=half))))
    told = replace(STARTED, actor=Actor(half, half, half), reason=half, evidence={half: half}, after=replace(AT_ONE, reason=half))
    lab.wait(store.commit(told, {half: half}))
    lab.wait(store.keep("r-1", replace(AT_ONE, reason=half, in_step=7.0), {half: half}, {"paths": [half]}, 1013.5))
    (found,) = store.load()
    assert found.progress.in_step == 7.0
    if make is Lab.sqlite:
        (event,) = lab.wait(store.events())
        assert (event.reason, event.actor.why, found.counts) == ("half a ?", "half a ?", {"paths": ["half a ?"]})


@every
def test_a_name_is_used_once(lab: Lab, make: Make) -> None:
    store = make(lab)
    lab.wait(store.begin(BEGUN))
    with pytest.raises(StoreError, match="there is a release `r-1` already"):
        lab.wait(store.begin(replace(BEGUN, started=2000.0)))
    assert store.load() == [BEGUN]


@every
def test_who_was_overtaken_writes_nothing(lab: Lab, make: Make) -> None:
    store = make(lab)
    with pytest.raises(StoreError, match="there is no release"):
        lab.wait(store.commit(STARTED))
    lab.wait(store.begin(BEGUN))
    lab.wait(store.commit(STARTED, JUDGE))
    with pytest.raises(StoreError, match="moved on by another process: version 1 is written down, and not 0"):
        lab.wait(store.commit(STARTED))
    lab.wait(store.keep("r-1", Progress(), {}, {}, 1002.0))
    assert store.load() == [Record(SPEC, AT_ONE, 1000.0, 1001.0, JUDGE)]
    assert len(lab.wait(store.events())) == 1


@every
def test_what_is_over_is_told_of_and_not_read_again(lab: Lab, make: Make) -> None:
    store = make(lab)
    for turn in range(KEPT_OVER + 3):
        over = Record(replace(SPEC, name=f"r{turn}", text="broken"), Progress(State.ABORTED, version=4), 1000.0 + turn, 1000.0)
        lab.wait(store.begin(over))
    lab.wait(store.begin(replace(BEGUN, started=2000.0)))
    again = make(lab)
    found = again.load()
    assert [one.spec.name for one in found[-2:]] == [f"r{KEPT_OVER + 2}", "r-1"]
    assert len(found) == KEPT_OVER + 1
    assert found[0].spec.steps == () and not again.unreadable


@every
def test_a_text_that_cannot_be_read_any_more_is_told_and_its_share_stays(lab: Lab, make: Make) -> None:
    store = make(lab)
    lab.wait(store.begin(replace(BEGUN, spec=replace(SPEC, text="broken: 1", steps=()))))
    lab.wait(store.commit(STARTED))
    again = make(lab)
    (found,) = again.load()
    assert again.unreadable == {"r-1": "etc/release.yaml:1:1: unknown field 'broken'"}
    assert (found.progress.share, found.spec.route, found.spec.canary) == (10_000, ROUTE, "service1a")


@every
def test_what_was_delivered_never_goes_back(lab: Lab, make: Make) -> None:
    store = make(lab)
    assert lab.wait(store.delivered("r-1/0")) == 0
    for number in (3, 2):
        lab.wait(store.deliver("r-1/0", number))
    assert lab.wait(make(lab).delivered("r-1/0")) == 3


def test_the_database_keeps_every_event_as_it_is(lab: Lab) -> None:
    store = lab.sqlite()
    lab.wait(store.begin(BEGUN))
    lab.wait(store.commit(STARTED))
    for statement in ("UPDATE release_event SET reason = 'none'", "DELETE FROM release_event"):
        with pytest.raises(JournalError, match="append-only"):
            lab.wait(lab.opened[0].run(lambda db, statement=statement: db.execute(statement)))
    assert lab.wait(store.events()) == [replace(STARTED, number=1)]


def test_what_the_judge_of_one_that_is_over_knew_is_forgotten(lab: Lab) -> None:
    store = lab.sqlite()
    lab.wait(store.begin(BEGUN))
    lab.wait(store.commit(STARTED, JUDGE))
    lab.wait(store.commit(replace(STARTED, before=AT_ONE, after=Progress(State.ABORTED, version=2)), JUDGE))
    (found,) = store.load()
    assert found.judge is None and found.spec.steps == ()


def test_a_state_directory_from_before_releases_gets_what_they_need(lab: Lab) -> None:
    old = StateDatabase(lab.reactor, str(lab.directory), MIGRATIONS[:1])
    lab.wait(SqliteJournal(old).entries(1))
    lab.wait(old.close())
    store = lab.sqlite()
    lab.wait(store.begin(BEGUN))
    assert store.load() == [BEGUN]
    with sqlite3.connect(lab.directory / NAME) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_a_release_that_an_older_shifter_began_goes_on_with_its_users(lab: Lab) -> None:
    old = StateDatabase(lab.reactor, str(lab.directory), MIGRATIONS[:2])
    lab.wait(SqliteReleaseStore(old, read).begin(BEGUN))
    progress = json.dumps(AT_ONE.to_dict())
    lab.wait(old.run(lambda db: db.execute("UPDATE release SET version = 1, progress = ?", (progress,)).rowcount))
    lab.wait(old.close())
    store = lab.sqlite()
    assert store.load() == [replace(BEGUN, progress=AT_ONE)]
    lab.wait(store.keep("r-1", AT_ONE, JUDGE, {}, 1013.5, [(0, 7, 0.0, 0.5)]))
    assert store.load()[0].users == ((0, 7, 0.0, 0.5),)


def test_what_databases_have_already_is_never_changed() -> None:
    """Whoever wants more adds a migration, and its sum here."""
    assert [crc32("".join(statements).encode()) for statements in MIGRATIONS] == [1416058356, 1604342337, 2322843021]


def test_a_database_that_has_its_users_already_keeps_them(lab: Lab) -> None:
    early = (MIGRATIONS[0], (*MIGRATIONS[1], *MIGRATIONS[2]))  # for a while they came with the releases
    old = StateDatabase(lab.reactor, str(lab.directory), early)
    written = SqliteReleaseStore(old, read)
    lab.wait(written.begin(BEGUN))
    lab.wait(written.commit(STARTED, JUDGE, [(0, 7, 0.0, 0.5)]))
    lab.wait(old.close())
    assert lab.sqlite().load()[0].users == ((0, 7, 0.0, 0.5),)


def test_what_an_older_process_hands_over_has_no_users() -> None:
    before = MemoryStore(read)
    before.begin(BEGUN)
    memo = {name: value for name, value in (before.memo() or {}).items() if name != "users"}
    assert MemoryStore(read, memo).load() == [BEGUN]


shares = st.integers(0, 10_000).map(lambda one: one * 100)
seconds = st.floats(0, 1e9)
progresses = st.builds(
    Progress,
    *(st.sampled_from(State), st.integers(0, 40), shares, st.booleans(), shares, seconds, seconds, st.none() | st.sampled_from(State)),
    *(st.integers(0, 9), st.sampled_from(["", "approved", "rejected"]), st.text(), st.integers(0, 10**9), st.booleans()),
)


@given(progresses, progresses, st.sampled_from(EVENTS), st.text(), seconds)
def test_nothing_is_lost_on_the_way_through_json(before: Progress, after: Progress, event: str, text: str, at: float) -> None:
    one = Transition(text, event, before, after, Actor(text, text, text), text, at, {"value": at}, 3)
    assert transition_from(transition_to_dict(one)) == one
    assert progress_from({**after.to_dict(), "of_a_newer_shifter": 1}) == after
    record = Record(replace(SPEC, steps=()), after, at, at, {"x": [1]}, {"y": 2})
    assert record_from(record_to_dict(record)) == record
