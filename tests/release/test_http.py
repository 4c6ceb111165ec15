"""What can be said of requests to servers outside without one; the rest is in tests/live/test_release_outreach.py."""

import subprocess
import sys
from itertools import islice
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from shifter.release import http
from shifter.release.http import AT_ONCE, HttpAnswer, Request, TreqHttp
from shifter.upstream.dns import Resolver


def test_whoever_has_no_release_imports_no_treq() -> None:
    code = "import sys, shifter.release.outreach, shifter.release.http; sys.exit('treq' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


class Library:
    """Stands for ``http_exchange``: requests wait in ``made``."""

    def __init__(self) -> None:
        self.loaded = 0
        self.loading: Deferred[Any] = Deferred()
        self.made: list[tuple[Request, Deferred[HttpAnswer]]] = []

    async def exchange(self, reactor: Any, resolver: Resolver, request: Request) -> HttpAnswer:
        answer: Deferred[HttpAnswer] = Deferred()
        self.made.append((request, answer))
        return await answer


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library()

    def load(*_: Any) -> Deferred[Any]:
        library.loaded += 1
        return library.loading

    monkeypatch.setattr(http, "deferToThreadPool", load)
    return library


class Reactor(Clock):
    def getThreadPool(self) -> None:
        return None


@pytest.fixture
def client(library: Library) -> TreqHttp:
    library.loading.callback(library)
    return TreqHttp(Reactor(), Resolver(None, resolv_conf=None, hosts=None))


def test_it_is_imported_once_and_no_more_than_so_many_requests_to_a_server_are_under_way(library: Library) -> None:
    client = TreqHttp(Reactor(), Resolver(None, resolv_conf=None, hosts=None))
    found: list[Any] = []
    for number in range(AT_ONCE + 2):
        client.request("GET", f"http://a/{number}").addBoth(found.append)
    assert not library.made
    library.loading.callback(library)
    assert library.loaded == 1
    assert len(library.made) == AT_ONCE
    library.made[0][1].callback(HttpAnswer(200))
    library.made[1][1].errback(OSError("no"))
    assert len({request.url for request, _ in library.made}) == AT_ONCE + 2
    assert found[0].status == 200
    assert found[1].check(OSError)
    client.close()
    assert len(found) == AT_ONCE + 2
    assert all(failure.check(CancelledError) for failure in found[2:])


def test_servers_that_do_not_answer_hold_up_nobody_else(library: Library, client: TreqHttp) -> None:
    for number in range(AT_ONCE + 2):
        client.request("POST", f"http://u{number}:p@Dead:80/{number}").addErrback(lambda _: None)
        client.request("POST", f"http://dead/{number}").addErrback(lambda _: None)
    assert len(library.made) == AT_ONCE, "that is one server, however it is written"
    others = ["http://dead:8080/", "https://dead/", "http://gate/", "http://[::1]:80/", "nothing", "http://dead:port/"]
    for url in others:
        client.request("POST", url).addErrback(lambda _: None)
    assert [request.url for request, _ in library.made[AT_ONCE:]] == others
    client.close()


def test_a_server_that_nobody_asks_is_forgotten(library: Library, client: TreqHttp) -> None:
    asked = [client.request("GET", "http://a/").addErrback(lambda _: None) for _ in range(AT_ONCE + 3)]
    asked[-1].cancel()  # while it waits
    asked[0].cancel()
    for _, answer in islice(library.made, 1, None):  # more and more are made meanwhile
        answer.callback(HttpAnswer(200))
    assert len(library.made) == AT_ONCE + 2
    assert not client._turns
    client.request("GET", "http://a/").addErrback(lambda _: None)
    assert len(client._turns) == 1
    client.close()
    assert not client._turns
