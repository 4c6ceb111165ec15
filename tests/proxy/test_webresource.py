"""Routes that a resource of this process serves."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from shifter.model.route import (
    AppendAction,
    HeaderMutations,
    HeaderValueOption,
    PathMatchKind,
    Route,
    RouteMatch,
    UpgradeConfig,
    WebResourceAction,
)
from shifter.proxy.webresource import MAX_BODY, WebExchange, load_resource
from shifter.routing.errors import RoutingError
from tests.support.proxies import Proxy, get
from tests.support.webpages import Pages

HERE = "tests.support.webpages:"


@pytest.fixture(autouse=True)
def _nobody_waits() -> None:
    Pages.waiting.clear()


def proxy(**settings: Any) -> Proxy:
    added = HeaderValueOption(b"x-route", b"%ROUTE_NAME%", AppendAction.OVERWRITE_IF_EXISTS_OR_ADD)
    route = Route(
        RouteMatch(PathMatchKind.PREFIX, b"/"),
        WebResourceAction(HERE + "pages"),
        "pages",
        HeaderMutations(response_add=(added,)),
    )
    return Proxy((route,), **settings)


def test_a_resource_answers_with_the_routes_header_edits() -> None:
    served = proxy()
    client = served.connect(b"POST /echo?x=1 HTTP/1.1\r\nhost: a\r\nx-asked: this\r\ncontent-length: 5\r\n\r\nhel", b"lo")
    answer = client.take()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nx-seen: this" in head and b"\r\nx-route: pages" in head and b"\r\nserver: shifter" in head
    assert b"connection" not in head
    assert b"POST /echo?x=1 hello" in body
    client.say(get(b"/echo"))
    assert b"GET /echo " in client.take()
    served.settled(c200=2)


def test_forms_are_read_and_those_that_cannot_be_are_refused() -> None:
    def form(kind: bytes, body: bytes) -> bytes:
        lines = (b"content-type: " + kind, b"content-length: %d" % len(body))
        return get(b"/form?a=1", *lines, method=b"POST") + body

    served = proxy()
    client = served.connect(form(b"application/x-www-form-urlencoded", b"b=2"))
    assert client.take().endswith(b"{b'a': [b'1'], b'b': [b'2']}")
    client.say(form(b"multipart/form-data", b"nothing of the kind"))
    assert client.take().startswith(b"HTTP/1.1 400 ")
    served.settled(c200=1, c400=1)


@pytest.mark.parametrize("code", [100, 101, 199, 600, 1000])
def test_what_is_no_status_of_an_answer_is_a_fault_of_the_resource(code: int) -> None:
    served = proxy()
    client = served.connect(get(b"/status?code=%d" % code))
    assert client.take().startswith(b"HTTP/1.1 500 ")
    served.settled(c500=1)


def test_head_has_no_body_and_what_is_not_there_is_404() -> None:
    served = proxy()
    client = served.connect(b"HEAD /echo HTTP/1.1\r\nhost: a\r\n\r\n")
    assert client.take().endswith(b"\r\n\r\n")
    client.say(get(b"/nowhere"))
    assert client.take().startswith(b"HTTP/1.1 404 Not Found\r\n")
    served.settled(c200=1, c404=1)


def test_a_resource_may_take_its_time_and_write_in_pieces() -> None:
    served = proxy()
    client = served.connect(get(b"/wait"))
    assert client.take() == b""
    (request,) = Pages.waiting
    request.write(b"one")
    served.network.run()
    assert client.take().endswith(b"3\r\none\r\n")
    request.finish()
    served.network.run()
    assert client.take() == b"0\r\n\r\n"
    served.settled(c200=1)


def test_a_client_that_goes_is_told_to_the_resource() -> None:
    served = proxy()
    client = served.connect(get(b"/wait"))
    (request,) = Pages.waiting
    gone: Deferred[None] = request.notifyFinish()
    told: list[object] = []
    gone.addErrback(told.append)
    client.hang_up()
    served.network.run()
    assert told
    served.settled(c0=1)


def test_a_resource_that_waits_forever_is_ended() -> None:
    served = proxy(stream_idle_timeout=1.0)
    client = served.connect(get(b"/wait"))
    Pages.waiting[0].notifyFinish().addErrback(lambda _: None)
    served.wait(1.2)
    assert client.take().startswith(b"HTTP/1.1 504 ")
    served.settled(c504=1)


def test_what_was_announced_is_what_is_sent() -> None:
    served = proxy()
    client = served.connect(get(b"/long"))
    assert client.take().endswith(b"\r\n\r\nabc")
    client = served.connect(get(b"/short"))
    assert client.take().endswith(b"ab")
    assert client.closing


def test_a_resource_has_no_other_protocol() -> None:
    client = proxy(upgrades=(UpgradeConfig(b"websocket"),)).connect(get(b"/echo", b"connection: upgrade", b"upgrade: websocket"))
    assert client.take().startswith(b"HTTP/1.1 403 ")
    assert client.end == "fin"


def test_a_body_has_its_limit() -> None:
    served = proxy()
    client = served.connect(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % (MAX_BODY + 1), b"x" * (MAX_BODY + 1))
    assert client.take().startswith(b"HTTP/1.1 413 ")
    served.settled(c413=1)


def test_a_resource_that_fails_is_a_500_and_an_event(logged_failures: list[Failure]) -> None:
    client = proxy().connect(get(b"/broken"))
    assert client.take().startswith(b"HTTP/1.1 500 ")
    assert [str(failure.value) for failure in logged_failures] == ["out of paper"]
    logged_failures.clear()


class Pull:
    """A producer that is asked for each piece."""

    def __init__(self, request: Any, pieces: int) -> None:
        self.request = request
        self.left = pieces

    def resumeProducing(self) -> None:
        self.left -= 1
        self.request.write(b"x" * (1 if self.left >= 0 else 1 // 0))
        if not self.left:
            self.request.unregisterProducer()
            self.request.finish()

    def stopProducing(self) -> None:
        self.left = 0


def test_a_producer_that_is_pulled_is_pulled() -> None:
    served = proxy()
    client = served.connect(get(b"/wait"))
    (request,) = Pages.waiting
    exchange = request.channel
    assert isinstance(exchange, WebExchange)
    pulled: list[Any] = []

    def cooperate(work: Any) -> Any:
        pulled.append(work)
        return _Task()

    exchange._cooperate = cooperate
    request.registerProducer(Pull(request, 3), False)
    for _ in pulled[0]:
        served.network.run()
    assert client.take().count(b"1\r\nx\r\n") == 3
    served.settled(c200=1)


def test_a_producer_that_fails_cuts_the_answer(logged_failures: list[Failure]) -> None:
    served = proxy()
    client = served.connect(get(b"/wait"))
    (request,) = Pages.waiting
    request.channel._cooperate = lambda work: list(work) and _Task()
    request.registerProducer(Pull(request, 0), False)
    assert client.closing
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()


class _Task:
    def pause(self) -> None: ...
    def resume(self) -> None: ...


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pages", "not package.module:name"),
        ("no.such:thing", "cannot be loaded"),
        ("os:sep", "no twisted.web resource"),
        (HERE, "not package"),
    ],
)
def test_what_cannot_be_loaded_is_told(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        load_resource(name)
    with pytest.raises(RoutingError, match=reason):
        Proxy((Route(RouteMatch(PathMatchKind.PREFIX, b"/"), WebResourceAction(name)),))


def test_a_class_is_made_one() -> None:
    assert isinstance(load_resource(HERE + "Pages"), Pages)
