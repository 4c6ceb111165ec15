"""Changes of what is served: who wishes what, what came of it, and the line that it leaves in the audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum


class ChangeKind(Enum):
    """What a change was a change of."""

    CONFIG = "config"
    """The configuration's files were read again."""
    RUNTIME = "runtime"
    """Values of the runtime's admin layer."""
    WEIGHT = "weight"
    """Weights of one route, over what the files say."""
    UNDO = "undo"
    """An earlier change was taken back."""
    RELEASE = "release"
    """A release took a step."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who wants a change (``by``), for what reason (``why``; may be empty), and by which way it came (``origin``: ``SIGHUP``,
    ``file etc/front.yaml``, ``POST /weights from 127.0.0.1:50123``)."""

    by: str
    why: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class WeightOverride:
    """Weights of one route that hold over what the files say.

    ``weights`` are those of clusters by name; those that are not named keep what the files say. ``instead_of`` is what the files
    said when it was made: a file that says something else of this route by then is the later word, and the override ends.
    """

    route: str
    weights: Mapping[str, int]
    instead_of: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log: a change that was taken.

    ``number`` counts from 1 over the life of the log; ``when`` is in seconds of the wall clock. ``target`` names what was changed (a
    file, a route, runtime keys); ``before`` and ``after`` are what it said, as JSON has it, as far as that is small. ``changes`` are
    the lines that describe it (`service.changes`). ``version`` is that of the snapshot which was served from then on. ``undoes`` is
    the number of the change that this one took back, 0 for none.
    """

    number: int
    when: float
    kind: ChangeKind
    actor: Actor
    target: str
    changes: Sequence[str] = ()
    before: object = None
    after: object = None
    version: int = 0
    undoes: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return {**asdict(self), "kind": self.kind.value, "actor": asdict(self.actor), "changes": list(self.changes)}


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What came of a wish: ``taken`` with the ``entry`` it left in the audit log, or refused with its ``problems``.

    ``entry`` is ``None`` for one that was taken and changed nothing. ``version`` is that of the snapshot in force. ``warnings`` are
    what the author should know of one that was taken.
    """

    taken: bool
    version: int = 0
    entry: AuditEntry | None = None
    problems: Sequence[str] = ()
    warnings: Sequence[str] = ()

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return {
            "taken": self.taken,
            "version": self.version,
            "change": self.entry.to_dict() if self.entry is not None else None,
            "problems": list(self.problems),
            "warnings": list(self.warnings),
        }
