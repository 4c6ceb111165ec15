"""What releases are made with, put together: the data path, the world outside, and what carries each of them on.

Rule 1. What only releases need is imported when there is one: a proxy without any starts as fast as before, and is as small.
"""

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from shifter.admin.release_view import Json, Refused
from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap
from shifter.model.release import Progress, ReleaseSpec
from shifter.release.interfaces import DataPath, Record
from shifter.service.controller import Controller
from shifter.service.release_journal import ReleaseJournal
from shifter.service.release_parts import Around, Running
from shifter.service.release_reading import check_new, patch_for, read_again, says
from shifter.service.release_store import ReleaseStore
from shifter.service.releases import Releases

if TYPE_CHECKING:
    from shifter.release.outreach import WebOutreach

Rates = Callable[[ReleaseSpec], Deferred[tuple[float | None, float | None]]]
"""Fires with how many requests a second a release's versions get, and which share of them fails; ``None`` where nobody knows."""


def releases_of(
    reactor: Any,
    clocks: tuple[Callable[[], float], Callable[[], float]],
    controller: Controller,
    datapath: DataPath,
    store: ReleaseStore,
    rates: Rates,
    admin: Callable[[], SocketAddress | None],
) -> Releases:
    """Put everything together. *clocks* are the monotonic one and that on the wall, *admin* returns where the admin listener is."""

    def files() -> Bootstrap | None:
        inputs = controller.inputs
        return inputs.candidate.bootstrap if inputs is not None else None

    def aside(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        return deferToThreadPool(reactor, reactor.getThreadPool(), function, *arguments)

    def holds() -> Collection[str]:
        inputs = controller.inputs
        return inputs.overrides.holds if inputs is not None else ()

    def patch(spec: ReleaseSpec, progress: Progress) -> Deferred[str | Refused]:
        inputs = controller.inputs
        return aside(patch_for, inputs.candidate.texts if inputs is not None else {}, spec, progress)

    outside = Outside(reactor, clocks[1], partial(page_of, admin))
    around = Around(
        clock=reactor,
        wall=clocks[1],
        datapath=datapath,
        world=outside,
        run=Runners(clocks, datapath, outside).run,
        files=files,
        holds=holds,
        aside=aside,
        read=read_again,
        check=check_new,
        plan=partial(_plan, rates),
        patch=patch,
        says=says,
    )
    releases = Releases(around, store)
    controller.served.append(releases.served)
    return releases


class Outside:
    """The world outside, which is there from the first release on."""

    def __init__(self, reactor: Any, wall: Callable[[], float], page: Callable[[str], str]) -> None:
        self._reactor = reactor
        self._wall = wall
        self._page = page
        self._made: WebOutreach | None = None

    def reach(self, store: ReleaseJournal) -> "WebOutreach":
        """Return it; what is told is read from *store*."""
        if self._made is None:
            from shifter.release.http import TreqHttp
            from shifter.release.outreach import WebOutreach

            self._made = WebOutreach(TreqHttp(self._reactor), store, self._reactor, self._wall, self._page)
        return self._made

    def watch(self, store: ReleaseJournal, spec: ReleaseSpec) -> None:
        """See `interfaces.Outreach`."""
        self.reach(store).watch(spec)

    def leave(self, release: str) -> None:
        """See `interfaces.Outreach`."""
        if self._made is not None:
            self._made.leave(release)

    def close(self) -> None:
        """End everything that is under way."""
        if self._made is not None:
            self._made.close()


class Runners:
    """Makes what carries a release on."""

    def __init__(self, clocks: tuple[Callable[[], float], Callable[[], float]], datapath: DataPath, outside: Outside) -> None:
        self._clocks = clocks
        self._datapath = datapath
        self._outside = outside

    def run(self, record: Record, store: ReleaseJournal) -> Running:
        """Return what carries *record* on."""
        from shifter.release import runner
        from shifter.release.judge import Verdict

        def judge(spec: ReleaseSpec, state: Mapping[str, object] | None) -> Verdict:
            return Verdict(spec.verdict, self._datapath.unit(spec.name), state)

        monotonic, wall = self._clocks
        return runner.Runner(record, runner.Around(judge, store, self._outside.reach(store), self._datapath, monotonic, wall, _needs))


def _needs(spec: ReleaseSpec, rate: float) -> Sequence[Mapping[str, object] | None]:
    from shifter.release.plan import needs

    return needs(spec, rate)


def _plan(rates: Rates, spec: ReleaseSpec) -> Deferred[Json | Refused]:
    from shifter.release.plan import plan
    from shifter.release.plan_text import plan_text

    def planned(known: tuple[float | None, float | None]) -> Json:
        said = plan(spec, *known).to_dict()
        return {**said, "lines": plan_text(said).splitlines()}

    return rates(spec).addCallback(planned)


def page_of(admin: Callable[[], SocketAddress | None], release: str) -> str:
    """Return the URL of the page of *release*; empty when there is no admin listener that has one."""
    from urllib.parse import quote

    address = admin()
    if address is None or not address.port:
        return ""
    host = address.host
    try:
        if ip_address(host).is_unspecified:
            host = socket.gethostname()
        elif ":" in host:
            host = f"[{host}]"
    except ValueError:
        pass
    return f"http://{host}:{address.port}/release/{quote(release, safe='')}"
