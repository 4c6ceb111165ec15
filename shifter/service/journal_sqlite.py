"""A journal in the state directory: it outlives the process (`journal.Journal` over `state.StateDatabase`).

Rule 1. A line of the audit log and what holds from then on are written in one transaction: there is never one without the other.
Rule 2. Lines are numbered without gaps, whoever writes them. The database itself refuses to change one, or to remove one.
Rule 3. What is in force is the last row of ``states``. Of the rows before it, and the texts that they are about, `KEPT_STATES` stay.
"""

import json
import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from twisted.internet.defer import Deferred

from shifter.model.change import Actor, AuditEntry, ChangeKind, WeightOverride
from shifter.service.holds import holds_from, plain_holds
from shifter.service.journal import KEPT_STATES, FilesOverride, Former, Held, JournalError, Overrides, digest
from shifter.service.release_store_sqlite import SCHEMA, USERS
from shifter.service.state import Migration, StateDatabase

MIGRATIONS: tuple[Migration, ...] = (
    (
        """CREATE TABLE audit (
            number INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, by TEXT NOT NULL, why TEXT NOT NULL, origin TEXT NOT NULL,
            target TEXT NOT NULL, changes TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL, version INTEGER NOT NULL,
            undoes INTEGER NOT NULL
        )""",
        """CREATE TRIGGER audit_stays_as_it_is BEFORE UPDATE ON audit
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
        """CREATE TRIGGER audit_stays BEFORE DELETE ON audit
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
        "CREATE TABLE texts (digest TEXT PRIMARY KEY, files BLOB NOT NULL)",
        "CREATE TABLE states (number INTEGER PRIMARY KEY, overrides TEXT NOT NULL, texts TEXT NOT NULL, override_texts TEXT)",
    ),
    SCHEMA,
    USERS,
)
"""Each is what one version of the schema adds to the one before. None is changed once it was used: who has it gets only those after it."""

_COLUMNS = "number, at, kind, by, why, origin, target, changes, before, after, version, undoes"


class SqliteJournal:
    """See the module."""

    def __init__(self, database: StateDatabase) -> None:
        self._database = database

    def load(self) -> Overrides:
        """See `journal.Journal`."""
        return self._database.now(lambda db: found.overrides if (found := _state(db, _last(db, "states"))) is not None else Overrides())

    def begin(self, held: Held, entry: AuditEntry | None = None) -> Deferred[None]:
        """See `journal.Journal`."""

        def write(db: sqlite3.Connection) -> None:
            last = _state(db, _last(db, "states"))
            if entry is not None and last is not None and last != held:
                _append(db, entry, held)
            elif last != held:
                _hold(db, _last(db, "audit"), held)

        return self._database.run(write)

    def append(self, entry: AuditEntry, held: Held) -> Deferred[AuditEntry]:
        """See `journal.Journal`."""
        return self._database.run(lambda db: _append(db, entry, held))

    def entries(self, count: int, before: int | None = None) -> Deferred[list[AuditEntry]]:
        """See `journal.Journal`."""

        def read(db: sqlite3.Connection) -> list[AuditEntry]:
            limit = before if before is not None else _last(db, "audit") + 1
            wanted = f"SELECT {_COLUMNS} FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?"
            return [_entry(row) for row in db.execute(wanted, (limit, count))]

        return self._database.run(read)

    def former(self) -> Deferred[Former | None]:
        """See `journal.Journal`."""

        def read(db: sqlite3.Connection) -> Former | None:
            row = db.execute(f"SELECT {_COLUMNS} FROM audit ORDER BY number DESC LIMIT 1").fetchone()
            return None if row is None else Former(_entry(row), _state(db, row[0] - 1))

        return self._database.run(read)

    def close(self) -> Deferred[None]:
        """See `journal.Journal`."""
        return self._database.close()


# rows


def _last(db: sqlite3.Connection, table: str) -> int:
    number: int = db.execute(f"SELECT coalesce(max(number), 0) FROM {table}").fetchone()[0]
    return number


def _append(db: sqlite3.Connection, entry: AuditEntry, held: Held) -> AuditEntry:
    written = replace(entry, number=_last(db, "audit") + 1)
    db.execute(f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(written))
    _hold(db, written.number, held)
    return written


def _row(entry: AuditEntry) -> tuple[object, ...]:
    actor = entry.actor
    said = [json.dumps(value, ensure_ascii=False) for value in (list(entry.changes), entry.before, entry.after)]
    who = (entry.number, entry.when, entry.kind.value, actor.by, actor.why, actor.origin)
    return (*who, entry.target, *said, entry.version, entry.undoes)


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    number, at, kind, by, why, origin, target, changes, before, after, version, undoes = row
    said = tuple(json.loads(changes)), json.loads(before), json.loads(after)
    return AuditEntry(number, at, ChangeKind(kind), Actor(by, why, origin), target, *said, version, undoes)


def _hold(db: sqlite3.Connection, number: int, held: Held) -> None:
    """Write what is in force from change *number* on, and forget what is too long ago."""
    overrides = held.overrides
    files = overrides.files
    said = {
        "runtime": dict(overrides.runtime),
        "weights": {name: asdict(one) for name, one in overrides.weights.items()},
        "instead_of": files.instead_of if files is not None else None,
        "holds": plain_holds(overrides.holds),
    }
    override_texts = _keep(db, files.texts) if files is not None else None
    row = (number, json.dumps(said, ensure_ascii=False), _keep(db, held.texts), override_texts)
    db.execute("INSERT OR REPLACE INTO states (number, overrides, texts, override_texts) VALUES (?, ?, ?, ?)", row)
    db.execute("DELETE FROM states WHERE number <= ?", (number - KEPT_STATES,))
    used = "SELECT texts FROM states UNION SELECT override_texts FROM states WHERE override_texts IS NOT NULL"
    db.execute(f"DELETE FROM texts WHERE digest NOT IN ({used})")


def _keep(db: sqlite3.Connection, texts: Mapping[str, bytes]) -> str:
    name = digest(texts)
    if db.execute("SELECT 1 FROM texts WHERE digest = ?", (name,)).fetchone() is None:
        files = {path: text.decode("utf-8", "surrogateescape") for path, text in texts.items()}
        db.execute("INSERT INTO texts (digest, files) VALUES (?, ?)", (name, zlib.compress(json.dumps(files).encode("ascii"), 1)))
    return name


def _texts(db: sqlite3.Connection, name: str) -> dict[str, bytes]:
    row = db.execute("SELECT files FROM texts WHERE digest = ?", (name,)).fetchone()
    files: dict[str, str] = json.loads(zlib.decompress(row[0])) if row is not None else {}
    return {path: text.encode("utf-8", "surrogateescape") for path, text in files.items()}


def _state(db: sqlite3.Connection, number: int) -> Held | None:
    row = db.execute("SELECT overrides, texts, override_texts FROM states WHERE number = ?", (number,)).fetchone()
    if row is None:
        return None
    try:
        said = json.loads(row[0])
        weights = {name: _weights(one) for name, one in said["weights"].items()}
        holds = holds_from(said.get("holds", {}))  # nothing was held before there were releases
        files = FilesOverride(_texts(db, row[2]), said["instead_of"]) if row[2] is not None else None
        return Held(Overrides(said["runtime"], weights, files, holds), _texts(db, row[1]))
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise JournalError(f"what was in force after change {number} cannot be read: {error}") from error


def _weights(said: dict[str, Any]) -> WeightOverride:
    """Return the weights that were set for a route. What an earlier version of shifter wrote has an ``owner``, who was nobody."""
    return WeightOverride(said["route"], said["weights"], said["instead_of"])
