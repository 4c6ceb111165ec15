"""What is remembered of changes: numbers without gaps, lines that stay, and what was in force before the last change."""

import json
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.change import Actor, AuditEntry, ChangeKind, WeightOverride
from shifter.model.release import RouteHold, RouteReference
from shifter.model.route import HeaderMatcher
from shifter.service.journal import KEPT_STATES, FilesOverride, Held, Journal, JournalError, MemoryJournal, Overrides, digest
from shifter.service.journal_sqlite import MIGRATIONS, SqliteJournal
from shifter.service.state import NAME, StateDatabase
from tests.support.threads import Threads

HOLD = RouteHold("new", RouteReference(text="/"), "a", "b", HeaderMatcher(b"x-canary", present=True))
WEIGHT = WeightOverride("all/prefix /", {"a": 1, "b": 99}, {"a": 50, "b": 50})
ENTRY = AuditEntry(
    *(0, 1795409043.5, ChangeKind.WEIGHT, Actor("ann", "släpp", "POST /weights from 127.0.0.1:5"), "all/prefix /", ("~ route",)),
    before={"a": 50},
    after={"a": 1},
    version=2,
    undoes=0,
)
TEXTS = {"etc/front.yaml": b"static_resources: {}\n", "rds.yaml": b"\xff\x00"}
HELD = Held(Overrides({"k": "5"}, {WEIGHT.route: WEIGHT}, FilesOverride({"etc/front.yaml": b"old"}, "d"), {"new": HOLD}), TEXTS)


class Lab:
    def __init__(self, directory: Path) -> None:
        self.reactor = Threads()
        self.wait = self.reactor.wait
        self.directory = directory
        self.opened: list[Journal] = []

    def memory(self) -> Journal:
        return self.own(MemoryJournal())

    def sqlite(self) -> Journal:
        return self.own(SqliteJournal(StateDatabase(self.reactor, str(self.directory), MIGRATIONS)))

    def own(self, journal: Journal) -> Journal:
        self.opened.append(journal)
        return journal

    def raw(self) -> sqlite3.Connection:
        return sqlite3.connect(self.directory / NAME)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    for journal in lab.opened:
        lab.wait(journal.close())


Make = Callable[[Lab], Journal]
every = pytest.mark.parametrize("make", [Lab.memory, Lab.sqlite])


@every
def test_lines_are_numbered_and_read_from_the_newest(lab: Lab, make: Make) -> None:
    journal = make(lab)
    assert lab.wait(journal.entries(10)) == []
    assert lab.wait(journal.former()) is None
    written = [lab.wait(journal.append(replace(ENTRY, target=f"{turn}"), HELD)) for turn in range(5)]
    assert written == [replace(ENTRY, number=turn + 1, target=f"{turn}") for turn in range(5)]
    assert lab.wait(journal.entries(2)) == [written[4], written[3]]
    assert lab.wait(journal.entries(2, before=3)) == [written[1], written[0]]
    assert lab.wait(journal.entries(0)) == []


@every
def test_what_was_in_force_before_the_last_change_is_known(lab: Lab, make: Make) -> None:
    journal = make(lab)
    first = Held(Overrides(), TEXTS)
    lab.wait(journal.begin(first))
    lab.wait(journal.append(ENTRY, HELD))
    former = lab.wait(journal.former())
    assert former is not None
    assert (former.entry.number, former.held) == (1, first)
    lab.wait(journal.append(ENTRY, first))
    former = lab.wait(journal.former())
    assert former is not None
    assert (former.entry.number, former.held) == (2, HELD)


@every
def test_what_is_long_ago_is_forgotten_but_not_that_it_was(lab: Lab, make: Make) -> None:
    journal = make(lab)
    for turn in range(KEPT_STATES + 5):
        lab.wait(journal.append(ENTRY, Held(Overrides(), {"f": b"%d" % turn})))
    assert len(lab.wait(journal.entries(1000))) == KEPT_STATES + 5
    assert isinstance(journal, MemoryJournal) or lab.raw().execute("SELECT count(*) FROM texts").fetchone() == (KEPT_STATES,)


def test_what_holds_is_there_after_a_restart(lab: Lab) -> None:
    first = lab.sqlite()
    assert first.load() == Overrides()
    lab.wait(first.append(ENTRY, HELD))
    lab.wait(first.close())
    second = lab.sqlite()
    assert second.load() == HELD.overrides
    assert lab.wait(second.append(ENTRY, HELD)).number == 2


def test_nobody_changes_a_line_or_takes_one_out(lab: Lab) -> None:
    lab.wait(lab.sqlite().append(ENTRY, HELD))
    with lab.raw() as db:
        for statement in ("UPDATE audit SET by = 'nobody'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                db.execute(statement)


def test_two_processes_number_their_lines_together(lab: Lab) -> None:
    journals = [lab.sqlite(), lab.sqlite()]
    written = [journal.append(ENTRY, HELD) for _ in range(10) for journal in journals]
    assert sorted(lab.wait(one).number for one in written) == list(range(1, 21))


def test_a_line_that_cannot_be_written_is_no_change(lab: Lab) -> None:
    journal = lab.sqlite()
    lab.wait(journal.append(ENTRY, HELD))
    with lab.raw() as db:
        db.execute("CREATE TRIGGER broken BEFORE INSERT ON states BEGIN SELECT RAISE(ABORT, 'the disk is on fire'); END")
    with pytest.raises(JournalError, match="the disk is on fire"):
        lab.wait(journal.append(ENTRY, Held(Overrides())))
    assert [one.number for one in lab.wait(journal.entries(10))] == [1]
    assert lab.sqlite().load() == HELD.overrides


def test_a_state_that_says_nonsense_is_refused(lab: Lab) -> None:
    lab.wait(lab.sqlite().append(ENTRY, HELD))
    with lab.raw() as db:
        db.execute("UPDATE states SET overrides = '{'")
    with pytest.raises(JournalError, match="what was in force after change 1 cannot be read"):
        lab.sqlite().load()


_names = st.text(max_size=8)
_texts = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), st.binary(max_size=30), max_size=3)
_weights = st.dictionaries(_names, st.integers(0, 2**32), max_size=3)
_overrides = st.builds(
    Overrides,
    st.dictionaries(_names, _names, max_size=3),
    st.dictionaries(_names, st.builds(WeightOverride, _names, _weights, _weights), max_size=2),
    st.none() | st.builds(FilesOverride, _texts, _names),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: Any) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("journal"))
    yield lab
    for journal in lab.opened:
        lab.wait(journal.close())


@pytest.fixture(scope="module")
def journal(shared: Lab) -> Journal:
    return shared.sqlite()


@given(_overrides, _texts)
def test_whatever_holds_comes_back_as_it_was(shared: Lab, journal: Journal, overrides: Overrides, texts: dict[str, bytes]) -> None:
    held = Held(overrides, texts)
    lab = shared
    lab.wait(journal.begin(held))
    lab.wait(journal.append(ENTRY, Held(Overrides())))
    former = lab.wait(journal.former())
    assert former is not None
    assert former.held == held


@given(_texts, _texts)
def test_other_files_have_another_digest(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (digest(one) == digest(other)) is (one == other)


def test_what_was_written_down_before_there_were_releases_can_be_read(lab: Lab) -> None:
    lab.wait(lab.sqlite().append(ENTRY, HELD))
    weights = {"all/prefix /": {"route": "all/prefix /", "weights": {"a": 1, "b": 99}, "instead_of": {"a": 50, "b": 50}, "owner": ""}}
    with lab.raw() as raw:
        raw.execute("UPDATE states SET overrides = ?", (json.dumps({"runtime": {"k": "5"}, "weights": weights, "instead_of": "d"}),))
    assert lab.sqlite().load() == replace(HELD.overrides, holds={})


WRITER = textwrap.dedent("""
    import sys
    from dataclasses import replace
    from shifter.model.change import Actor, AuditEntry, ChangeKind, WeightOverride
    from shifter.service.journal import Held, Overrides
    from shifter.service.journal_sqlite import MIGRATIONS, SqliteJournal
    from shifter.service.state import StateDatabase
    from tests.support.threads import Threads

    reactor = Threads()
    journal = SqliteJournal(StateDatabase(reactor, sys.argv[1], MIGRATIONS))
    print("ready", flush=True)
    while True:
        entry = AuditEntry(0, 0.0, ChangeKind.WEIGHT, Actor("writer"), "route")
        number = len(reactor.wait(journal.entries(10**6))) + 1
        override = WeightOverride("route", {"a": number})
        written = reactor.wait(journal.append(entry, Held(Overrides(weights={"route": override}))))
        print(written.number, flush=True)
""")


def test_a_writer_that_is_killed_has_lost_nothing_that_it_had_told(lab: Lab) -> None:
    random = Random(7)
    told = 0
    for _ in range(4):
        command = [sys.executable, "-c", WRITER, str(lab.directory)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for line in [writer.stdout.readline() for _ in range(random.randrange(1, 25))]:
                told = int(line) if line.strip().isdigit() else told
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read()
            told = max([told, *(int(line) for line in rest.split() if line.isdigit())])
        journal = lab.sqlite()
        numbers = [one.number for one in lab.wait(journal.entries(10**6))]
        assert numbers == list(range(len(numbers), 0, -1))
        assert len(numbers) in (told, told + 1)  # one may have been written, and nobody told
        assert journal.load().weights == ({"route": WeightOverride("route", {"a": len(numbers)})} if numbers else {})
        told = len(numbers)
