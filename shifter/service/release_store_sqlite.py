"""Releases in the state directory: they outlive the process (`release_store.ReleaseStore` over `state.StateDatabase`).

Rule 1. A transition is one transaction: the event, the progress that it leads to, and what the judge knew then. There is never one
        without the others.
Rule 2. Events are numbered without gaps, whoever writes them. The database itself refuses to change one, or to remove one.
Rule 3. Releases that are over stay, with their events; what their judges knew does not.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from twisted.internet.defer import Deferred

from shifter.model.change import Actor
from shifter.model.release import Progress, Transition
from shifter.observe.comparison import Counted
from shifter.release.interfaces import Record
from shifter.service.release_store import ANEW, KEPT_OVER, Read, ReleaseStore, bare, ended, may_not, progress_from, reread, there_is_one
from shifter.service.state import Migration, StateDatabase

SCHEMA: Migration = (
    """CREATE TABLE release (
        number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, route TEXT NOT NULL, baseline TEXT NOT NULL, canary TEXT NOT NULL,
        source TEXT NOT NULL, text TEXT NOT NULL, started REAL NOT NULL, saved REAL NOT NULL, version INTEGER NOT NULL,
        ended INTEGER NOT NULL, progress TEXT NOT NULL
    )""",
    """CREATE TABLE release_event (
        number INTEGER PRIMARY KEY, at REAL NOT NULL, release TEXT NOT NULL, event TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
        by TEXT NOT NULL, why TEXT NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL, evidence TEXT NOT NULL
    )""",
    "CREATE INDEX release_event_of ON release_event (release, number)",
    """CREATE TRIGGER release_event_stays_as_it_is BEFORE UPDATE ON release_event
        BEGIN SELECT RAISE(ABORT, 'the events of releases are append-only'); END""",
    """CREATE TRIGGER release_event_stays BEFORE DELETE ON release_event
        BEGIN SELECT RAISE(ABORT, 'the events of releases are append-only'); END""",
    "CREATE TABLE release_evidence (release TEXT PRIMARY KEY, judge TEXT, counts TEXT NOT NULL)",
    "CREATE TABLE release_delivery (target TEXT PRIMARY KEY, number INTEGER NOT NULL)",
)
"""What it adds to the schema of the state directory. There are databases that have it: what is missed in it stands in `USERS`."""
USERS: Migration = (
    """CREATE TABLE IF NOT EXISTS release_user (
        release TEXT NOT NULL, what INTEGER NOT NULL, user INTEGER NOT NULL, low REAL NOT NULL, high REAL NOT NULL,
        PRIMARY KEY (release, what, user)
    ) WITHOUT ROWID""",
)
"""What it adds since it knows who was counted. For a while that was a part of `SCHEMA`: a database may have it already."""

_RECORD = "r.name, r.route, r.baseline, r.canary, r.source, r.text, r.started, r.saved, r.progress, e.judge, e.counts"
_RECORDS = f"SELECT {_RECORD} FROM release r LEFT JOIN release_evidence e ON e.release = r.name"
_SIGN = 1 << 63
"""Users are numbers without a sign, and those of the database have one."""
_EVENT = "number, at, release, event, before, after, by, why, origin, reason, evidence"


class SqliteReleaseStore:
    """See the module. *read* reads the texts of releases again."""

    def __init__(self, database: StateDatabase, read: Read) -> None:
        self.unreadable: dict[str, str] = {}
        self.lasting = True
        self._database = database
        self._read = read

    def memo(self) -> Mapping[str, Any] | None:
        """See `ReleaseStore`: who takes over has the same database."""
        return None

    def load(self) -> Sequence[Record]:
        """See `Store`. Raises `JournalError`."""

        def read(db: sqlite3.Connection) -> list[Record]:
            going = db.execute(f"{_RECORDS} WHERE NOT r.ended ORDER BY r.number").fetchall()
            over = db.execute(f"{_RECORDS} WHERE r.ended ORDER BY r.number DESC LIMIT ?", (KEPT_OVER,)).fetchall()
            return [*map(_record, reversed(over)), *(replace(one, users=_counted(db, one.spec.name)) for one in map(_record, going))]

        records = [reread(one, self._read, self.unreadable) for one in self._database.now(read)]
        return sorted(records, key=lambda one: one.started)

    def begin(self, record: Record) -> Deferred[None]:
        """See `Store`."""

        def write(db: sqlite3.Connection) -> None:
            spec, progress = record.spec, record.progress
            if _version(db, spec.name) is not None:
                raise there_is_one(spec.name)
            words = *map(_text, (spec.baseline, spec.canary, spec.source, spec.text)), record.started, record.saved
            row = (spec.name, _json(asdict(spec.route)), *words)
            db.execute(
                "INSERT INTO release (name, route, baseline, canary, source, text, started, saved, version, ended, progress)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, progress.version, ended(progress), _json(progress.to_dict())),
            )
            _know(db, spec.name, record.judge, record.counts)

        return self._database.run(write)

    def commit(
        self,
        transition: Transition,
        judge: Mapping[str, object] | None = None,
        users: Sequence[Counted] = (),
        counts: Mapping[str, object] | None = None,
    ) -> Deferred[Transition]:
        """See `Store`."""

        def write(db: sqlite3.Connection) -> Transition:
            refusal = may_not(transition, _version(db, transition.release))
            if refusal is not None:
                raise refusal
            last = db.execute("SELECT coalesce(max(number), 0) FROM release_event").fetchone()[0]
            written = replace(transition, number=last + 1)
            db.execute(f"INSERT INTO release_event ({_EVENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _event_row(written))
            _move(db, transition.release, transition.after, transition.at)
            name = transition.release
            if ended(transition.after) or transition.event == ANEW:
                db.execute("UPDATE release_evidence SET judge = NULL WHERE release = ?", (name,))
                db.execute("DELETE FROM release_user WHERE release = ?", (name,))
            else:
                if judge is not None:
                    db.execute("UPDATE release_evidence SET judge = ? WHERE release = ?", (_json(judge), name))
                _count(db, name, users)
            told = {} if transition.event == ANEW else counts
            if told is not None:
                db.execute("UPDATE release_evidence SET counts = ? WHERE release = ?", (_json(told), name))
            return written

        return self._database.run(write)

    def keep(
        self,
        name: str,
        progress: Progress,
        judge: Mapping[str, object],
        counts: Mapping[str, object],
        at: float,
        users: Sequence[Counted] = (),
    ) -> Deferred[None]:
        """See `Store`."""

        def write(db: sqlite3.Connection) -> None:
            if _version(db, name) == progress.version:
                _move(db, name, progress, at)
                _know(db, name, judge, counts)
                _count(db, name, users)

        return self._database.run(write)

    def events(self, after: int = 0, count: int = 1000, release: str | None = None) -> Deferred[list[Transition]]:
        """See `Store`."""

        def read(db: sqlite3.Connection) -> list[Transition]:
            of, names = (" AND release = ?", (release,)) if release is not None else ("", ())
            wanted = f"SELECT {_EVENT} FROM release_event WHERE number > ?{of} ORDER BY number LIMIT ?"
            return [_event(row) for row in db.execute(wanted, (after, *names, count))]

        return self._database.run(read)

    def last_events(self, count: int, before: int | None = None, release: str | None = None) -> Deferred[list[Transition]]:
        """See `ReleaseStore`."""

        def read(db: sqlite3.Connection) -> list[Transition]:
            of, names = (" AND release = ?", (release,)) if release is not None else ("", ())
            limit = before if before is not None else 1 << 62
            wanted = f"SELECT {_EVENT} FROM release_event WHERE number < ?{of} ORDER BY number DESC LIMIT ?"
            return [_event(row) for row in db.execute(wanted, (limit, *names, count))]

        return self._database.run(read)

    def delivered(self, target: str) -> Deferred[int]:
        """See `Store`."""

        def read(db: sqlite3.Connection) -> int:
            row = db.execute("SELECT number FROM release_delivery WHERE target = ?", (target,)).fetchone()
            return row[0] if row is not None else 0

        return self._database.run(read)

    def deliver(self, target: str, number: int) -> Deferred[None]:
        """See `Store`."""
        upsert = (
            "INSERT INTO release_delivery (target, number) VALUES (?, ?)"
            " ON CONFLICT (target) DO UPDATE SET number = max(number, excluded.number)"
        )
        return self._database.run(lambda db: _done(db.execute(upsert, (target, number))))


# rows


def _version(db: sqlite3.Connection, name: str) -> int | None:
    row = db.execute("SELECT version FROM release WHERE name = ?", (name,)).fetchone()
    return row[0] if row is not None else None


def _move(db: sqlite3.Connection, name: str, progress: Progress, at: float) -> None:
    row = (progress.version, ended(progress), _json(progress.to_dict()), at, name)
    db.execute("UPDATE release SET version = ?, ended = ?, progress = ?, saved = ? WHERE name = ?", row)


def _know(db: sqlite3.Connection, name: str, judge: Mapping[str, object] | None, counts: Mapping[str, object]) -> None:
    row = (name, _json(judge) if judge is not None else None, _json(counts))
    db.execute("INSERT OR REPLACE INTO release_evidence (release, judge, counts) VALUES (?, ?, ?)", row)


def _count(db: sqlite3.Connection, name: str, users: Sequence[Counted]) -> None:
    rows = [(name, what, user - _SIGN, low, high) for what, user, low, high in users]
    db.executemany("INSERT OR REPLACE INTO release_user (release, what, user, low, high) VALUES (?, ?, ?, ?, ?)", rows)


def _counted(db: sqlite3.Connection, name: str) -> Sequence[Counted]:
    rows = db.execute("SELECT what, user, low, high FROM release_user WHERE release = ?", (name,))
    return tuple((what, user + _SIGN, low, high) for what, user, low, high in rows)


def _record(row: tuple[Any, ...]) -> Record:
    name, route, baseline, canary, source, text, started, saved, progress, judge, counts = row
    spec = bare(name, json.loads(route), (baseline, canary), text, source)
    known = json.loads(judge) if judge is not None else None
    return Record(spec, progress_from(json.loads(progress)), started, saved, known, json.loads(counts) if counts is not None else {})


def _event_row(one: Transition) -> tuple[object, ...]:
    who = one.actor
    states = _json(one.before.to_dict()), _json(one.after.to_dict())
    said = *map(_text, (who.by, who.why, who.origin, one.reason)), _json(one.evidence)
    return (one.number, one.at, one.release, one.event, *states, *said)


def _event(row: tuple[Any, ...]) -> Transition:
    number, at, release, event, before, after, by, why, origin, reason, evidence = row
    states = progress_from(json.loads(before)), progress_from(json.loads(after))
    return Transition(release, event, *states, Actor(by, why, origin), reason, at, json.loads(evidence), number)


def _json(value: object) -> str:
    return _text(json.dumps(value, ensure_ascii=False))


def _text(text: str) -> str:
    """Return *text* as it can be written. Half a character, which JSON can say, cannot: it must not stop the rest from being written."""
    return text.encode("utf-8", "replace").decode()


def _done(_: object) -> None: ...


def _proof(store: SqliteReleaseStore) -> ReleaseStore:  # mypy proves that it is one
    return store
