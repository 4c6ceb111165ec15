"""What the releases of a service need of others, and what carries one of them on."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from shifter.admin.release_view import Json, Refused
from shifter.model.bootstrap import Bootstrap
from shifter.model.change import Actor
from shifter.model.release import Progress, ReleaseSpec
from shifter.release.interfaces import DataPath, Record
from shifter.service.release_journal import ReleaseJournal
from shifter.service.release_reading import ReadRelease
from shifter.service.release_store import Read

Unless = Callable[[], Exception | None]
"""Says what there is against something that somebody wants, at the moment at which it would be done."""


class Running(Protocol):
    """What carries one release on (`release.runner.Runner`)."""

    @property
    def spec(self) -> ReleaseSpec: ...

    @property
    def progress(self) -> Progress: ...

    @property
    def alive(self) -> bool:
        """Whether it is to be ticked: something may become of it yet, or something is left to do."""

    def start(self, actor: Actor) -> Deferred[Any]:
        """Begin it."""

    def resume(self) -> None:
        """Go on with it in another process."""

    def tick(self) -> None:
        """A second has passed."""

    def verb(self, verb: str, actor: Actor, to: int | None = None, full: bool = False, unless: Unless | None = None) -> Deferred[Any]:
        """Do what somebody wants, *unless* there is something against it when it is its turn. Fails with that, or `errors.Refused`."""

    def supersede(self, actor: Actor, by: str) -> Deferred[Any]:
        """Leave the route to the release *by*."""

    def status(self, points: int | None = None) -> Json:
        """Return all that people may see."""

    def settled(self) -> Deferred[str]:
        """Fire when all that has happened to it is written down, or cannot be: then with why."""

    @property
    def unwritten(self) -> bool:
        """Whether something that holds here already is not written down."""

    def keep(self) -> None:
        """Write down what is known by now."""

    def stop(self) -> None:
        """Let it be: the process ends, or another one goes on with it."""


class World(Protocol):
    """Whoever releases talk to outside, as far as it is not their runners' business (`release.outreach.WebOutreach`)."""

    def watch(self, store: ReleaseJournal, spec: ReleaseSpec) -> None: ...

    def leave(self, release: str) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Around:
    """What releases are made with. ``run`` makes what carries one on, ``aside`` does something in a thread."""

    clock: Any
    wall: Callable[[], float]
    datapath: DataPath
    world: World
    run: Callable[[Record, ReleaseJournal], Running]
    files: Callable[[], Bootstrap | None]
    """What the configuration's files say; ``None`` before anything is served."""
    holds: Callable[[], Collection[str]]
    """The releases that hold a route in what is served."""
    aside: Callable[..., Deferred[Any]]
    read: Read
    check: Callable[[str, str, Bootstrap, Sequence[str]], ReadRelease]
    """Reads a new text, which came from somewhere, and checks it against what files say; some names are taken."""
    plan: Callable[[ReleaseSpec], Deferred[Json | Refused]]
    """How long its steps need."""
    patch: Callable[[ReleaseSpec, Progress], Deferred[str | Refused]]
    """How files would say what became of it."""
    says: Callable[[Bootstrap, ReleaseSpec, Progress], bool]
    """Whether files say what became of it."""
