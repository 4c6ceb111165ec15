"""Retries together with what else a route may ask for: other clusters, callers with wishes, copies, redirects, protocols."""

from random import Random
from typing import Any

from shifter.model.cluster import Cluster, LbEndpoint
from shifter.model.outlier_detection import OutlierDetection
from shifter.model.retry import RetryPolicy
from shifter.model.route import (
    HeaderMutations,
    HeaderValueOption,
    InternalRedirectPolicy,
    PathMatchKind,
    RequestMirrorPolicy,
    Route,
    RouteAction,
    RouteMatch,
    UpgradeConfig,
    VirtualCluster,
    WeightedCluster,
)
from shifter.proxy.retrying import RetryingStream
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import StaticDiscovery
from shifter.upstream.interfaces import Failed
from shifter.upstream.outlier_detection import Detector
from tests.support.proxies import CLUSTERS, ONE, TWO, Proxy, forward, get, local
from tests.support.retries import BAD, EMPTY, post, retrying, stats, turn
from tests.support.transports import FakeTransport

INTERNAL = {"internal_addresses": ("192.0.2.0/24",), "use_remote_address": True}


# other clusters


def told(name: str) -> HeaderMutations:
    mine = (HeaderValueOption(b"x-entry", name.encode()),)
    return HeaderMutations(request_add=mine, response_add=mine)


def canary(
    weights: dict[str, int], refresh: bool = True, retries: int = 3, clusters: tuple[Cluster, ...] = CLUSTERS, **action: Any
) -> Proxy:
    entries = tuple(WeightedCluster(name, weight, told(name)) for name, weight in weights.items())
    policy = RetryPolicy(frozenset(("5xx",)), retries, back_off_base=0.001, back_off_max=0.001, refresh_cluster_on_retry=refresh)
    return Proxy((Route(RouteMatch(PathMatchKind.PREFIX, b"/"), RouteAction(entries, retry=policy, **action)),), clusters)


def dies(proxy: Proxy, cluster: str) -> FakeTransport:
    client = proxy.connect(get(b"/"))
    addresses = [pool.address for pool in proxy.clusters[cluster].pools]
    while proxy.backend.peer in addresses and not proxy.backend.lost:
        proxy.backend.hang_up("reset")
        turn(proxy)
    return client


def test_a_dead_version_costs_nobody_anything() -> None:
    proxy = canary({"one": 1000, "two": 1})
    client = dies(proxy, "one")
    assert b"\r\nx-entry: one\r\n" in proxy.backend.take(), "as in Envoy, the head is edited once"
    proxy.backend.say(EMPTY)
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nx-entry: two\r\n" in answer
    assert stats(proxy, "one") == {}
    assert stats(proxy, "two") == {"retry": 1, "retry_backoff_exponential": 1, "retry_success": 1}
    assert proxy.lines[0].split()[-2:] == ["two", "2"]
    proxy.settled(c200=1)


def test_without_it_retries_stay_where_they_are() -> None:
    proxy = canary({"one": 1000, "two": 1}, refresh=False, retries=1)
    client = dies(proxy, "one")
    assert client.take().startswith(b"HTTP/1.1 503 ")


def test_when_all_versions_were_tried_all_may_be_again() -> None:
    proxy = canary({"one": 1000, "two": 1}, retries=4)
    client = proxy.connect(get(b"/"))
    for _ in range(5):
        proxy.backend.hang_up("reset")
        turn(proxy)
    assert client.take().startswith(b"HTTP/1.1 503 ")
    assert len(proxy.backends) == 5
    proxy.settled(c503=1)


# internal callers


def asked(*fields: bytes, routes: tuple[Route, ...] | None = None) -> tuple[Proxy, FakeTransport, bytes]:
    proxy = Proxy(routes or (forward(b"/", "one"),), **INTERNAL)
    client = proxy.connect(get(b"/", *fields))
    sent = proxy.backend.take()
    assert b"x-envoy-retry" not in sent
    assert b"x-envoy-upstream" not in sent
    return proxy, client, sent


def test_internal_callers_may_ask_for_retries() -> None:
    proxy, client, _ = asked(b"x-envoy-retry-on: 5xx", b"x-envoy-max-retries: 2")
    for _ in range(3):
        proxy.backend.say(BAD)
        proxy.wait(0.3)
    assert client.take().startswith(b"HTTP/1.1 503 ")
    assert stats(proxy) == {"retry": 2, "retry_backoff_exponential": 2, "retry_limit_exceeded": 1}


def test_internal_callers_may_ask_for_another_timeout_and_answer() -> None:
    proxy, client, sent = asked(b"x-envoy-upstream-rq-timeout-ms: 200", b"x-envoy-upstream-rq-timeout-alt-response: 1")
    assert sent.count(b"x-envoy-expected-rq-timeout-ms") == 1
    assert b"x-envoy-expected-rq-timeout-ms: 200\r\n" in sent
    proxy.wait(0.3)
    assert client.take().startswith(b"HTTP/1.1 204 ")
    assert proxy.lines[0].split()[3:6] == ["204", "UT", "response_timeout"]


def test_internal_callers_may_bound_a_try() -> None:
    proxy, client, sent = asked(b"x-envoy-upstream-rq-per-try-timeout-ms: 100", b"x-envoy-expected-rq-timeout-ms: 77")
    assert sent.count(b"x-envoy-expected-rq-timeout-ms") == 1
    assert b"x-envoy-expected-rq-timeout-ms: 100\r\n" in sent
    proxy.wait(0.2)
    assert client.take().startswith(b"HTTP/1.1 504 ")
    assert proxy.lines[0].split()[4:6] == ["UT", "upstream_per_try_timeout"]


def test_internal_callers_may_bound_a_whole_try() -> None:
    proxy, client, _ = asked(b"x-envoy-upstream-stream-duration-ms: 100")
    proxy.wait(0.2)
    assert client.take() == local(b"504 Gateway Timeout", b"upstream max stream duration reached")
    assert proxy.lines[0].split()[4:6] == ["UMSDR", "upstream_max_stream_duration_reached"]


def test_others_may_ask_for_nothing() -> None:
    proxy = Proxy((forward(b"/", "one"),), internal_addresses=("10.0.0.0/8",), use_remote_address=True)
    client = proxy.connect(get(b"/", b"x-envoy-retry-on: 5xx"))
    assert b"x-envoy-retry-on" not in proxy.backend.take()
    proxy.backend.say(BAD)
    assert client.take().startswith(b"HTTP/1.1 503 ")


def test_who_asks_for_nothing_has_a_plain_stream() -> None:
    proxy, _, _ = asked(b"x-envoy-force-trace: 1")
    (stream,) = proxy.worker.streams
    assert not isinstance(stream, RetryingStream)


# together with what else a route may ask for


def test_copies_are_made_once() -> None:
    proxy = retrying(action={"mirrors": (RequestMirrorPolicy("two"),)})
    proxy.connect(get(b"/"))
    (copy,) = [backend for backend in proxy.backends if backend.peer in TWO]
    (first,) = [backend for backend in proxy.backends if backend.peer == ONE]
    copy.say(BAD)
    first.say(BAD)
    turn(proxy)
    assert [backend.peer in TWO for backend in proxy.backends].count(True) == 1
    assert proxy.clusters["two"].state.stats.upstream_rq_retry == 0
    assert stats(proxy)["retry"] == 1


def test_a_redirect_that_a_second_try_brings_is_followed() -> None:
    proxy = retrying("gateway-error", action={"internal_redirect": InternalRedirectPolicy()})
    client = proxy.connect(post(2) + b"ab")
    proxy.backend.say(BAD)
    turn(proxy)
    proxy.backend.take()
    proxy.backend.say(b"HTTP/1.1 302 Found\r\nlocation: http://b/there\r\ncontent-length: 0\r\n\r\n")
    sent = proxy.backend.take()
    assert sent.startswith(b"POST /there HTTP/1.1\r\nhost: b\r\n")
    assert sent.endswith(b"\r\n\r\nab")
    proxy.backend.say(BAD)
    turn(proxy)
    assert proxy.backend.take().endswith(b"\r\n\r\nab"), "where it leads to there are retries too"
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 ")


def test_each_try_names_the_host_of_its_endpoint() -> None:
    endpoints = tuple(LbEndpoint(address, hostname=f"h{number}.test") for number, address in enumerate(TWO))
    proxy = retrying(clusters=(Cluster("one", endpoints=endpoints),), action={"auto_host_rewrite": True, "append_x_forwarded_host": True})
    proxy.connect(get(b"/"))
    first = proxy.backend.take()
    proxy.backend.say(BAD)
    turn(proxy)
    second = proxy.backend.take()
    assert {first.split(b"\r\n")[1], second.split(b"\r\n")[1]} == {b"host: h0.test", b"host: h1.test"}
    assert b"\r\nx-forwarded-host: a\r\n" in second


def test_a_request_whose_connection_died_does_not_carry_the_host_of_that_endpoint_to_the_next() -> None:
    endpoints = (LbEndpoint(TWO[0], hostname="h0.test"), LbEndpoint(TWO[1]))
    proxy = retrying(clusters=(Cluster("one", endpoints=endpoints),), action={"auto_host_rewrite": True, "append_x_forwarded_host": True})
    asked: list[FakeTransport] = []
    while len(asked) < 3 or asked[-1].peer != TWO[0]:  # both have a connection, and the last to be asked is the one with a name
        if asked:
            asked[-1].say(EMPTY)
        client = proxy.connect(get(b"/"))
        asked += [backend for backend in proxy.backends if backend.take()]
    asked[-1].hang_up()
    sent = b"".join(backend.take() for backend in proxy.backends)
    assert b"\r\nhost: a\r\n" in sent
    assert b"-host: " not in sent
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 ")


def test_an_endpoint_is_not_to_blame_for_the_time_that_another_one_takes() -> None:
    proxy = retrying(clusters=(Cluster("one", endpoints=(LbEndpoint(TWO[0]),)),), action={"timeout": 0.5})
    (pool,) = proxy.clusters["one"].pools
    detection = OutlierDetection(split_external_local_origin_errors=True)
    Detector(detection, pool.stats, proxy.network.monotonic, Random()).watch([pool.host])
    client = proxy.connect(get(b"/"))
    proxy.network.answers = False
    proxy.backend.say(BAD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    turn(proxy)
    assert proxy.backend.connecting
    proxy.wait(0.6)
    assert client.take().startswith(b"HTTP/1.1 504 ")
    assert pool.host.monitor is not None
    assert pool.host.monitor.consecutive_local_origin_failure == 0


def test_a_retry_goes_on_in_the_configuration_that_came_meanwhile() -> None:
    proxy = retrying()
    client = proxy.connect(get(b"/"))
    proxy.backend.say(BAD)
    config = Cluster("one", endpoints=(LbEndpoint(TWO[0]),))
    old, new = proxy.clusters["one"], LiveCluster(config, proxy.registry, StaticDiscovery(config))
    new.start()
    new.activate()
    old.stop(new)
    proxy.clusters["one"] = new
    turn(proxy)
    assert proxy.backend.peer == TWO[0]
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 ")
    proxy.settled(c200=1)


def test_a_switch_of_protocols_may_take_two_tries() -> None:
    route = forward(b"/", "one", retry=RetryPolicy(frozenset(("5xx",)), back_off_base=0.001))
    proxy = Proxy((route,), upgrades=(UpgradeConfig(b"websocket"),))
    client = proxy.connect(get(b"/", b"connection: Upgrade", b"upgrade: websocket"))
    proxy.backend.say(BAD)
    turn(proxy)
    assert b"\r\nupgrade: websocket\r\n" in proxy.backend.take()
    proxy.backend.say(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    assert client.take().startswith(b"HTTP/1.1 101 ")
    client.say(b"hello")
    assert proxy.backend.take() == b"hello"
    proxy.backend.say(b"world")
    assert client.take() == b"world"


def test_virtual_clusters_count_retries() -> None:
    every = VirtualCluster("every", ())
    route = forward(b"/", "one", retry=RetryPolicy(frozenset(("5xx",)), back_off_base=0.001))
    proxy = Proxy((route,), host={"virtual_clusters": (every,)})
    proxy.connect(get(b"/"))
    for _ in range(2):
        proxy.backend.say(BAD)
        turn(proxy)
    counted = proxy.worker.virtual_clusters["all", "every"]
    assert (counted.upstream_rq_total, counted.upstream_rq_retry, counted.upstream_rq_retry_limit_exceeded) == (2, 1, 1)


def test_a_grpc_answer_is_had_again_by_its_status() -> None:
    proxy = retrying("unavailable")
    client = proxy.connect(get(b"/", b"content-type: application/grpc"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\ncontent-length: 0\r\n\r\n")
    assert client.take() == b""
    turn(proxy)
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 0\r\ncontent-length: 0\r\n\r\n")
    assert b"\r\ngrpc-status: 0\r\n" in client.take()


def test_outliers_are_found_by_every_try() -> None:
    proxy = retrying()
    (pool,) = proxy.clusters["one"].pools
    heard: list[object] = []

    class Monitor:
        def answered(self, status: int) -> None:
            heard.append(status)

        def failed(self, failed: Failed) -> None:
            heard.append(failed.kind.flag)

        def connected(self) -> None: ...

    pool.host.monitor = Monitor()  # type: ignore[assignment]  # what an exchange calls of it
    proxy.connect(get(b"/"))
    proxy.backend.say(BAD)
    turn(proxy)
    proxy.backend.say(EMPTY)
    proxy.connect(get(b"/"))
    proxy.backend.say(b"blah\r\n\r\n")
    turn(proxy)
    proxy.backend.say(EMPTY)
    assert heard == [503, 200, "UPE", 200]
