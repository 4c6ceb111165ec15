"""Who is answered by the admin listener, and how."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.server import Site

from shifter.admin import AdminResource, AdminSite, AdminView, site
from shifter.admin.page import MAX_BODY, Command, Page, Query, Sink, Stream
from shifter.admin.pages import COMMANDS
from shifter.admin.site import IDLE_TIMEOUT
from shifter.model.change import Actor
from shifter.model.report import Report
from tests.support.admin import Asker, FixedView
from tests.support.reports import a_report

SHOWING = [
    command.path.replace("{name}", "r-1") for command in COMMANDS if command.method == "GET" and not command.path.endswith("/events")
]
LACKING = ["/heap_dump", "/memory/tcmalloc", "/peak_heap_dump"]
CHANGING = [command.path for command in COMMANDS if command.method == "POST"]


@pytest.mark.parametrize("path", SHOWING)
def test_every_page_answers_with_envoys_headers(path: str) -> None:
    answer = Asker().ask(path)
    assert answer.status == (501 if path in LACKING else 200)
    assert answer.headers["cache-control"] == "no-cache, max-age=0"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["server"] == "shifter"
    assert int(answer.headers["content-length"]) == len(answer.body.encode()) > 0


@pytest.mark.parametrize("path", SHOWING)
def test_head_is_get_without_the_body(path: str) -> None:
    asker = Asker()
    full, bare = asker.ask(path), asker.ask(path, "HEAD")
    assert bare.body == ""
    assert [(name, value) for name, value in bare.headers.items() if name.lower() != "date"] == [
        (name, value) for name, value in full.headers.items() if name.lower() != "date"
    ]


@pytest.mark.parametrize("path", [command.path for command in COMMANDS if command.method == "GET" and command.changing is None])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_what_shows_something_takes_no_other_method(path: str, method: str) -> None:
    answer = Asker().ask(path, method, ["Host: localhost", "Content-Length: 2"], b"hi")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert answer.body == f"Method {method} not allowed, GET required."


@pytest.mark.parametrize("path", CHANGING)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "BREW"])
def test_what_changes_something_is_a_post(path: str, method: str) -> None:
    view = FixedView()
    answer = Asker(view).ask(path, method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert answer.body == f"Method {method} not allowed, POST required."
    assert view.done == []


@pytest.mark.parametrize("path", ["/nothing", "//ready", "/ready/", "/stats/", "/READY", "/stats/../ready", "/%72eady"])
def test_an_unknown_path_lists_the_known(path: str) -> None:
    answer = Asker().ask(path)
    assert answer.status == 404
    assert answer.body.startswith("invalid path. admin commands are:\n  /: Admin home page\n")


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


def test_a_body_that_is_too_long_is_not_kept_and_refused() -> None:
    asker = Asker()
    asker.send("/reload", "POST", ["Host: localhost", f"Content-Length: {MAX_BODY + 2}"], b"x" * MAX_BODY)
    body = asker.channel._channel.requests[0].content
    assert len(body.getvalue()) == MAX_BODY
    asker.channel.dataReceived(b"x")
    assert body.getvalue() == b""
    asker.channel.dataReceived(b"x")
    assert body.too_long
    assert asker.answer().status == 413


def told(monkeypatch: pytest.MonkeyPatch, method: str = "POST") -> list[Query]:
    """Have ``/x`` there, and return what it is asked."""
    asked: list[Query] = []

    def answer(view: AdminView, query: Query) -> Deferred[Page]:
        asked.append(query)
        return succeed(Page("well"))

    monkeypatch.setitem(site._COMMANDS, b"/x", Command("/x", "", answer, method=method))
    return asked


def test_a_page_is_given_the_body_that_was_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = told(monkeypatch)
    asker = Asker()
    asker.send("/x", "POST", ["Host: localhost", "Content-Length: 5", "Expect: 100-continue"])
    assert asker.transport.value() == b"HTTP/1.1 100 Continue\r\n\r\n"
    asker.channel.dataReceived(b"hello")
    assert asked[0].body == b"hello"


def test_who_asks_is_said_by_parameters_or_by_header_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = told(monkeypatch)
    asker = Asker()
    origin = "POST /x from 192.168.1.1:54321"
    asker.ask("/x", "POST")
    assert asked[-1].actor == asked[-1].sender == Actor("operator", "", origin)
    fields = ["Host: localhost", "X-Shifter-By: ann", "X-Shifter-Why: too\tslow"]
    asker.ask("/x", "POST", fields)
    assert asked[-1].actor == asked[-1].sender == Actor("ann", "too slow", origin)
    asker.ask("/x?by=%C3%A4%0A%1B[1m&why=" + "y" * 2000, "POST", fields)
    assert asked[-1].actor == Actor("ä [1m", "y" * 1000, origin)
    assert asked[-1].sender.by == "ann"


def test_a_stream_is_written_until_its_client_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    sinks: list[Any] = []
    stopped: list[str] = []

    def start(sink: Sink) -> Callable[[], None]:
        sinks.append(sink)
        return lambda: stopped.append("stopped")

    stream = Stream(start, "text/event-stream")
    monkeypatch.setitem(site._COMMANDS, b"/x", Command("/x", "", lambda view, query: succeed(stream)))
    asker = Asker()
    assert asker.ask("/x", "HEAD").headers["content-type"] == "text/event-stream"
    assert sinks == []
    asker.send("/x")
    assert b"text/event-stream" in asker.transport.value()
    sinks[0].write(b"data: 1\n\n")
    assert asker.transport.value().endswith(b"data: 1\n\n\r\n")
    assert not sinks[0].full
    asker.channel._channel.pauseProducing()
    assert sinks[0].full
    asker.channel._channel.resumeProducing()
    assert not sinks[0].full and stopped == []
    asker.channel.connectionLost(Failure(ConnectionLost()))
    assert stopped == ["stopped"]
    sinks[0].write(b"nobody hears")
    sinks[0].finish()


def test_a_stream_may_end_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[str] = []

    def start(sink: Sink) -> Callable[[], None]:
        sink.write(b"all")
        sink.finish()
        return lambda: stopped.append("stopped")

    monkeypatch.setitem(site._COMMANDS, b"/x", Command("/x", "", lambda view, query: succeed(Stream(start, "text/plain"))))
    asker = Asker()
    assert asker.ask("/x").body == "3\r\nall\r\n0\r\n\r\n"
    assert stopped == ["stopped"]
    assert asker.transport.disconnecting


def test_an_idle_connection_ends() -> None:
    asker = Asker()
    asker.ask("/ready")
    assert not asker.transport.disconnecting
    asker.clock.advance(IDLE_TIMEOUT + 1)
    assert asker.transport.disconnecting


def test_nothing_ticks_while_nobody_asks() -> None:
    clock = Clock()
    factory = AdminSite(FixedView(), reactor=clock)
    factory.startFactory()
    assert clock.getDelayedCalls() == []
    factory.stopFactory()


def test_the_resource_works_in_anybodys_site() -> None:
    anybodys: Any = Site(AdminResource(FixedView()), reactor=Clock())
    assert Asker(site=anybodys).ask("/ready").body == "LIVE\n"


def test_an_empty_report_is_no_reason_to_fail() -> None:
    for path in SHOWING:
        view = FixedView()
        view.told_report = Deferred()
        view.told_report.callback(Report())
        view.told_snapshot = None
        assert Asker(view).ask(path).status == (501 if path in LACKING else 200)
