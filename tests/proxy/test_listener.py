"""What happens between accepting a connection and its first request: first bytes are looked at, a filter chain is chosen, TLS spoken."""

import contextlib
import ssl
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256 as Sha256
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.logger import LogLevel, globalLogPublisher

from shifter.model.address import SocketAddress
from shifter.model.http_connection_manager import ClientCertDetails, ForwardClientCert, HttpConnectionManager
from shifter.model.listener import FilterChain, FilterChainMatch, Listener, ProxyProtocol
from shifter.model.route import DirectResponseAction, PathMatchKind, Route, RouteConfiguration, RouteMatch, TlsContextMatch, VirtualHost
from shifter.model.tls import CertificateValidation, DownstreamTlsContext
from shifter.net.tls import ServerContexts
from shifter.observe.accesslog import AccessLogWriter
from shifter.observe.logformat import compile_format
from shifter.observe.stats import ListenerStats, counter
from shifter.proxy import inspection
from shifter.proxy.access_log import AccessLog
from shifter.proxy.connection_manager import ConnectionManager
from shifter.proxy.door import make_door
from shifter.proxy.door_h2 import take_over
from shifter.proxy.listener import ListenerRuntime, keyed_chains
from shifter.proxy.tree import ListenerResource
from shifter.wire.client_hello import ClientHello, read_client_hello
from shifter.wire.proxy_protocol import v1_header, v2_header
from tests.support.proxies import Memory, Proxy, forward, get
from tests.support.tls_ends import Stdlib, authority, downstream, leaf, stdlib_client
from tests.support.transports import FakeTransport

LOG = "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %REQUESTED_SERVER_NAME% %FILTER_CHAIN_NAME% %DOWNSTREAM_TRANSPORT_FAILURE_REASON%\n"
REQUESTS = (
    "%RESPONSE_CODE% %DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% "
    "%REQ(X-FORWARDED-PROTO)% %REQ(:SCHEME)% %DOWNSTREAM_TLS_VERSION% %FILTER_CHAIN_NAME%\n"
)
INSIDE, OUTSIDE = SocketAddress("192.0.2.10", 443), SocketAddress("203.0.113.5", 1234)
CHECKING = CertificateValidation(trusted_ca=authority().pem)


def chain(name: str = "", tls: DownstreamTlsContext | None = None, match: FilterChainMatch | None = None, **settings: Any) -> FilterChain:
    config = RouteConfiguration(virtual_hosts=(VirtualHost("all", (b"*",), ROUTES),))
    return FilterChain(HttpConnectionManager("http", config, **settings), match or FilterChainMatch(), tls, name=name)


def certificate_route(path: bytes, **match: bool) -> Route:
    return Route(RouteMatch(PathMatchKind.PREFIX, path, tls_context=TlsContextMatch(**match)), DirectResponseAction(200, b"yes"))


ROUTES = (certificate_route(b"/shown", presented=True), certificate_route(b"/valid", validated=True), forward(b"/", "one"))


class _Contexts:
    """What a chain shakes hands with; ``None``: its secret has not come."""

    def __init__(self, config: DownstreamTlsContext | None) -> None:
        self.current = ServerContexts(config) if config is not None else None


class Front:
    """A listener over a `Proxy`'s network."""

    def __init__(self, *chains: FilterChain, ready: bool = True, **listener: Any) -> None:
        self.proxy = Proxy()
        self.network = self.proxy.network
        self.worker = self.proxy.worker
        self.stats = ListenerStats()
        self.filters: dict[str, int] = {}
        self.logs = {"listener": Memory(), "requests": Memory()}
        self._writers = {name: AccessLogWriter(name, lambda path: self.logs[path]) for name in self.logs}
        self._ready = ready
        self.services: dict[Any, ConnectionManager] = {}
        config = self._config(chains, listener)
        self.runtime = ListenerRuntime(
            config,
            self._services(config),
            self.worker,
            self.stats,
            tls=self._tls(config),
            access_logs=[self._access_log("listener", LOG)],
            count=counter(self.filters),
        )
        self.worker.listeners = [self.runtime]

    @staticmethod
    def _config(chains: tuple[FilterChain, ...], listener: dict[str, Any]) -> Listener:
        return Listener("front", SocketAddress("192.0.2.1", 80), chains, **listener)

    def _access_log(self, name: str, form: str) -> AccessLog:
        return AccessLog(compile_format(form), self._writers[name])

    def _tls(self, config: Listener) -> dict[Any, _Contexts]:
        return {key: _Contexts(one.tls if self._ready else None) for key, one in keyed_chains(config) if one.tls is not None}

    def _services(self, config: Listener) -> dict[Any, ConnectionManager]:
        services = {}
        for key, one in keyed_chains(config):
            assert isinstance(one.filter, HttpConnectionManager)
            log = [self._access_log("requests", REQUESTS)]
            tree = ListenerResource(one.filter, self.proxy.clusters.__getitem__)
            served = self.services.get(key)
            if served is not None:
                served.configure(config, one.filter, tree, log, chain=one)
            services[key] = served or ConnectionManager(
                config, one.filter, self.worker, tree, log, make_door(take_over), listener_stats=self.stats, chain=one
            )
        self.services = services
        return services

    def reload(self, *chains: FilterChain, **listener: Any) -> None:
        config = self._config(chains, listener)
        self.runtime.configure(config, self._services(config), tls=self._tls(config), access_logs=[self._access_log("listener", LOG)])

    def connect(self, *pieces: bytes) -> FakeTransport:
        client = self.network.accept(self.runtime.accept)
        client.say(*pieces)
        return client

    def shake(self, name: str | None = "a.example", alpn: tuple[str, ...] = (), certificate: Any = None) -> Stdlib:
        context = stdlib_client(certificate=certificate)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return Stdlib(self.connect(), context, name=name).shake()

    def wait(self, seconds: float) -> None:
        self.proxy.wait(seconds)

    def lines(self, name: str) -> list[str]:
        self._writers[name].flush()
        return self.logs[name].data.decode().splitlines()

    @property
    def upstream(self) -> bytes:
        """What the backend got last."""
        return self.proxy.backend.take()


def asked(client: Stdlib, path: bytes = b"/one", *fields: bytes) -> bytes:
    """Send a request; return what came back at once."""
    client.write(get(path, *fields))
    client.below.network.run()
    client.turn()
    return client.data


# without any of it


def test_a_chain_for_all_in_the_clear_gets_connections_as_they_come() -> None:
    front = Front(chain())
    client = front.connect(get(b"/one"))
    assert b"x-forwarded-proto: http\r\n" in front.upstream
    assert front.stats.downstream_cx_total == front.runtime.connections == 1
    assert not front.runtime.inspections
    client.hang_up()
    assert front.stats.downstream_cx_active == 0


# PROXY headers


@pytest.mark.parametrize("header", [v1_header(OUTSIDE, INSIDE), v2_header(OUTSIDE, INSIDE, ((4, b"x"),))])
@pytest.mark.parametrize("cut", [None, 3, 17])
def test_a_proxy_header_says_who_the_client_is(header: bytes, cut: int | None) -> None:
    front = Front(chain(use_remote_address=True), proxy_protocol=ProxyProtocol())
    raw = header + get(b"/one")
    client = front.connect(*((raw,) if cut is None else (raw[:cut], raw[cut:])))
    request = front.upstream
    assert b"\r\nx-forwarded-for: 203.0.113.5\r\n" in request
    front.proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert front.lines("requests") == ["200 203.0.113.5:1234 192.0.2.7:4711 192.0.2.10:443 http http - -"]
    client.hang_up()
    assert (front.stats.downstream_cx_active, front.stats.downstream_pre_cx_active) == (0, 0)
    assert next(iter(front.services.values())).stats.downstream_cx_rx_bytes_total == len(get(b"/one"))
    assert front.filters[f"proxy_proto.versions.v{1 if header.startswith(b'PROXY') else 2}.found"] == 1


@pytest.mark.parametrize(
    ("config", "raw", "counted"),
    [
        (ProxyProtocol(), get(b"/one"), "proxy_proto.not_found_disallowed"),
        (ProxyProtocol(), b"PROXY TCP4 x\r\n", "proxy_proto.versions.v1.error"),
        (ProxyProtocol(versions=(2,)), v1_header(OUTSIDE, INSIDE), "proxy_proto.versions.v1.disallowed"),
        (ProxyProtocol(versions=(1,), stat_prefix="a"), v2_header(OUTSIDE, INSIDE), "proxy_proto.a.versions.v2.disallowed"),
    ],
)
def test_connections_without_a_header_that_is_allowed_are_closed(config: ProxyProtocol, raw: bytes, counted: str) -> None:
    front = Front(chain(), proxy_protocol=config)
    client = front.connect(raw)
    assert (client.take(), client.end) == (b"", "reset")
    assert front.filters[counted] == 1
    assert front.runtime.connections == front.stats.downstream_cx_total == 0
    assert front.lines("listener") == ["- - - - -"]


def test_connections_without_a_header_may_be_allowed() -> None:
    front = Front(chain(), proxy_protocol=ProxyProtocol(allow_requests_without_proxy_protocol=True))
    front.connect(get(b"/one"))
    assert b"GET /one" in front.upstream
    front.connect(v1_header(OUTSIDE, INSIDE)[:5])
    assert len(front.runtime.inspections) == 1
    assert front.filters["proxy_proto.not_found_allowed"] == 1


# time


@pytest.mark.parametrize("go_on", [False, True])
def test_first_words_are_not_waited_for_without_end(go_on: bool) -> None:
    front = Front(chain(), tls_inspector=True, listener_filters_timeout=3.0, continue_on_listener_filters_timeout=go_on)
    client = front.connect()
    front.wait(2.0)
    assert (client.end, front.stats.downstream_pre_cx_active) == ("", 1)
    front.wait(2.0)
    assert (client.end, front.stats.downstream_pre_cx_active) == ("" if go_on else "fin", 0)
    assert (front.stats.downstream_pre_cx_timeout, front.stats.downstream_cx_total) == (1, int(go_on))


def test_clients_that_leave_before_their_first_word() -> None:
    front = Front(chain(), tls_inspector=True)
    front.connect().hang_up()
    front.connect().hang_up("reset")
    assert (front.stats.downstream_listener_filter_remote_close, front.stats.downstream_listener_filter_error) == (1, 1)
    assert front.lines("listener") == ["- - - - -"] * 2


@pytest.mark.parametrize("filters", [{"tls_inspector": True}, {}])
def test_a_listener_that_goes_takes_early_connections_along(filters: dict[str, bool]) -> None:
    front = Front(chain(tls=downstream()), **filters)
    client = front.connect()
    assert front.runtime.connections == 1
    front.runtime.drop()
    front.network.run()
    assert (client.end, front.runtime.connections, front.stats.downstream_cx_active) == ("reset", 0, 0)


def test_a_listener_that_drains_waits_for_first_words_a_moment_only() -> None:
    front = Front(chain(), tls_inspector=True)
    client = front.connect()
    front.runtime.drain()
    assert client.open
    front.wait(2.5)
    assert (client.end, front.runtime.connections) == ("fin", 0)


def test_a_listener_that_drains_does_not_wait_long_for_handshakes() -> None:
    front = Front(chain(tls=downstream()))
    client = front.connect(b"\x16\x03\x01")
    front.runtime.drain()
    front.wait(4.0)
    assert (client.lost, front.runtime.connections) == (None, 1)
    front.wait(2.5)
    assert (client.end, front.runtime.connections) == ("reset", 0)


# choosing


def test_chains_are_chosen_by_server_name() -> None:
    chains = [chain(name, downstream(leaf(f"{name}.example")), FilterChainMatch(server_names=(f"{name}.example",))) for name in ("a", "b")]
    front = Front(*chains, chain("clear", None, FilterChainMatch(transport_protocol="raw_buffer")), tls_inspector=True)
    for name in ("a", "b"):
        client = front.shake(f"{name}.example")
        assert client.ssl.getpeercert(binary_form=True) == leaf(f"{name}.example").certificate.public_bytes(Encoding.DER)
        asked(client)
        front.proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    front.connect(get(b"/one"))
    front.proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert [line.split()[-4:] for line in front.lines("requests")] == [
        ["https", "https", "TLSv1.3", "a"],
        ["https", "https", "TLSv1.3", "b"],
        ["http", "http", "-", "clear"],
    ]


def test_a_client_hello_in_records_of_one_byte_is_looked_at_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def read(data: bytes, longest: int) -> ClientHello | None:
        looks.append(len(data))
        return read_client_hello(data, longest)

    monkeypatch.setattr(inspection, "read_client_hello", read)
    front = Front(chain("a", downstream(), FilterChainMatch(server_names=("a.example",))), tls_inspector=True)
    client = front.connect()
    stranger = Stdlib(client, stdlib_client())
    with contextlib.suppress(ssl.SSLWantReadError):
        stranger.ssl.do_handshake()
    message = stranger._out.read()[5:]
    for byte in b"".join(b"\x16\3\1\0\1" + message[at : at + 1] for at in range(len(message))):
        client.say(bytes((byte,)))
    assert len(looks) < 60
    assert stranger.shake().done


def test_a_connection_that_fits_nowhere_is_closed() -> None:
    front = Front(chain("a", downstream(), FilterChainMatch(server_names=("a.example",))), tls_inspector=True)
    client = front.shake("other")
    assert (client.done, client.below.end, front.stats.no_filter_chain_match, front.stats.downstream_cx_total) == (False, "reset", 1, 0)
    assert front.lines("listener") == ["NR filter_chain_not_found other - -"]
    front.reload(default_filter_chain=chain("rest", downstream()), tls_inspector=True)
    assert front.shake("other").done


def test_a_name_that_was_asked_for_is_known_where_nobody_speaks_tls() -> None:
    """As with a TCP proxy that passes TLS on."""
    front = Front(chain("a", match=FilterChainMatch(server_names=("a.example",))), tls_inspector=True)
    client = front.connect()
    hello = Stdlib(client, stdlib_client())
    hello.turn()
    assert client.server_name == "a.example"
    client.hang_up()
    assert front.lines("listener") == ["- - a.example a -"]


def test_the_listener_tells_of_every_connection() -> None:
    front = Front(chain("a"))
    front.connect(get(b"/shown")).hang_up()
    assert front.lines("listener") == ["- - - a -"]
    secured = Front(chain("b", downstream()))
    secured.shake().below.hang_up()
    assert secured.lines("listener") == ["- - - b -"]


# TLS


def test_requests_over_tls_are_https() -> None:
    front = Front(chain(tls=downstream()))
    client = front.shake()
    asked(client)
    assert b"\r\nx-forwarded-proto: https\r\n" in front.upstream
    manager = next(iter(front.services.values())).stats
    assert (manager.downstream_cx_ssl_total, manager.downstream_cx_ssl_active) == (1, 1)
    more = front.stats.more
    assert (more["ssl.handshake"], more["ssl.no_certificate"], more["ssl.versions.TLSv1.3"]) == (1, 1, 1)
    client.below.hang_up()
    assert (manager.downstream_cx_ssl_active, front.stats.downstream_cx_active) == (0, 0)


@pytest.mark.parametrize(("offered", "spoken"), [(("h2", "http/1.1"), b"\x00\x00"), (("http/1.1",), b"HTTP/1.1 426"), ((), b"\x00\x00")])
def test_what_is_spoken_is_agreed_on_or_looked_at(offered: tuple[str, ...], spoken: bytes) -> None:
    front = Front(chain(tls=downstream(alpn_protocols=(b"h2", b"http/1.1"))))
    client = front.shake(alpn=offered)
    client.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    client.turn()
    assert client.data.startswith(spoken)


def test_a_handshake_takes_as_long_as_it_may() -> None:
    front = Front(replace(chain(tls=downstream()), transport_socket_connect_timeout=2.0))
    client = front.connect(b"\x16\x03\x01")
    assert (front.runtime.connections, front.stats.downstream_cx_active) == (1, 1)
    front.wait(2.5)
    front.wait(2.5)
    assert (client.lost is not None, front.runtime.connections, front.stats.downstream_cx_active) == (True, 0, 0)
    assert front.stats.downstream_cx_transport_socket_connect_timeout == 1
    assert front.lines("listener") == ["- - - - -"]


def test_a_secret_that_has_not_come_closes_connections() -> None:
    front = Front(chain(tls=downstream()), ready=False)
    with pytest.raises(AssertionError):
        front.connect()
    assert front.stats.more["server_ssl_socket_factory.downstream_context_secrets_not_ready"] == 1
    assert front.stats.downstream_cx_active == 0


def test_failures_are_counted_and_told_but_not_without_end() -> None:
    front = Front(chain("a", downstream(validation=CHECKING, require_client_certificate=True)))
    told: list[Any] = []

    def hear(event: Any) -> None:
        told.append(event)

    globalLogPublisher.addObserver(hear)
    try:
        for _ in range(30):
            front.shake()
        front.connect().hang_up()
        front.wait(7.0)
        front.shake()
    finally:
        globalLogPublisher.removeObserver(hear)
    assert front.stats.more["ssl.fail_verify_no_cert"] == 31
    assert (front.stats.downstream_cx_total, front.stats.downstream_cx_active) == (32, 0)
    lines = [event["log_format"].format(**event) for event in told if event["log_level"] is LogLevel.warn]
    why = "listener front: no TLS with 192.0.2.7:4711, which asked for 'a.example': the client sent no certificate, and one is required"
    assert lines == [why] * 10 + [f"{why} (20 more failed since the last line)"]
    assert front.lines("listener")[0].startswith("- - - a TLS_error:|268435648:")


# certificates of clients


CLIENT = leaf("client", "spiffe://example.com/client")


def xfcc(front: Front, client: Stdlib, *fields: bytes) -> list[bytes]:
    asked(client, b"/one", *fields)
    return [line.partition(b": ")[2] for line in front.upstream.split(b"\r\n") if line.startswith(b"x-forwarded-client-cert: ")]


@pytest.mark.parametrize(
    ("how", "with_certificate", "without"),
    [
        (ForwardClientCert.SANITIZE, [], []),
        (ForwardClientCert.FORWARD_ONLY, [b"Hash=1"], []),
        (ForwardClientCert.APPEND_FORWARD, [b"Hash=1,OURS"], []),
        (ForwardClientCert.SANITIZE_SET, [b"OURS"], []),
        (ForwardClientCert.ALWAYS_FORWARD_ONLY, [b"Hash=1"], [b"Hash=1"]),
    ],
)
def test_certificates_are_forwarded(how: ForwardClientCert, with_certificate: list[bytes], without: list[bytes]) -> None:
    front = Front(chain(tls=downstream(validation=CHECKING), forward_client_cert=how, client_cert_details=ClientCertDetails(subject=True)))
    digest = CLIENT.certificate.fingerprint(Sha256()).hex()
    ours = f'Hash={digest};Subject="CN=client"'.encode()
    found = xfcc(front, front.shake(certificate=CLIENT), b"x-forwarded-client-cert: Hash=1")
    assert found == [one.replace(b"OURS", ours) for one in with_certificate]
    assert xfcc(front, front.shake(), b"x-forwarded-client-cert: Hash=1") == without
    assert front.stats.more["ssl.no_certificate"] == 1


def test_all_that_can_be_told_of_a_certificate() -> None:
    details = ClientCertDetails(True, True, True, True, True)
    server = downstream(leaf("a.example", "spiffe://example.com/server"), validation=CHECKING)
    front = Front(chain(tls=server, forward_client_cert=ForwardClientCert.SANITIZE_SET, client_cert_details=details))
    [told] = xfcc(front, front.shake(certificate=CLIENT))
    keys = [part.partition(b"=")[0] for part in told.split(b";")]
    assert keys == [b"By", b"Hash", b"Cert", b"Chain", b"Subject", b"URI", b"DNS"]
    assert told.startswith(b"By=spiffe://example.com/server;Hash=")
    assert b';Cert="-----BEGIN%20CERTIFICATE-----%0A' in told
    assert told.endswith(b';Subject="CN=client";URI=spiffe://example.com/client;DNS=client')


def test_routes_see_whether_a_client_has_shown_a_certificate() -> None:
    front = Front(chain(tls=downstream(validation=replace(CHECKING, accept_untrusted=True))))
    for certificate, shown, valid in ((None, False, False), (CLIENT, True, True), (authority("Other CA").issue("x"), True, False)):
        for path, fits in ((b"/shown", shown), (b"/valid", valid)):
            assert (b"yes" in asked(front.shake(certificate=certificate), path)) is fits


# reloads


def test_chains_that_stay_keep_their_connections() -> None:
    first, second = (chain(name, downstream(), FilterChainMatch(server_names=(f"{name}.example",))) for name in ("a", "b"))
    front = Front(first, second, tls_inspector=True)
    stays, goes = front.shake("a.example"), front.shake("b.example")
    half = front.connect(b"\x16")
    front.wait(6.0)
    front.reload(first, tls_inspector=True)
    front.wait(2.0)
    assert (stays.below.open, goes.below.open, half.open) == (True, False, True)
    assert front.runtime.connections == 2
    assert not front.runtime.leaving


def test_a_chain_that_goes_while_hands_are_shaken_serves_what_comes_of_it() -> None:
    front = Front(chain("a", downstream()))
    context = stdlib_client()
    client = Stdlib(front.connect(), context)
    client.turn()
    front.reload(chain("b"))
    front.wait(1.5)
    assert not front.runtime.leaving
    client.shake()
    asked(client)
    front.proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    client.turn()
    assert b"connection: close" in client.data
    front.wait(2.5)
    assert (front.runtime.connections, front.runtime.leaving) == (0, [])


def test_a_chain_that_gets_tls_is_another() -> None:
    front = Front(chain("a"))
    before = front.connect(get(b"/one"))
    front.reload(chain("a", downstream()))
    assert front.shake().done
    front.proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert b"connection: close" in before.take()
