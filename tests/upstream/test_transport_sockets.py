"""What connections to endpoints are wrapped in: over a network in memory, with the standard library's TLS at the other end."""

import gc
import ssl
from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, TransportSocketMatch, UpstreamProtocol
from shifter.model.health_check import HealthCheck, HttpHealthCheck
from shifter.model.outlier_detection import OutlierDetection
from shifter.model.route import StringMatcher, StringMatchKind
from shifter.model.tls import (
    CertificateValidation,
    SanType,
    SdsSource,
    SubjectAltNameMatcher,
    TlsContext,
    TlsParameters,
    TlsVersion,
    UpstreamTlsContext,
)
from shifter.net.tls_context import TlsMaterialError
from shifter.observe.stats import ClusterStats
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import StaticDiscovery
from shifter.upstream.host import Health
from shifter.upstream.interfaces import FailureKind
from shifter.upstream.pool_auto import AutoPool
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_h2 import Http2Pool
from shifter.upstream.pool_key import DEFAULT, PoolKey
from shifter.upstream.registry import Registry
from shifter.upstream.transport_sockets import Around, TransportSockets, is_address, speaks_proxy_protocol
from shifter.wire.proxy_protocol import LOCAL_V2
from tests.support.certificates import DAY, Authority
from tests.support.tls_ends import Stdlib, authority, leaf, material, stdlib_server, upstream
from tests.support.transports import FakeNetwork, FakeTransport
from tests.support.upstreams import GET, Leased, RecordingListener

ADDRESS = SocketAddress("192.0.2.1", 443)
HOST = LbEndpoint(ADDRESS)
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
POOLS = {UpstreamProtocol.HTTP1: Http1Pool, UpstreamProtocol.HTTP2: Http2Pool, UpstreamProtocol.AUTO: AutoPool}
TLS = upstream(sni="a.example")
CLIENT = SocketAddress("203.0.113.7", 4711), SocketAddress("198.51.100.1", 443)
V1 = b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n"
Names = list[str | None]


def server(*names: str, names_seen: Names | None = None, alpn: tuple[str, ...] = (), **signed: object) -> ssl.SSLContext:
    """A server's context; it writes down the server names it is asked for."""
    context = stdlib_server(authority().issue(*names, **signed) if signed else leaf(*(names or ("a.example",))))  # type: ignore[arg-type]
    if names_seen is not None:
        context.sni_callback = lambda _sock, name, _context: names_seen.append(name)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


class Lab:
    """A cluster with one host, as *said*."""

    def __init__(self, endpoint: LbEndpoint = HOST, secrets: dict[str, TlsContext] | None = None, **said: object) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.registry = Registry(self.network, POOLS)
        if secrets is not None:
            self.registry.fill = lambda context: secrets.get("all") if context.certificate_secrets else context
        self.config = Cluster("c", endpoints=(endpoint,), **said)  # type: ignore[arg-type]
        self.cluster = self.serve(self.config)
        self.state = self.cluster.state

    def serve(self, config: Cluster) -> LiveCluster:
        """Have *config* be in force."""
        cluster = LiveCluster(config, self.registry, StaticDiscovery(config))
        cluster.start()
        cluster.activate()
        return cluster

    def reload(self, **said: object) -> None:
        before = self.cluster
        self.config = replace(self.config, **said)  # type: ignore[arg-type]
        self.cluster = self.serve(self.config)
        before.stop(self.cluster)
        self.network.run()

    def ask(self, key: PoolKey = DEFAULT) -> tuple[Leased, RecordingListener]:
        leasing = self.cluster.of(key)
        listener = RecordingListener()
        pool = leasing.pick()
        stream = None if pool is None else pool.take()
        if stream is not None:
            raise AssertionError("this one need not wait")
        deferred = leasing.lease(pool)
        deferred.addCallback(lambda stream: stream.send(GET, b"", True, listener) or stream)
        return Leased(deferred), listener

    @property
    def last(self) -> FakeTransport:
        return self.network.outgoing[-1]

    def shake(self, context: ssl.SSLContext | None = None, transport: FakeTransport | None = None) -> Stdlib:
        """Have the endpoint take the connection that was begun last, and shake hands."""
        below = transport or self.last
        below.establish()
        return Stdlib(below, context or server(), server=True).shake()

    def counted(self) -> dict[str, int]:
        """What is counted of TLS, but for what was agreed on."""
        more = self.state.stats.more.items()
        names = (".versions.", ".ciphers.", ".curves.")
        return {
            name.removeprefix("ssl."): count
            for name, count in more
            if name.startswith("ssl.") and count and not any(one in name for one in names)
        }


# TLS


def test_a_request_waits_for_the_handshake_and_goes_over_it() -> None:
    seen: Names = []
    lab = Lab(tls=TLS)
    asked, listener = lab.ask()
    lab.last.establish()
    assert asked.stream is None and b"GET" not in lab.last.written
    end = Stdlib(lab.last, server("a.example", names_seen=seen), server=True).shake()
    assert asked.stream is not None and seen == ["a.example"]
    assert end.data.startswith(b"GET / HTTP/1.1\r\nhost: a\r\n")
    end.write(EMPTY)
    assert listener.saw == ["head 200", "end"]
    assert lab.counted() == {"handshake": 1}
    assert lab.state.stats.more["ssl.versions.TLSv1.3"] == lab.state.stats.more["ssl.curves.X25519"] == 1
    tls = asked.stream.transport.tls
    assert tls is not None and tls.version == "TLSv1.3" and tls.peer_certificate is not None


@pytest.mark.parametrize(
    ("protocol", "configured", "key", "offered"),
    [
        (UpstreamProtocol.HTTP1, (), DEFAULT, "http/1.1"),
        (UpstreamProtocol.HTTP2, (), DEFAULT, "h2"),
        (UpstreamProtocol.AUTO, (), DEFAULT, "h2"),
        (UpstreamProtocol.HTTP1, (b"h2",), DEFAULT, "h2"),
        (UpstreamProtocol.HTTP2, (b"h2",), PoolKey(alpn=(b"http/1.1",)), "http/1.1"),
        (UpstreamProtocol.AUTO, (), PoolKey(protocol=UpstreamProtocol.HTTP1), "http/1.1"),
    ],
)
def test_what_is_offered_follows_from_the_protocol_unless_it_is_said(
    protocol: UpstreamProtocol, configured: tuple[bytes, ...], key: PoolKey, offered: str
) -> None:
    lab = Lab(tls=upstream(sni="a.example", alpn_protocols=configured), protocol=protocol)
    lab.ask(key)
    assert lab.shake(server(alpn=("h2", "http/1.1"))).ssl.selected_alpn_protocol() == offered


@pytest.mark.parametrize(
    ("tls", "hostname", "key", "name"),
    [
        (upstream(sni="a.example"), "", DEFAULT, "a.example"),
        (upstream(sni="a.example"), "b.example", DEFAULT, "a.example"),
        (upstream(sni="a.example", auto_host_sni=True), "b.example", DEFAULT, "b.example"),
        (upstream(sni="a.example", auto_host_sni=True), "", DEFAULT, "a.example"),
        (upstream(sni="a.example", auto_host_sni=True), "b.example", PoolKey(server_name="c.example"), "c.example"),
    ],
)
def test_the_server_name_is_the_request_s_the_endpoint_s_or_the_configured_one(
    tls: UpstreamTlsContext, hostname: str, key: PoolKey, name: str
) -> None:
    seen: Names = []
    lab = Lab(LbEndpoint(ADDRESS, hostname=hostname), tls=tls)
    asked, _ = lab.ask(key)
    lab.shake(server("a.example", "b.example", "c.example", names_seen=seen))
    assert seen == [name] and asked.stream is not None


_ASKS = SubjectAltNameMatcher(SanType.DNS, StringMatcher(StringMatchKind.EXACT, b"a.example"))


@pytest.mark.parametrize("configured", [(), (_ASKS,)])
@pytest.mark.parametrize(("san", "good"), [("a.example", True), ("b.example", False), ("192.0.2.1", False)])
def test_a_request_may_ask_for_a_name_in_the_certificate_besides(
    san: str, good: bool, configured: tuple[SubjectAltNameMatcher, ...]
) -> None:
    trust = CertificateValidation(trusted_ca=authority().pem, subject_alt_names=configured)
    lab = Lab(tls=upstream(trust, sni="a.example"))
    asked, _ = lab.ask(PoolKey(server_name="a.example", san=san))
    lab.shake()
    assert (asked.stream is not None) is good
    assert lab.counted() == ({"handshake": 1} if good else {"fail_verify_san": 1})


BAD = {
    "expired": (lambda: server("a.example", since=-10 * DAY, until=-DAY), "CERTIFICATE_VERIFY_FAILED", "fail_verify_error", "expired on"),
    "wrong name": (lambda: server("b.example"), "CERTIFICATE_VERIFY_FAILED", "fail_verify_san", "is for b.example"),
    "unknown authority": (
        lambda: stdlib_server(Authority("Other CA").issue("a.example")), "CERTIFICATE_VERIFY_FAILED", "fail_verify_error", "Other CA",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_certificate_that_is_not_good_fails_the_connection(what: str, logged: list[str]) -> None:
    make, word, counter, sentence = BAD[what]
    lab = Lab(tls=TLS)
    asked, _ = lab.ask()
    lab.shake(make())
    assert asked.failed.kind is FailureKind.REMOTE_CONNECTION_FAILURE
    assert asked.failed.detail.startswith("TLS_error:|") and word in asked.failed.detail
    assert lab.counted() == {counter: 1}
    stats = lab.state.stats
    assert (stats.upstream_cx_connect_fail, stats.upstream_cx_total, stats.upstream_rq_pending_failure_eject) == (1, 1, 1)
    assert len(logged) == 1 and logged[0].startswith("cluster c: no TLS with 192.0.2.1:443: ") and sentence in logged[0]


def test_the_log_says_it_once_a_minute(logged: list[str]) -> None:
    lab = Lab(tls=TLS)
    for _ in range(3):
        lab.ask()
        lab.shake(server("b.example"))
    lab.ask()
    lab.last.establish()
    lab.last.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")  # it speaks something else
    assert len(logged) == 2 and "does not speak TLS" in logged[1]
    lab.clock.advance(60)
    lab.ask()
    lab.shake(server("b.example"))
    assert len(logged) == 3
    assert lab.counted() == {"fail_verify_san": 4, "connection_error": 1}


def test_who_does_not_listen_at_all_is_no_matter_of_tls(logged: list[str]) -> None:
    lab = Lab(tls=TLS)
    asked, _ = lab.ask()
    lab.last.refuse()
    assert asked.failed.detail == "refused"
    assert not logged and not lab.counted()


def test_the_handshake_counts_into_the_connect_timeout() -> None:
    lab = Lab(tls=TLS, connect_timeout=2.0)
    asked, _ = lab.ask()
    lab.last.establish()
    lab.clock.advance(2)
    lab.registry.tick(lab.clock.seconds())
    lab.network.run()
    assert asked.failed.kind is FailureKind.CONNECTION_TIMEOUT and lab.last.lost == "aborted"
    assert lab.state.stats.upstream_cx_connect_timeout == 1


def test_outlier_detection_sees_failed_handshakes() -> None:
    lab = Lab(tls=TLS, outlier_detection=OutlierDetection(consecutive_5xx=2, max_ejection_percent=100))
    for _ in range(2):
        lab.ask()
        lab.shake(server("b.example"))
    (pool,) = lab.cluster.pools
    assert pool.host.health is Health.UNHEALTHY


def test_sessions_go_on() -> None:
    lab = Lab(tls=upstream(sni="a.example"), max_requests_per_connection=1)
    context = server()
    for _ in range(2):
        asked, listener = lab.ask()
        end = lab.shake(context)
        end.write(EMPTY)
        assert listener.saw == ["head 200", "end"] and asked.stream is not None
    assert lab.counted() == {"handshake": 2, "session_reused": 1}


def test_a_client_certificate_is_shown() -> None:
    context = server()
    context.load_verify_locations(cadata=authority().pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    lab = Lab(tls=upstream(certificate=leaf("client.example"), sni="a.example"))
    lab.ask()
    end = lab.shake(context)
    assert dict(entry[0] for entry in end.ssl.getpeercert()["subject"]) == {"commonName": "client.example"}  # type: ignore[index,misc]


def test_a_race_is_won_by_the_first_handshake() -> None:
    lab = Lab(LbEndpoint(ADDRESS, additional_addresses=(SocketAddress("2001:db8::1", 443),)), tls=TLS)
    asked, _ = lab.ask()
    lab.clock.advance(0.3)
    first, second = lab.network.outgoing
    first.establish()
    assert asked.stream is None
    lab.shake(transport=second)
    assert asked.stream is not None and first.lost == "aborted"
    assert lab.counted() == {"handshake": 1}


# by metadata

_MATCHES = (
    TransportSocketMatch("strict", {"zone": "a", "tls": True}, upstream(sni="strict.example")),
    TransportSocketMatch("plain", {"tls": False}),
    TransportSocketMatch("proxied", {"zone": "b"}, None, 1),
)


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"zone": "a", "tls": True, "more": 1}, "strict.example"),
        ({"zone": "a"}, "a.example"),
        ({"zone": "a", "tls": False}, ""),
        ({}, "a.example"),
    ],
)
def test_the_first_match_of_the_endpoint_s_metadata_says_what_is_spoken(metadata: dict[str, object], name: str) -> None:
    seen: Names = []
    said = {"envoy.transport_socket_match": metadata, "envoy.lb": {"zone": "b"}}
    lab = Lab(LbEndpoint(ADDRESS, metadata=said), tls=TLS, transport_socket_matches=_MATCHES)
    lab.ask()
    if name:
        lab.shake(server("a.example", "strict.example", names_seen=seen))
        assert seen == [name]
    else:
        lab.last.establish()
        assert lab.last.written.startswith(b"GET / HTTP/1.1\r\n")


def test_a_match_of_nothing_fits_everybody() -> None:
    lab = Lab(tls=TLS, transport_socket_matches=(TransportSocketMatch("all"),))
    lab.ask()
    lab.last.establish()
    assert lab.last.written.startswith(b"GET / HTTP/1.1\r\n")


# PROXY headers


@pytest.mark.parametrize(
    ("version", "key", "header"),
    [
        (1, PoolKey(client=CLIENT), V1),
        (1, DEFAULT, b"PROXY UNKNOWN\r\n"),
        (2, PoolKey(client=CLIENT), b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc6\x33\x64\x01\x12\x67\x01\xbb"),
        (2, DEFAULT, LOCAL_V2),
    ],
)
def test_a_proxy_header_comes_first(version: int, key: PoolKey, header: bytes) -> None:
    lab = Lab(proxy_protocol=version)
    _, listener = lab.ask(key)
    lab.last.establish()
    assert lab.last.written.startswith(header + b"GET / HTTP/1.1\r\n")
    lab.last.say(EMPTY)
    assert listener.saw == ["head 200", "end"]


def test_a_proxy_header_comes_before_the_handshake() -> None:
    lab = Lab(proxy_protocol=1, tls=TLS)
    asked, _ = lab.ask(PoolKey(client=CLIENT))
    lab.last.establish()
    assert lab.last.written.startswith(V1 + b"\x16\x03\x01")
    lab.last.written = lab.last.written.removeprefix(V1)
    Stdlib(lab.last, server(), server=True).shake()
    assert asked.stream is not None


def test_each_client_has_connections_of_its_own() -> None:
    lab = Lab(proxy_protocol=1)
    other = SocketAddress("203.0.113.8", 1), CLIENT[1]
    for client in (CLIENT, other):
        _, listener = lab.ask(PoolKey(client=client))
        lab.last.establish()
        lab.last.say(EMPTY)
        assert listener.saw == ["head 200", "end"]
    (pool,) = lab.cluster.pools
    assert [len(one.connections) for one in pool.every] == [0, 1, 1]
    assert pool.of(PoolKey(client=CLIENT)).take() is not None  # an equal key is the same


def test_a_full_cluster_does_without_idle_connections_of_others() -> None:
    lab = Lab(proxy_protocol=1, circuit_breakers=CircuitBreakers())
    lab.state.default.max_connections = 2
    for number in range(5):
        lab.ask(PoolKey(client=(SocketAddress("203.0.113.8", number), CLIENT[1])))
        lab.last.establish()
        lab.last.say(EMPTY)
    assert lab.state.connections == 2
    assert [one.open for one in lab.network.outgoing] == [False] * 3 + [True] * 2
    lab.clock.advance(0.25)
    lab.registry.tick(lab.clock.seconds())
    (pool,) = lab.cluster.pools
    assert len(pool.every) == 3


def test_who_speaks_the_proxy_protocol() -> None:
    assert not speaks_proxy_protocol(Cluster("c"))
    assert speaks_proxy_protocol(Cluster("c", proxy_protocol=2))
    assert speaks_proxy_protocol(Cluster("c", transport_socket_matches=_MATCHES))
    assert is_address("::1") and is_address("192.0.2.1") and not is_address("a.example") and not is_address("")


# reloads and secrets


def test_a_reload_that_changes_nothing_of_it_keeps_connections_and_sessions() -> None:
    lab = Lab(tls=TLS)
    lab.ask()
    lab.shake().write(EMPTY)
    sockets = lab.state.sockets
    lab.reload(connect_timeout=1.0)
    assert lab.state.sockets is sockets
    lab.reload(tls=upstream(sni="a.example"), per_connection_buffer_limit_bytes=4096)
    assert lab.state.sockets is not sockets and lab.state.sockets._default.context is sockets._default.context
    assert lab.last.open and len(lab.network.outgoing) == 1


def test_a_reload_that_changes_it_means_new_connections() -> None:
    lab = Lab(tls=TLS)
    _, busy = lab.ask()
    lab.ask()
    end = lab.shake(transport=lab.network.outgoing[0])
    waiting, _ = lab.ask()
    assert len(lab.network.outgoing) == 3
    lab.reload(tls=upstream(sni="b.example"))
    assert [one.lost for one in lab.network.outgoing[:3]] == [None, "aborted", "aborted"]
    assert len(lab.network.outgoing) == 5  # for those that wait
    seen: Names = []
    for transport in lab.network.outgoing[3:]:
        lab.shake(server("b.example", names_seen=seen), transport)
    assert seen == ["b.example"] * 2 and waiting.stream is not None
    end.write(EMPTY)
    lab.network.run()
    assert busy.saw == ["head 200", "end"] and not lab.network.outgoing[0].open


def test_a_configuration_that_cannot_be_used_changes_nothing() -> None:
    lab = Lab(tls=TLS)
    broken = upstream(sni="a.example", parameters=TlsParameters(cipher_suites=("NONE",)))
    with pytest.raises(TlsMaterialError):
        LiveCluster(replace(lab.config, tls=broken), lab.registry, StaticDiscovery(lab.config))
    lab.ask()
    lab.shake()
    assert lab.counted() == {"handshake": 1}


def test_secrets_come_when_they_come_and_change_for_the_next_connection(logged: list[str]) -> None:
    secrets: dict[str, TlsContext] = {}
    wanted = TlsContext(certificate_secrets=(SdsSource("one", "/secrets"),))
    lab = Lab(secrets=secrets, tls=UpstreamTlsContext(wanted, sni="a.example"))
    asked, _ = lab.ask()
    lab.network.run()
    assert asked.failed.kind is FailureKind.REMOTE_CONNECTION_FAILURE
    assert asked.failed.detail == "TLS error: Secret is not supplied by SDS"
    factory = "client_ssl_socket_factory."
    assert lab.state.stats.more[factory + "upstream_context_secrets_not_ready"] == 1 and not lab.counted()
    assert logged == ["cluster c: no TLS with 192.0.2.1:443: a secret that it needs is not there"]

    trust = upstream().common
    for name in ("client.example", "other.example"):
        secrets["all"] = replace(trust, certificates=(material(leaf(name)),))
        lab.registry.refill()
        context = server()
        context.load_verify_locations(cadata=authority().pem.decode())
        context.verify_mode = ssl.CERT_REQUIRED
        lab.ask()
        end = lab.shake(context)
        assert dict(entry[0] for entry in end.ssl.getpeercert()["subject"]) == {"commonName": name}  # type: ignore[index,misc]
    assert all(one.open for one in lab.network.outgoing[1:])  # those that there are stay

    assert lab.state.stats.more[factory + "ssl_context_update_by_sds"] == 1
    kept = lab.state.sockets._default.context
    secrets["all"] = replace(trust, parameters=replace(trust.parameters, cipher_suites=("NONE",)))
    with pytest.raises(TlsMaterialError):
        lab.registry.refill()
    assert lab.state.sockets._default.context is kept


# health checks


def check(**said: object) -> HealthCheck:
    return HealthCheck(HttpHealthCheck(b"/health"), 1.0, 5.0, 1, 1, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(("alpn", "chosen"), [((), None), ((b"http/1.1",), "http/1.1")])
def test_checks_shake_hands_too(alpn: tuple[bytes, ...], chosen: str | None) -> None:
    lab = Lab(tls=TLS, health_checks=(check(alpn_protocols=alpn),))
    (pool,) = lab.cluster.pools
    end = lab.shake(server(alpn=("h2", "http/1.1")))
    assert end.data.startswith(b"GET /health HTTP/1.1\r\n") and end.ssl.selected_alpn_protocol() == chosen
    end.write(EMPTY)
    assert pool.host.health is Health.HEALTHY
    assert lab.counted() == {"handshake": 1}


def test_a_check_whose_handshake_fails_fails() -> None:
    lab = Lab(tls=TLS, health_checks=(check(),))
    (pool,) = lab.cluster.pools
    lab.shake(server("b.example"))
    assert pool.host.health is Health.UNHEALTHY
    assert lab.counted() == {"fail_verify_san": 1}
    assert lab.state.stats.more["health_check.network_failure"] == 1


def test_checks_may_take_another_socket_than_requests() -> None:
    lab = Lab(tls=TLS, transport_socket_matches=_MATCHES, health_checks=(check(socket_criteria={"tls": False}),))
    lab.last.establish()
    assert lab.last.written.startswith(b"GET /health HTTP/1.1\r\n")


def test_checks_say_that_they_are_nobody_s_client() -> None:
    lab = Lab(proxy_protocol=2, health_checks=(check(),))
    lab.last.establish()
    assert lab.last.written.startswith(LOCAL_V2 + b"GET /health HTTP/1.1\r\n")


def test_old_versions_are_spoken_where_they_are_asked_for() -> None:
    said = upstream(sni="a.example")
    parameters = replace(said.common.parameters, maximum=TlsVersion.TLSv1_2)
    lab = Lab(tls=replace(said, common=replace(said.common, parameters=parameters)))
    lab.ask()
    assert lab.shake().ssl.version() == "TLSv1.2"
    assert lab.state.stats.more["ssl.versions.TLSv1.2"] == 1


def test_a_server_that_misses_a_certificate_says_so_after_the_handshake(logged: list[str]) -> None:
    context = server()
    context.load_verify_locations(cadata=authority().pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    lab = Lab(tls=TLS)
    _, listener = lab.ask()
    lab.shake(context)
    assert listener.failed is not None and listener.failed.kind is FailureKind.CONNECTION_TERMINATION
    assert "TLSV1_ALERT_CERTIFICATE_REQUIRED" in listener.failed.detail
    assert lab.counted() == {"handshake": 1, "connection_error": 1}
    assert logged == ["cluster c: no TLS with 192.0.2.1:443: the other end wants a certificate, and we have none"]


@pytest.mark.parametrize(
    ("hostname", "names", "good"), [("b.example", "b.example", True), ("b.example", "a.example", False), ("", "192.0.2.1", True)]
)
def test_an_endpoint_that_is_asked_for_no_name_has_to_be_who_it_is_called_here(hostname: str, names: str, good: bool) -> None:
    seen: Names = []
    lab = Lab(LbEndpoint(ADDRESS, hostname=hostname), tls=upstream())
    asked, _ = lab.ask()
    lab.shake(server(names, names_seen=seen))
    assert seen == [None] and (asked.stream is not None) is good


def test_those_of_a_cluster_that_is_gone_go_by_themselves() -> None:
    config = Cluster("gone", proxy_protocol=2, transport_socket_matches=(TransportSocketMatch("a", {"a": "b"}, None, 1),))
    TransportSockets(config, ClusterStats(), Around())
    gc.collect()
    gc.disable()
    try:
        TransportSockets(config, ClusterStats(), Around())
        assert gc.collect() == 0
    finally:
        gc.enable()
