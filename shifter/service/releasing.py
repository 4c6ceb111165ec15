"""What releases are made with, put together: the store, the data path, the world outside, and what carries each of them on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool

from shifter.admin.release_view import Json, Refused
from shifter.model.bootstrap import Bootstrap
from shifter.model.release import Progress, ReleaseSpec
from shifter.observe.comparison import Second
from shifter.release.interfaces import DataPath, Record
from shifter.service.controller import Controller
from shifter.service.release_reading import read_again, read_new
from shifter.service.release_store import MemoryStore, ReleaseStore
from shifter.service.release_store_sqlite import SqliteReleaseStore
from shifter.service.releases import Around, Releases, Running
from shifter.service.state import StateDatabase


def store_of(database: StateDatabase | None, memo: Mapping[str, Any] | None) -> ReleaseStore:
    """Return where releases are written down: in *database*, or else in memory, with what the process before this one told (*memo*)."""
    return MemoryStore(read_again, memo) if database is None else SqliteReleaseStore(database, read_again)


def releases_of(reactor: Any, controller: Controller, wall: Callable[[], float], datapath: DataPath, store: ReleaseStore) -> Releases:
    """Put everything together."""

    def files() -> Bootstrap | None:
        inputs = controller.inputs
        return inputs.candidate.bootstrap if inputs is not None else None

    def aside(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        return deferToThreadPool(reactor, reactor.getThreadPool(), function, *arguments)

    around = Around(
        clock=reactor,
        wall=wall,
        datapath=datapath,
        run=_run,
        files=files,
        aside=aside,
        read=read_again,
        check=read_new,
        plan=_plan,
        patch=_patch,
    )
    return Releases(around, store)


def _run(record: Record, store: ReleaseStore) -> Running:
    raise NotImplementedError


def _plan(spec: ReleaseSpec) -> Deferred[Json | Refused]:
    return succeed({})


def _patch(spec: ReleaseSpec, progress: Progress) -> Deferred[str | Refused]:
    return succeed("")


class NoDataPath:
    """Holds no route."""

    def hold(self, spec: ReleaseSpec) -> Deferred[Sequence[str]]:
        return succeed(["no route can be held"])

    def let_go(self, release: str) -> Deferred[Sequence[str]]:
        return succeed([])

    def steer(self, release: str, progress: Progress) -> None: ...

    def take(self, release: str) -> Second | None:
        return None

    def judge_with(self, release: str, edges: tuple[Sequence[float], Sequence[float]]) -> None: ...

    def healthy_endpoints(self, cluster: str) -> tuple[int, int]:
        return 0, 0

    def observed(self, release: str) -> Mapping[str, object]:
        return {}
