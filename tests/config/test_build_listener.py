"""What a configuration says of listeners arrives in the model; what it does not say is the model's default."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.config import load
from shifter.model.http_connection_manager import ClientCertDetails, FileAccessLog, ForwardClientCert, HttpConnectionManager
from shifter.model.listener import ConnectionSourceType, FilterChainMatch, Listener, ProxyProtocol
from shifter.model.route import ConnectConfig, RouteAction, UpgradeConfig
from shifter.model.tcp_proxy import TcpCluster, TcpProxy
from tests.support.configs import GOOD, with_manager, with_route
from tests.support.tls_configs import TYPES, chain, listener, loaded, tcp, tell

FILTER = f'listener_filters: [{{name: a, typed_config: {{"@type": {TYPES}filters.listener.'
STDOUT = f'{{name: a, typed_config: {{"@type": {TYPES}access_loggers.stream.v3.StdoutAccessLog}}}}'
TCP = f'filters: [{{name: t, typed_config: {{"@type": {TYPES}filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: service1}}}}]'
IN_THE_CLEAR = FilterChainMatch(server_names=("a",), transport_protocol="raw_buffer")


def built(text: str) -> Listener:
    bootstrap = loaded(text).bootstrap
    assert bootstrap is not None
    return bootstrap.listeners[0]


def chains(*matches: str) -> str:
    """The good configuration with a TCP proxy for each of *matches* in the place of its filter chain."""
    start, end = GOOD.index("    filter_chains:\n"), GOOD.index("\n  clusters:\n")
    return GOOD[:start] + "    filter_chains:\n" + "".join(f"    - {{{one}, {TCP}}}\n" for one in matches) + GOOD[end + 1 :]


@pytest.mark.parametrize(
    ("written", "match", "inspected"),
    [
        ("", FilterChainMatch(), False),
        ("server_names: [A.test, '*.b.test']", FilterChainMatch(server_names=("a.test", "*.b.test")), True),
        ("destination_port: 443", FilterChainMatch(destination_port=443), False),
        ("prefix_ranges: [{address_prefix: 10.1.2.3, prefix_len: 8}]", FilterChainMatch(prefix_ranges=("10.0.0.0/8",)), False),
        (
            "direct_source_prefix_ranges: [{address_prefix: '::1', prefix_len: 128}]",
            FilterChainMatch(direct_source_prefix_ranges=("::1/128",)),
            False,
        ),
        (
            "source_prefix_ranges: [{address_prefix: 10.1.2.3, prefix_len: 32}], source_ports: [1, 2], source_type: external",
            FilterChainMatch(source_prefix_ranges=("10.1.2.3/32",), source_ports=(1, 2), source_type=ConnectionSourceType.EXTERNAL),
            False,
        ),
        ("transport_protocol: tls", FilterChainMatch(transport_protocol="tls"), True),
        (
            "transport_protocol: raw_buffer, server_names: [a]",
            FilterChainMatch(transport_protocol="raw_buffer", server_names=("a",)),
            False,
        ),
        ("application_protocols: [h2]", FilterChainMatch(application_protocols=(b"h2",)), True),
    ],
)
def test_matches(written: str, match: FilterChainMatch, inspected: bool) -> None:
    found = built(chain(f"filter_chain_match: {{{written}}}\nname: x\ntransport_socket_connect_timeout: 3s"))
    (one,) = found.filter_chains
    assert (one.match, found.tls_inspector, one.name, one.transport_socket_connect_timeout) == (match, inspected, "x", 3.0)


def test_several_chains_and_one_for_the_rest() -> None:
    text = chains("filter_chain_match: {server_names: [a]}", "filter_chain_match: {server_names: [b]}", "name: rest")
    found = built(text.replace("    filter_chains:\n", f"    default_filter_chain: {{{TCP}}}\n    filter_chains:\n"))
    assert [one.match.server_names for one in found.filter_chains] == [("a",), ("b",), ()]
    assert found.default_filter_chain is not None and found.default_filter_chain.filter == TcpProxy("t", (TcpCluster("service1"),))
    places = [one.place for one in found.chains]
    assert len(set(places)) == 4 and all(place.startswith("front.yaml:") for place in places)


def test_a_default_chain_is_enough() -> None:
    start, end = GOOD.index("    filter_chains:\n"), GOOD.index("\n  clusters:\n")
    found = built(f"{GOOD[:start]}    default_filter_chain: {{{TCP}}}\n{GOOD[end + 1 :]}")
    assert found.filter_chains == () and len(found.chains) == 1
    text = f"{GOOD[:start]}    «filter_chains»: []\n{GOOD[end + 1 :]}"
    assert tell(text)[:2] == ("error", "this listener has no filter chain")


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        (f"{FILTER}tls_inspector.v3.TlsInspector}}}}]", {"tls_inspector": True}),
        (
            f"{FILTER}tls_inspector.v3.TlsInspector, max_client_hello_size: 300}}}}]",
            {"tls_inspector": True, "max_client_hello_size": 300},
        ),
        (f"{FILTER}http_inspector.v3.HttpInspector}}}}]", {}),
        (
            f"{FILTER}proxy_protocol.v3.ProxyProtocol, "
            "allow_requests_without_proxy_protocol: true, disallowed_versions: [V1], stat_prefix: x}}]",
            {"proxy_protocol": ProxyProtocol(True, (2,), "x")},
        ),
        ("listener_filters_timeout: 0s", {"listener_filters_timeout": 0.0}),
        ("continue_on_listener_filters_timeout: true", {"continue_on_listener_filters_timeout": True}),
        (f"access_log: [{STDOUT}]", {"access_log": (FileAccessLog("/dev/stdout"),)}),
    ],
)
def test_listener(written: str, fields: dict[str, object]) -> None:
    plain, found = built(GOOD), built(listener(written))
    names = {"tls_inspector", "proxy_protocol", "listener_filters_timeout", "continue_on_listener_filters_timeout", "access_log", *fields}
    assert {name: getattr(found, name) for name in names} == {name: getattr(plain, name) for name in names} | fields


@pytest.mark.parametrize(
    ("written", "proxy"),
    [
        ("cluster: service1", TcpProxy("t", (TcpCluster("service1"),))),
        (
            "weighted_clusters: {clusters: [{name: service1, weight: 3}, "
            "{name: service1a, weight: 1, metadata_match: {filter_metadata: {envoy.lb: {a: b}}}}]}",
            TcpProxy("t", (TcpCluster("service1", 3), TcpCluster("service1a", 1, {"envoy.lb": {"a": "b"}}))),
        ),
        (
            "cluster: service1, idle_timeout: 0s, max_downstream_connection_duration: 5s, max_connect_attempts: 3, "
            "hash_policy: [{source_ip: {}}], metadata_match: {filter_metadata: {envoy.lb: {a: b}}}, "
            f"access_log: [{STDOUT}]",
            TcpProxy("t", (TcpCluster("service1"),), (FileAccessLog("/dev/stdout"),), 0.0, 5.0, 3, True, {"envoy.lb": {"a": "b"}}),
        ),
    ],
)
def test_tcp_proxy(written: str, proxy: TcpProxy) -> None:
    assert built(tcp(written)).filter_chains[0].filter == proxy


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ("forward_client_cert_details: append_forward", {"forward_client_cert": ForwardClientCert.APPEND_FORWARD}),
        (
            "set_current_client_cert_details: {subject: true, cert: true, chain: true, dns: true, uri: true}",
            {"client_cert_details": ClientCertDetails(True, True, True, True, True)},
        ),
        ("proxy_100_continue: true", {"proxy_100_continue": True}),
        ("scheme_header_transformation: {scheme_to_overwrite: https}", {"scheme_to_overwrite": b"https"}),
        ("stream_flush_timeout: 2s", {"stream_flush_timeout": 2.0}),
        ("upgrade_configs: [{upgrade_type: WebSocket}]", {"upgrades": (UpgradeConfig(b"websocket"),)}),
    ],
)
def test_connection_manager(written: str, fields: dict[str, object]) -> None:
    manager = built(with_manager(written)).filter_chains[0].filter
    assert {name: getattr(manager, name) for name in fields} == fields


def test_routes() -> None:
    written = "max_grpc_timeout: 0s, grpc_timeout_offset: 0.5s, "
    written += "upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}, {upgrade_type: websocket, enabled: false}]"
    manager = built(with_route(action=f"route: {{cluster: service1, {written}}}")).filter_chains[0].filter
    assert isinstance(manager, HttpConnectionManager)
    action = manager.route_config.virtual_hosts[0].routes[0].action
    assert isinstance(action, RouteAction)
    assert (action.max_grpc_timeout, action.grpc_timeout_offset) == (0.0, 0.5)
    assert action.upgrades == (UpgradeConfig(b"connect", connect=ConnectConfig()), UpgradeConfig(b"websocket", False))
    header = "upgrade_configs: [{upgrade_type: CONNECT, connect_config: {proxy_protocol_config: {version: V2}, allow_post: true}}]"
    manager = built(with_route(action=f"route: {{cluster: service1, {header}}}")).filter_chains[0].filter
    assert isinstance(manager, HttpConnectionManager)
    first = manager.route_config.virtual_hosts[0].routes[0]
    assert isinstance(first.action, RouteAction) and first.action.upgrades[0].connect == ConnectConfig(2, True)


def test_a_chain_has_one_filter() -> None:
    second = f'«{{»name: u, typed_config: {{"@type": {TYPES}filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: u, cluster: service1}}}}'
    level, message, _ = tell(tcp("cluster: service1").replace("}}]\n", f"}}}}, {second}]\n", 1))
    assert (level, message) == ("error", "nothing can stand behind the filter that answers the connection")


CRITERIA = st.fixed_dictionaries(
    {},
    optional={
        "server_names": st.lists(st.sampled_from(["a", "b", "'*.a'"]), min_size=1, max_size=2, unique=True),
        "source_ports": st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=2, unique=True),
        "application_protocols": st.lists(st.sampled_from(["h2", "x"]), min_size=1, max_size=2, unique=True),
    },
)


@given(st.lists(CRITERIA, min_size=1, max_size=4))
def test_chains_are_refused_when_two_of_them_fit_the_same(written: list[dict[str, list[object]]]) -> None:
    combinations = [
        combination
        for one in written
        for combination in product(*(one.get(name) or [None] for name in ("server_names", "source_ports", "application_protocols")))
    ]
    fields = [", ".join(f"{name}: [{', '.join(map(str, values))}]" for name, values in one.items()) for one in written]
    text = chains(*(f"filter_chain_match: {{{one}}}" for one in fields))
    assert (load(text, "front.yaml").bootstrap is None) is (len(set(combinations)) < len(combinations))
