"""Webhooks, notifications and checks over real connections, to servers that are slow, dead, broken, or not who they should be."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.ssl import ContextFactory
from twisted.internet.task import Clock, deferLater
from twisted.logger import capturedLogs
from twisted.protocols.policies import WrappingFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from shifter.model.release import Gate, GateKind, Notification, ReleaseSpec, RouteReference, State, Step
from shifter.release.http import KEPT, TreqHttp
from shifter.release.interfaces import Answer
from shifter.release.outreach import WebOutreach
from tests.release.test_outbox import Table
from tests.release.test_webhook import verified
from tests.support.certificates import Authority
from tests.support.outreach import WALL


class Receiver(Resource):
    """Does what the path says. ``got`` are the requests to each path."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.got: dict[str, list[Any]] = {}
        self.bodies: list[bytes] = []

    def render(self, request: Any) -> bytes | int:
        path = request.path.decode()
        got = self.got.setdefault(path, [])
        got.append(request)
        self.bodies.append(request.content.read())
        match path:
            case "/slow":
                request.notifyFinish().addErrback(lambda gone: None)
                return NOT_DONE_YET
            case "/reset":
                request.notifyFinish().addErrback(lambda gone: None)
                request.transport.abortConnection()
                return NOT_DONE_YET
            case "/redirect":
                request.setResponseCode(302)
                request.setHeader("location", "/ok")
            case "/flaky":
                request.setResponseCode(500 if len(got) < 3 else 200)
            case "/conflict":
                request.setResponseCode(409)
                return b'{"reason": "frozen until Monday"}'
            case "/huge":
                return b"x" * (4 << 20)
            case "/cookie":
                request.addCookie("session", "1")
        return f"{path} {request.getHeader('cookie')} {request.getHeader('accept-encoding')}".encode()


class Outside:
    """The receiver at ``url``, and what reaches it."""

    def __init__(self, receiver: Receiver, url: str, secure: str, http: TreqHttp) -> None:
        self.receiver, self.url, self.secure, self.http = receiver, url, secure, http

    def get(self, path: str, **said: Any) -> Deferred[Answer]:
        return self.http.request("GET", self.url + path, **said)


class Secure(ContextFactory):
    """TLS with the certificate in a file."""

    def __init__(self, both: Path) -> None:
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.use_certificate_chain_file(str(both))
        self._context.use_privatekey_file(str(both))

    def getContext(self) -> SSL.Context:
        return self._context


@pytest_twisted.async_yield_fixture
async def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    authority = Authority()
    authority.issue("localhost").write(tmp_path, "server")
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    receiver = Receiver()
    site = WrappingFactory(Site(receiver))  # which knows its connections
    options = Secure(tmp_path / "server.both.pem")
    plain = reactor.listenTCP(0, site, interface="127.0.0.1")
    secure = reactor.listenSSL(0, site, options, interface="127.0.0.1")
    http = TreqHttp(reactor)
    yield Outside(receiver, f"http://127.0.0.1:{plain.getHost().port}", f"https://localhost:{secure.getHost().port}", http)
    http.close()
    await maybeDeferred(plain.stopListening)
    await maybeDeferred(secure.stopListening)
    while site.protocols:
        await deferLater(reactor, 0.0)


@pytest_twisted.ensureDeferred
async def test_answers_of_all_kinds(outside: Outside, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with capturedLogs() as logged:
        assert (await outside.get("/cookie")).headers["set-cookie"] == "session=1"
    assert not [event for event in logged if "factory" in event]  # twisted tells of each connection otherwise
    assert (await outside.get("/ok")).body == b"/ok None identity"
    assert (await outside.get("/redirect")).status == 302
    assert len((await outside.get("/huge")).body) == KEPT
    assert (await outside.http.request("GET", outside.secure + "/ok")).status == 200
    dead = reactor.listenTCP(0, Site(Resource()), interface="127.0.0.1")
    port = dead.getHost().port
    await maybeDeferred(dead.stopListening)
    unheard = reactor.listenTCP(0, Site(Resource()), interface="127.0.0.1")
    unheard.stopReading()
    for url, why, said in (
        (outside.url + "/reset", "closed before the end", {}),
        (outside.url + "/slow", r"no answer within 0\.1 s", {"timeout": 0.1}),
        (f"http://127.0.0.1:{unheard.getHost().port}/", r"no answer within 0\.1 s", {"timeout": 0.1}),
        (f"http://127.0.0.1:{port}/", "refused", {}),
        (outside.secure.replace("localhost", "127.0.0.1") + "/ok", "certificate is of another server", {}),
        ("http://receiver.invalid:8080/", "receiver.invalid", {"timeout": 0.1}),
        ("http://[::1/s3cret", "not the URL", {}),
        ("ftp://ci.example/s3cret", "not the URL", {}),
    ):
        with pytest.raises(OSError, match=why) as caught:
            await outside.http.request("GET", url, **said)  # type: ignore[arg-type]
        assert "s3cret" not in str(caught.value)
    await maybeDeferred(unheard.stopListening)
    (tmp_path / "ca.pem").write_bytes(Authority("Another CA").pem)
    with pytest.raises(OSError, match="certificate verify failed"):
        await outside.http.request("GET", outside.secure + "/ok")
    assert len(outside.receiver.got["/reset"]) == 1  # nothing was sent twice


@pytest_twisted.ensureDeferred
async def test_a_release_reaches_out(outside: Outside) -> None:
    """A slow receiver and one that fails twice: the events come in order, the gate is asked, and the end leaves nothing behind."""
    gate = Gate(GateKind.WEBHOOK, "step-1", outside.url + "/conflict", secret="sesame")
    notify = (
        Notification(webhook=outside.url + "/slow", timeout=600.0),
        Notification(webhook=outside.secure + "/flaky", secret="sesame"),
        Notification(slack=outside.url + "/ok", on=frozenset(("rolled_back",))),
    )
    spec = ReleaseSpec("r-1", RouteReference("backend"), "service1", "service1a", (Step(1, 10_000, gate=gate),), notify=notify)
    clock, table = Clock(), Table()
    outreach = WebOutreach(outside.http, table, clock, lambda: WALL, random=lambda: 0.0)  # type: ignore[arg-type]
    outreach.watch(spec)
    outreach.told(table.add("started"))
    answer = await outreach.ask(spec, gate, {"step": 1})
    assert (answer.verdict, answer.reason) == ("rejected", "frozen until Monday")
    outreach.told(table.add("rolled_back", state=State.ROLLED_BACK, held=False))
    got = outside.receiver.got
    while len(got.get("/flaky", ())) < 4 or "/ok" not in got:
        clock.advance(10.0)
        await deferLater(reactor, 0.0)
    flaky = got["/flaky"]
    assert [request.getHeader("x-shifter-event") for request in flaky] == ["started", "started", "started", "rolled_back"]
    assert len({request.getHeader("idempotency-key") for request in flaky}) == 2
    signed = [header for request in flaky if (header := request.getHeader("x-shifter-signature"))]
    assert all(any(verified("sesame", header, body) for body in outside.receiver.bodies) for header in signed)
    assert len(signed) == 4
    assert outreach.notifications("r-1")[0]["waiting"] == 2
    assert len(got["/slow"]) == 1
    outreach.close()
    assert not clock.getDelayedCalls()
