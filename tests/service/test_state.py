"""The database of the state directory: one schema, one writer at a time, and plain words for what is wrong with it."""

import sqlite3
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from shifter.service.journal import JournalError
from shifter.service.state import NAME, StateDatabase
from tests.support.threads import Threads

FIRST = ["CREATE TABLE words (word TEXT)"]
SECOND = ["ALTER TABLE words ADD COLUMN times INTEGER DEFAULT 1"]


class Lab:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.reactor = Threads()
        self.open: list[StateDatabase] = []

    def database(self, *migrations: list[str]) -> StateDatabase:
        database = StateDatabase(self.reactor, str(self.directory), migrations or (FIRST,))
        self.open.append(database)
        return database

    def add(self, database: StateDatabase, word: str) -> Deferred[object]:
        return database.run(lambda db: db.execute("INSERT INTO words (word) VALUES (?)", (word,)).lastrowid)

    def words(self, database: StateDatabase) -> list[str]:
        return self.reactor.wait(database.run(lambda db: [word for (word,) in db.execute("SELECT word FROM words ORDER BY rowid")]))


@pytest.fixture
def lab(tmp_path: Path):  # type: ignore[no-untyped-def]
    lab = Lab(tmp_path / "state")
    yield lab
    for database in lab.open:
        lab.reactor.wait(database.close())


def test_what_was_written_is_there_for_the_next_process(lab: Lab) -> None:
    first = lab.database()
    lab.reactor.wait(lab.add(first, "one"))
    lab.reactor.wait(first.close())
    second = lab.database()
    assert second.now(lambda db: db.execute("SELECT word FROM words").fetchall()) == [("one",)]
    assert lab.words(second) == ["one"]


def test_it_is_safe_and_private(lab: Lab) -> None:
    database = lab.database()

    def settings(db: sqlite3.Connection) -> list[object]:
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]

    assert lab.reactor.wait(database.run(settings)) == ["wal", 2]
    assert (lab.directory / NAME).stat().st_mode & 0o777 == 0o600
    assert lab.directory.stat().st_mode & 0o777 == 0o700


def test_the_schema_grows_and_what_was_there_stays(lab: Lab) -> None:
    old = lab.database()
    lab.reactor.wait(lab.add(old, "one"))
    new = lab.database(FIRST, SECOND)
    assert lab.reactor.wait(new.run(lambda db: db.execute("SELECT word, times FROM words").fetchall())) == [("one", 1)]
    with pytest.raises(JournalError, match=r"newer shifter \(schema 2, known are 1\)"):
        lab.database().now(lambda db: None)


def test_what_fails_is_undone_as_a_whole_and_the_next_goes_on(lab: Lab) -> None:
    database = lab.database()

    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO words (word) VALUES ('half')")
        db.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(JournalError, match="no such table: nowhere"):
        lab.reactor.wait(database.run(half))
    lab.reactor.wait(lab.add(database, "whole"))
    assert lab.words(database) == ["whole"]


def test_two_processes_take_turns(lab: Lab) -> None:
    one, other = lab.database(), lab.database()
    written = [lab.add(database, f"{number}") for number in range(20) for database in (one, other)]
    for deferred in written:
        lab.reactor.wait(deferred)
    assert sorted(lab.words(one)) == sorted([f"{number}" for number in range(20)] * 2)


@pytest.mark.parametrize("damage", [b"this is no database, but a long enough text" * 100, b"\0" * 8192])
def test_a_file_that_is_no_database_is_refused_and_left_alone(lab: Lab, damage: bytes) -> None:
    lab.directory.mkdir()
    (lab.directory / NAME).write_bytes(b"SQLite format 3\0" + damage if damage[0] == 0 else damage)
    with pytest.raises(JournalError, match=rf"{NAME}: the state cannot be used: "):
        lab.database().now(lambda db: db.execute("SELECT * FROM words").fetchall())
    with pytest.raises(JournalError, match="the state cannot be used"):
        lab.reactor.wait(lab.add(lab.database(), "one"))
    assert damage in (lab.directory / NAME).read_bytes()


def test_where_no_file_can_be_is_said(lab: Lab) -> None:
    lab.directory.write_text("a file")
    with pytest.raises(JournalError, match="the state cannot be used: "):
        lab.database().now(lambda db: None)


def test_a_disk_without_room_is_said_and_may_get_some(lab: Lab) -> None:
    database = lab.database()
    lab.reactor.wait(lab.add(database, "one"))

    def fill(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA max_page_count=1")
        db.execute("INSERT INTO words (word) VALUES (?)", ("x" * 100_000,))

    with pytest.raises(JournalError, match="full"):
        lab.reactor.wait(database.run(fill))
    lab.reactor.wait(lab.add(database, "two"))
    assert lab.words(database) == ["one", "two"]


def test_a_closed_one_takes_nothing_more(lab: Lab) -> None:
    database = lab.database()
    waiting = lab.add(database, "one")
    closed = database.close()
    lab.reactor.wait(waiting)
    lab.reactor.wait(closed)
    with pytest.raises(JournalError, match="closed"):
        lab.reactor.wait(lab.add(database, "two"))
