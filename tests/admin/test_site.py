"""Who is answered by the admin listener, and how."""

import gc
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.server import Site

from shifter.admin import AdminResource, AdminSite
from shifter.admin.pages import COMMANDS
from shifter.admin.site import IDLE_TIMEOUT, is_own_host
from shifter.model.report import Report
from tests.support.admin import Asker, FixedView
from tests.support.reports import a_report


@pytest.mark.parametrize("path", [command.path for command in COMMANDS])
def test_every_page_answers_with_envoys_headers(path: str) -> None:
    answer = Asker().ask(path)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-cache, max-age=0"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["server"] == "shifter"
    assert int(answer.headers["content-length"]) == len(answer.body.encode()) > 0


@pytest.mark.parametrize("path", [command.path for command in COMMANDS])
def test_head_is_get_without_the_body(path: str) -> None:
    asker = Asker()
    full, bare = asker.ask(path), asker.ask(path, "HEAD")
    assert bare.body == ""
    assert [(name, value) for name, value in bare.headers.items() if name.lower() != "date"] == [
        (name, value) for name, value in full.headers.items() if name.lower() != "date"
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_nothing_can_be_changed_here(method: str) -> None:
    answer = Asker().ask("/ready", method, ["Host: localhost", "Content-Length: 2"], b"hi")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert answer.body == f"Method {method} not allowed, GET required.\n"


@pytest.mark.parametrize("path", ["/nothing", "//ready", "/ready/", "/stats/", "/READY", "/stats/../ready", "/%72eady"])
def test_an_unknown_path_lists_the_known(path: str) -> None:
    answer = Asker().ask(path)
    assert answer.status == 404
    assert answer.body.startswith("invalid path. admin commands are:\n  /: Admin home page\n  /certs: print certs on machine\n")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8001", "[::1]:8001", "::1", "localhost:8001", "LOCALHOST", "front", "a.localhost", "10.0.0.1."]
)
def test_own_hosts(host: str) -> None:
    assert is_own_host(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8001", "127.0.0.1.evil.example", "localhost.evil.example.", "1.2.3", "a.b:c:d"]
)
def test_foreign_hosts(host: str) -> None:
    assert not is_own_host(host)
    answer = Asker().ask("/config_dump", headers=[f"Host: {host}"])
    assert answer.status == 403
    assert "configs" not in answer.body


def test_configured_hosts_are_own() -> None:
    assert Asker(names=["Admin.Example"]).ask("/ready", headers=["Host: admin.example:8001"]).status == 200


def test_several_hosts_are_nobodys() -> None:
    assert Asker().ask("/ready", headers=["Host: localhost", "Host: localhost"]).status == 403


def test_a_page_waits_for_the_figures() -> None:
    view = FixedView()
    view.told_report = Deferred()
    asker = Asker(view)
    asker.send("/stats")
    assert asker.transport.value() == b""
    view.told_report.callback(a_report())
    assert "server.live: 1\n" in asker.answer().body


def test_figures_that_do_not_come_are_a_503_and_one_event(logged_failures: list[Failure]) -> None:
    view = FixedView()
    view.told_report = Deferred()
    asker = Asker(view)
    asker.send("/stats")
    view.told_report.errback(RuntimeError("a worker died"))
    answer = asker.answer()
    assert answer.status == 503
    assert "worker" not in answer.body
    assert [failure.type for failure in logged_failures] == [RuntimeError]
    logged_failures.clear()


def test_a_client_that_leaves_cancels_its_question(logged_failures: list[Failure]) -> None:
    cancelled: list[object] = []
    view = FixedView()
    view.told_report = Deferred(cancelled.append)
    asker = Asker(view)
    asker.send("/stats")
    asker.channel.connectionLost(Failure(ConnectionLost()))
    assert cancelled == [view.told_report]
    gc.collect()
    assert logged_failures == []


def test_bodies_are_thrown_away_as_they_come() -> None:
    asker = Asker()
    asker.send("/ready", "POST", ["Host: localhost", "Content-Length: 1000000"], b"x" * 500000)
    request = asker.channel._channel.requests[0]
    assert request.content.getvalue() == b""
    asker.channel.dataReceived(b"x" * 500000)
    assert asker.answer().status == 405


def test_an_idle_connection_ends() -> None:
    asker = Asker()
    asker.ask("/ready")
    assert not asker.transport.disconnecting
    asker.clock.advance(IDLE_TIMEOUT + 1)
    assert asker.transport.disconnecting


def test_nothing_ticks_while_nobody_asks() -> None:
    clock = Clock()
    site = AdminSite(FixedView(), reactor=clock)
    site.startFactory()
    assert clock.getDelayedCalls() == []
    site.stopFactory()


def test_the_resource_works_in_anybodys_site() -> None:
    site: Any = Site(AdminResource(FixedView()), reactor=Clock())
    assert Asker(site=site).ask("/ready").body == "LIVE\n"


def test_an_empty_report_is_no_reason_to_fail() -> None:
    for command in COMMANDS:
        view = FixedView()
        view.told_report = Deferred()
        view.told_report.callback(Report())
        view.told_snapshot = None
        assert Asker(view).ask(command.path).status == 200
