"""What is remembered of changes: the audit log, and what holds over the files (runtime values, weights).

Rule 1. `Journal.append` fires when the change is as safe as it can be made; only then it is put in force. If it fails, it is not.
Rule 2. Entries are never changed and never removed. What is in force is what `Journal.load` returned, or the last ``inputs``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from shifter.model.change import AuditEntry, WeightOverride


class ShifterError(Exception):
    """A change cannot be made."""


class JournalError(ShifterError):
    """A change cannot be written down."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What holds over what the files say.

    ``runtime`` is the admin layer of the runtime, by key, as it was written (``POST /runtime_modify``). ``weights`` are by the name of
    the route (`model.change.WeightOverride.route`).
    """

    runtime: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, WeightOverride] = field(default_factory=dict)


class Journal(Protocol):
    """See the module."""

    def load(self) -> Overrides:
        """Return what holds over the files, from before this process. Raises `JournalError`. It may take its time."""

    def append(self, entry: AuditEntry, overrides: Overrides) -> Deferred[AuditEntry]:
        """Write down *entry*, whose number is given here, and what holds from then on. Fails with `JournalError`."""

    def entries(self, count: int, before: int | None = None) -> Deferred[list[AuditEntry]]:
        """Fire with the last *count* entries, those with a number below *before* where that is given; the newest first."""

    def close(self) -> Deferred[None]:
        """Write nothing more; fires when nothing is under way."""


KEPT = 1000
"""Entries that are remembered without a state directory."""


class MemoryJournal:
    """Remembers as long as the process lives: what is used without a state directory."""

    def __init__(self) -> None:
        self._entries: list[AuditEntry] = []
        self._number = 0

    def load(self) -> Overrides:
        """See `Journal`."""
        return Overrides()

    def append(self, entry: AuditEntry, overrides: Overrides) -> Deferred[AuditEntry]:
        """See `Journal`."""
        self._number += 1
        written = replace(entry, number=self._number)
        self._entries.append(written)
        del self._entries[:-KEPT]
        return succeed(written)

    def entries(self, count: int, before: int | None = None) -> Deferred[list[AuditEntry]]:
        """See `Journal`."""
        wanted = [entry for entry in reversed(self._entries) if before is None or entry.number < before]
        return succeed(wanted[:count])

    def close(self) -> Deferred[None]:
        """See `Journal`."""
        return succeed(None)
