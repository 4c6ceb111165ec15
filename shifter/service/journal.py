"""What is remembered of changes: the audit log, and what holds over the files (runtime values, weights, earlier files).

Rule 1. `Journal.append` fires when the change is as safe as it can be made; only then it is put in force. If it fails, it is not.
Rule 2. Entries are never changed and never removed. What is in force is what `Journal.load` returned, or the last ``inputs``.
Rule 3. What was in force before the last changes is remembered too, so that they can be taken back (`Journal.former`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from shifter.model.change import AuditEntry, WeightOverride
from shifter.model.release import RouteHold


class ShifterError(Exception):
    """A change cannot be made."""


class JournalError(ShifterError):
    """A change cannot be written down."""


@dataclass(frozen=True, slots=True)
class FilesOverride:
    """Earlier texts of the configuration's files that are served although the files say otherwise.

    ``texts`` are by path. ``instead_of`` is the `digest` of what the files said: files that say something else by then are the later
    word, and this ends.
    """

    texts: Mapping[str, bytes]
    instead_of: str


@dataclass(frozen=True, slots=True)
class Overrides:
    """What holds over what the files say.

    ``runtime`` is the admin layer of the runtime, by key, as it was written (``POST /runtime_modify``). ``weights`` are by the name of
    the route (`model.change.WeightOverride.route`). ``files`` is set while an undone change of the files is not served. ``holds`` are
    the routes that releases hold, by the name of the release.
    """

    runtime: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, WeightOverride] = field(default_factory=dict)
    files: FilesOverride | None = None
    holds: Mapping[str, RouteHold] = field(default_factory=dict)


NO_OVERRIDES = Overrides()


@dataclass(frozen=True, slots=True)
class Held:
    """What was in force at some time: the texts of the files, by path, and what held over them."""

    overrides: Overrides
    texts: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Former:
    """The last change, and what was in force before it; ``None`` where that is not remembered any more."""

    entry: AuditEntry
    held: Held | None


class Journal(Protocol):
    """See the module."""

    def load(self) -> Overrides:
        """Return what holds over the files, from before this process. Raises `JournalError`. It may take its time."""

    def begin(self, held: Held, entry: AuditEntry | None = None) -> Deferred[None]:
        """Note what is in force without a change of its own: at the start, and where files say the same in other words.

        If it is not what was in force last, *entry* is written down, where there is one. Fails with `JournalError`.
        """

    def append(self, entry: AuditEntry, held: Held) -> Deferred[AuditEntry]:
        """Write down *entry*, whose number is given here, and what is in force from then on. Fails with `JournalError`."""

    def entries(self, count: int, before: int | None = None) -> Deferred[list[AuditEntry]]:
        """Fire with the last *count* entries, those with a number below *before* where that is given; the newest first."""

    def former(self) -> Deferred[Former | None]:
        """Fire with the last change and what was in force before it; with ``None`` when nothing was changed yet."""

    def close(self) -> Deferred[None]:
        """Write nothing more; fires when nothing is under way."""


def digest(texts: Mapping[str, bytes]) -> str:
    """Return what tells these files from others, with other names or other contents."""
    found = sha256()
    for path, text in sorted(texts.items()):
        found.update(b"%d %b %d " % (len(path.encode("utf-8", "surrogateescape")), path.encode("utf-8", "surrogateescape"), len(text)))
        found.update(text)
    return found.hexdigest()


KEPT = 1000
"""Entries that are remembered without a state directory."""
KEPT_STATES = 20
"""Changes that what was in force before them is remembered of."""


class MemoryJournal:
    """Remembers as long as the process lives: what is used without a state directory."""

    def __init__(self, overrides: Overrides = NO_OVERRIDES) -> None:
        self._overrides = overrides  # from a process that had no directory either
        self._entries: list[AuditEntry] = []
        self._held: dict[int, Held] = {}
        self._number = 0

    def load(self) -> Overrides:
        """See `Journal`."""
        return self._overrides

    def begin(self, held: Held, entry: AuditEntry | None = None) -> Deferred[None]:
        """See `Journal`."""
        self._held[self._number] = held
        return succeed(None)

    def append(self, entry: AuditEntry, held: Held) -> Deferred[AuditEntry]:
        """See `Journal`."""
        self._number += 1
        written = replace(entry, number=self._number)
        self._entries.append(written)
        del self._entries[:-KEPT]
        self._held[self._number] = held
        self._held.pop(self._number - KEPT_STATES, None)
        return succeed(written)

    def entries(self, count: int, before: int | None = None) -> Deferred[list[AuditEntry]]:
        """See `Journal`."""
        wanted = [entry for entry in reversed(self._entries) if before is None or entry.number < before]
        return succeed(wanted[:count])

    def former(self) -> Deferred[Former | None]:
        """See `Journal`."""
        if not self._entries:
            return succeed(None)
        return succeed(Former(self._entries[-1], self._held.get(self._number - 1)))

    def close(self) -> Deferred[None]:
        """See `Journal`."""
        return succeed(None)
