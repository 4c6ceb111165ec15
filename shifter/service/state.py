"""What outlives the process: one SQLite database in the state directory.

Rule 1. What is written is on the disk when its Deferred fires (``synchronous=FULL``): a process that is killed loses nothing of it, and
        neither does a machine that loses its power.
Rule 2. It is read and written in one thread of its own, in the order of the wishes; nobody else ever waits for the disk.
Rule 3. Several processes may have it open, an old one and the one that takes its place: each write is one transaction that begins by
        locking, and one that finds the database locked waits for `PATIENCE`.
Rule 4. A database that cannot be read, or not be written, is said so with its path; nothing of it is ever thrown away.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from time import sleep
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from shifter.service.journal import JournalError

NAME = "state.sqlite3"
"""Of the file in the state directory."""
PATIENCE = 5.0
"""Seconds that a write waits for another process to end its own."""

_TURN = 0.05

T = TypeVar("T")
Migration = Sequence[str]
"""The statements that lead from one version of the schema to the next."""


class StateDatabase:
    """See the module. *migrations* make the schema: as many of them are carried out as the database does not have yet.

    Only *reactor* may call it. Nothing is open before the first use, so that it may be made before a process forks.
    """

    def __init__(self, reactor: Any, directory: str, migrations: Sequence[Migration]) -> None:
        self.path = Path(directory) / NAME
        self._reactor = reactor
        self._migrations = migrations
        self._pool = ThreadPool(1, 1, "state")
        self._connection: sqlite3.Connection | None = None
        self._started = self._closed = False

    def now(self, use: Callable[[sqlite3.Connection], T]) -> T:
        """Return what *use* makes of the database, at once: for the start of the process. Raises `JournalError`."""
        try:
            with closing(self._open()) as connection:
                return use(connection)
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def run(self, use: Callable[[sqlite3.Connection], T]) -> Deferred[T]:
        """Fire with what *use* makes of the database, which it is given in a transaction. Fails with `JournalError`."""
        if self._closed:
            return fail(JournalError(f"{self.path}: it is closed"))
        if not self._started:
            self._pool.start()
            self._started = True
        done: Deferred[T] = deferToThreadPool(self._reactor, self._pool, self._in_transaction, use)
        return done.addErrback(self._failed)

    def close(self) -> Deferred[None]:
        """Let what was wished for happen, then let go of the file."""
        if self._closed or not self._started:
            self._closed = True
            return succeed(None)
        self._closed = True
        done: Deferred[None] = deferToThreadPool(self._reactor, self._pool, self._let_go)

        def stopped(result: object) -> None:
            self._pool.stop()

        return done.addBoth(stopped)

    # in the thread

    def _in_transaction(self, use: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._open()
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = use(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError):
            # whatever it was, the next write looks at the file anew: it may have been put right
            self._let_go()
            raise
        return result

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        """Return a connection to a database whose schema is ours. Raises ``sqlite3.Error`` and ``OSError``."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # what it tells of users' routes is not for everybody
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous=FULL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if _version(connection) == len(self._migrations):
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _version(connection)
            if version > len(self._migrations):
                raise sqlite3.DatabaseError(f"it was written by a newer shifter (schema {version}, known are {len(self._migrations)})")
            for statements in self._migrations[version:]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={len(self._migrations)}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    # errors

    def _failed(self, failure: Failure) -> Failure:
        if failure.check(sqlite3.Error, OSError):
            return Failure(self._unusable(failure.value))
        return failure

    def _unusable(self, error: BaseException | None) -> JournalError:
        return JournalError(f"{self.path}: the state cannot be used: {getattr(error, 'strerror', None) or error}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Have *connection* write ahead: a new database is turned to that under a lock that SQLite itself does not wait for."""
    for left in reversed(range(round(PATIENCE / _TURN))):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not left:
                raise
            sleep(_TURN)
        else:
            return


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
