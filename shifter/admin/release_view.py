"""What the admin pages may know of releases, and have done to them: the part of `view.AdminView` that is about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.defer import Deferred

from shifter.admin.page import Stream
from shifter.model.change import Actor
from shifter.model.release import Transition

Json = Mapping[str, object]

VERBS = ("promote", "pause", "resume", "brake", "abort", "retry", "undo", "finish")
"""What may be done to a release, beside answering its gates (``approve``, ``reject``)."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why something is not done: an HTTP ``status``, a ``title`` that is the same for all of a kind, a sentence, and whatever ``more`` is
    known as JSON has it (the ``state`` and the ``verbs`` that fit in it, ``problems`` with their places)."""

    status: int
    title: str
    detail: str
    more: Json = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return it as RFC 9457 has it."""
        return {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail, **self.more}


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of a release: one of `VERBS`, or ``approve`` and ``reject``, which are about ``gate``. ``to`` (per cent, as it was
    written) and ``full`` are of ``promote``. With ``version`` it is carried out only if the release is still at that one."""

    verb: str
    actor: Actor
    gate: str = ""
    to: str = ""
    full: bool = False
    version: int | None = None


class ReleasesView(Protocol):
    """The releases as the admin pages see them. No Deferred fails but for a disk that cannot be read; what cannot be done is `Refused`."""

    def start(self, text: str, source: str, actor: Actor, dry_run: bool = False) -> Deferred[Json | Refused]:
        """Begin the release that *text* (YAML or JSON) describes, which came from *source*; fires with how it is then. With *dry_run* only
        say what it would do: with its plan."""

    def listed(self) -> Sequence[Json]:
        """Return all releases that are known, the newest first: what is short of `status`, and how many ``steps`` there are."""

    def status(self, name: str, points: int | None = None) -> Json | None:
        """Return everything there is to see of a release; ``None`` when there is no such. Of its ``series`` only the last *points*."""

    def order(self, name: str, order: Order) -> Deferred[Json | Refused]:
        """Carry *order* out on the release *name*; fires with how that is then."""

    def plan(self, name: str) -> Deferred[Json | Refused]:
        """Fire with how long each step needs at the rate of the requests now."""

    def patch(self, name: str) -> Deferred[str | Refused]:
        """Fire with the change of the configuration's file that says what the release came to, as a unified diff; empty when it says so."""

    def events(self, name: str, after: int = 0, count: int = 1000) -> Deferred[list[Transition]]:
        """Fire with what happened to a release, in order, from behind the event *after*."""

    def history(self, count: int, before: int | None = None, name: str | None = None) -> Deferred[list[Transition]]:
        """Fire with the last *count* events, those with a number below *before* where that is given, of one release or of all; the newest
        first."""

    def listen(self, name: str, after: int) -> Stream | None:
        """Return the stream of what happens to a release, from behind the event *after*; ``None`` when as many listen as may."""
