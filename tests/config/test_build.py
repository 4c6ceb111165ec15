"""What a configuration says arrives in the model, field by field; what it does not say is the model's default."""

from dataclasses import replace

import pytest

from shifter.config import Judge, load
from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Admin
from shifter.model.cluster import (
    CircuitBreakers,
    Cluster,
    DiscoveryType,
    DnsFailureRefreshRate,
    DnsLookupFamily,
    LbEndpoint,
    Locality,
    Thresholds,
    UpstreamProtocol,
)
from shifter.model.http2 import UPSTREAM_HTTP2, Http2ProtocolOptions
from shifter.model.http_connection_manager import (
    CodecType,
    EscapedSlashes,
    FileAccessLog,
    HttpConnectionManager,
    PathNormalization,
    ServerHeader,
    StripPort,
    Underscores,
)
from shifter.model.listener import Listener
from shifter.model.load_balancing import LbPolicy, LeastRequestLbConfig
from shifter.model.route import (
    AppendAction,
    DirectResponseAction,
    HeaderMatcher,
    HeaderMutations,
    HeaderValueOption,
    PathMatchKind,
    RangeMatcher,
    RedirectAction,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    StringMatcher,
    StringMatchKind,
    UpgradeConfig,
    VirtualHost,
    WeightedCluster,
)
from tests.support.configs import CARES_TYPE, FILE_LOG_TYPE, GOOD, NAME, ROUTER_TYPE, UPSTREAM_TYPE, load_good, with_route
from tests.support.listeners import http_listener

RESOLVER = (
    f'typed_dns_resolver_config: {{name: a, typed_config: {{"@type": {CARES_TYPE}, '
    "resolvers: [{socket_address: {address: 127.0.0.9, port_value: 53}}]}}"
)
END_OF_LISTENER = "\n  clusters:\n"
CLUSTER = "    connect_timeout: 0.25s\n    type: STRICT_DNS\n    lb_policy: ROUND_ROBIN\n"


def only_listener(*changes: tuple[str, str]) -> Listener:
    bootstrap = load_good(*changes).bootstrap
    assert bootstrap is not None
    [listener] = bootstrap.listeners
    return listener


def manager(fields: str = "") -> HttpConnectionManager:
    return next(only_listener((END_OF_LISTENER, f"\n{fields}  clusters:\n")).managers)


def cluster(fields: str) -> Cluster:
    bootstrap = load_good((CLUSTER, f"    type: STRICT_DNS\n    {fields}\n")).bootstrap
    assert bootstrap is not None
    return bootstrap.clusters[0]


def route(match: str = "prefix: /x", action: str = "direct_response: {status: 200}") -> Route:
    loaded = load(with_route(match, action), NAME, Judge(files=lambda name: name.encode()))
    assert loaded.bootstrap is not None, loaded.problems
    [found] = next(loaded.bootstrap.listeners[0].managers).route_config.virtual_hosts[0].routes
    return found


def action(written: str) -> RouteAction:
    found = route(action=f"route: {{cluster: service1, {written}}}").action
    assert isinstance(found, RouteAction)
    return found


def test_all_of_the_good_configuration() -> None:
    bootstrap = load(GOOD, NAME).bootstrap
    assert bootstrap is not None
    routes = (
        Route(
            RouteMatch(
                PathMatchKind.PREFIX,
                b"/service/1",
                headers=(HeaderMatcher(b"x-canary-version", StringMatcher(StringMatchKind.EXACT, b"service1a")),),
            ),
            RouteAction((WeightedCluster("service1a", 1),)),
            place="front.yaml:21:17",
        ),
        Route(
            RouteMatch(PathMatchKind.PREFIX, b"/service/1"),
            RouteAction((WeightedCluster("service1a", 25), WeightedCluster("service1", 75))),
            place="front.yaml:29:17",
        ),
        Route(RouteMatch(PathMatchKind.PREFIX, b"/old"), RedirectAction(path_redirect=b"/new"), place="front.yaml:38:17"),
        Route(RouteMatch(PathMatchKind.PATH, b"/hello"), DirectResponseAction(200, b"hello"), place="front.yaml:42:17"),
    )
    assert bootstrap.listeners == (
        http_listener(
            "front",
            SocketAddress("127.0.0.1", 8000),
            HttpConnectionManager("ingress_http", RouteConfiguration("local_route", (VirtualHost("backend", (b"*",), routes),))),
        ),
    )
    assert bootstrap.clusters == (
        Cluster(
            "service1",
            DiscoveryType.STRICT_DNS,
            (LbEndpoint(SocketAddress("service1.test", 80)),),
            connect_timeout=0.25,
            place="front.yaml:53:5",
        ),
        Cluster("service1a", endpoints=(LbEndpoint(SocketAddress("127.0.0.2", 80)),), connect_timeout=0.25, place="front.yaml:66:5"),
    )
    assert bootstrap.admin == Admin(SocketAddress("127.0.0.1", 8001))


@pytest.mark.parametrize(
    ("written", "match"),
    [
        ("prefix: /a", RouteMatch(PathMatchKind.PREFIX, b"/a")),
        ("prefix: ''", RouteMatch(PathMatchKind.PREFIX, b"")),
        ("prefix: /é, case_sensitive: false", RouteMatch(PathMatchKind.PREFIX, "/é".encode(), case_sensitive=False)),
        ("path: /A", RouteMatch(PathMatchKind.PATH, b"/A")),
        ("safe_regex: {regex: '/a.*', google_re2: {max_program_size: 7}}", RouteMatch(PathMatchKind.SAFE_REGEX, b"/a.*")),
    ],
)
def test_paths(written: str, match: RouteMatch) -> None:
    assert route(written).match == match


def text(kind: StringMatchKind, value: bytes, ignore_case: bool = False) -> HeaderMatcher:
    return HeaderMatcher(b"x-a", StringMatcher(kind, value, ignore_case))


@pytest.mark.parametrize(
    ("written", "matcher"),
    [
        ("string_match: {exact: no}", text(StringMatchKind.EXACT, b"no")),
        ("string_match: {exact: 1.0}", text(StringMatchKind.EXACT, b"1.0")),
        ("string_match: {exact: ''}", text(StringMatchKind.EXACT, b"")),
        ("string_match: {exact: true}", text(StringMatchKind.EXACT, b"true")),
        ("string_match: {prefix: a, ignore_case: true}", text(StringMatchKind.PREFIX, b"a", ignore_case=True)),
        ("string_match: {suffix: a}", text(StringMatchKind.SUFFIX, b"a")),
        ("string_match: {contains: a}", text(StringMatchKind.CONTAINS, b"a")),
        ("string_match: {safe_regex: {regex: 'a+'}}", text(StringMatchKind.SAFE_REGEX, b"a+")),
        ("range_match: {start: -10, end: 20}", HeaderMatcher(b"x-a", range=RangeMatcher(-10, 20))),
        ("range_match: {end: '20'}", HeaderMatcher(b"x-a", range=RangeMatcher(0, 20))),
        ("present_match: true", HeaderMatcher(b"x-a", present=True)),
        ("present_match: false", HeaderMatcher(b"x-a", present=False)),
        ("invert_match: true", HeaderMatcher(b"x-a", present=True, invert=True)),
        ("present_match: true, treat_missing_header_as_empty: true", HeaderMatcher(b"x-a", present=True, treat_missing_as_empty=True)),
    ],
)
def test_headers(written: str, matcher: HeaderMatcher) -> None:
    assert route(f"prefix: /, headers: [{{name: X-A, {written}}}]").match.headers == (matcher,)


@pytest.mark.parametrize("name", [":method", ":path", ":authority", ":scheme", "Host"])
def test_headers_of_the_request_line(name: str) -> None:
    [matcher] = route(f"prefix: /, headers: [{{name: '{name}'}}]").match.headers
    assert matcher == HeaderMatcher(name.lower().encode(), present=True)


def test_route_action() -> None:
    default = RouteAction((WeightedCluster("service1", 1),))
    assert action("") == default
    assert action("timeout: 0s") == replace(default, timeout=0.0)
    assert action("timeout: 1.000000001s, idle_timeout: 2s") == replace(default, timeout=1.000000001, idle_timeout=2.0)
    assert action("prefix_rewrite: /new/") == replace(default, prefix_rewrite=b"/new/")
    assert action("prefix_rewrite: ''") == default
    assert action("host_rewrite_literal: a.test, append_x_forwarded_host: true") == replace(
        default, host_rewrite_literal=b"a.test", append_x_forwarded_host=True
    )


@pytest.mark.parametrize(
    ("written", "redirect"),
    [
        ("https_redirect: true", RedirectAction(https_redirect=True)),
        ("scheme_redirect: https, port_redirect: 8443", RedirectAction(scheme_redirect=b"https", port_redirect=8443)),
        ("host_redirect: a.test, strip_query: true", RedirectAction(host_redirect=b"a.test", strip_query=True)),
        ("prefix_rewrite: /x/", RedirectAction(prefix_rewrite=b"/x/")),
        ("path_redirect: '/x?y=z'", RedirectAction(path_redirect=b"/x?y=z")),
        ("path_redirect: /x, response_code: MOVED_PERMANENTLY", RedirectAction(path_redirect=b"/x", response_code=301)),
        ("path_redirect: /x, response_code: found", RedirectAction(path_redirect=b"/x", response_code=302)),
        ("path_redirect: /x, response_code: SEE_OTHER", RedirectAction(path_redirect=b"/x", response_code=303)),
        ("path_redirect: /x, response_code: TEMPORARY_REDIRECT", RedirectAction(path_redirect=b"/x", response_code=307)),
        ("path_redirect: /x, response_code: PERMANENT_REDIRECT", RedirectAction(path_redirect=b"/x", response_code=308)),
    ],
)
def test_redirects(written: str, redirect: RedirectAction) -> None:
    assert route(action=f"redirect: {{{written}}}").action == redirect


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("status: 418", DirectResponseAction(418)),
        ('status: 200, body: {inline_string: "ok\\n"}', DirectResponseAction(200, b"ok\n")),
        ("status: 200, body: {inline_string: ''}", DirectResponseAction(200)),
        ("status: 200, body: {inline_bytes: aGkA}", DirectResponseAction(200, b"hi\0")),
        ("status: 200, body: {filename: hello.txt}", DirectResponseAction(200, b"hello.txt")),
    ],
)
def test_direct_responses(written: str, answer: DirectResponseAction) -> None:
    assert route(action=f"direct_response: {{{written}}}").action == answer


def test_headers_to_change() -> None:
    written = (
        "name: r, request_headers_to_add: [{header: {key: X-A, value: 50%% off}, append_action: ADD_IF_ABSENT}], "
        "request_headers_to_remove: [X-B], "
        "response_headers_to_add: [{header: {key: x-c}, keep_empty_value: true}], response_headers_to_remove: [Server, x-d]"
    )
    found = route(action=f"direct_response: {{status: 200}}, {written}")
    assert found.name == "r"
    assert found.headers == HeaderMutations(
        (HeaderValueOption(b"x-a", b"50%% off", AppendAction.ADD_IF_ABSENT),),
        (b"x-b",),
        (HeaderValueOption(b"x-c", b"", keep_empty_value=True),),
        (b"server", b"x-d"),
    )


def test_virtual_hosts() -> None:
    listener = only_listener(
        ('domains: ["*"]', "domains: ['A.test:80', '*.B.test', 'c.*', '*']"),
        ("            name: local_route\n", "            ignore_port_in_host_matching: true\n"),
    )
    config = next(listener.managers).route_config
    assert config.virtual_hosts[0].domains == (b"a.test:80", b"*.b.test", b"c.*", b"*")
    assert (config.name, config.ignore_port_in_host_matching) == ("", True)


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ("normalize_path: false", {"path_normalization": PathNormalization(normalize_path=False)}),
        ("merge_slashes: false", {"path_normalization": PathNormalization(merge_slashes=False)}),
        ("path_with_escaped_slashes_action: IMPLEMENTATION_SPECIFIC_DEFAULT", {}),
        (
            "path_with_escaped_slashes_action: reject_request",
            {"path_normalization": PathNormalization(escaped_slashes=EscapedSlashes.REJECT_REQUEST)},
        ),
        (
            "common_http_protocol_options: {idle_timeout: 0s, max_headers_count: 7, max_requests_per_connection: 8, "
            "headers_with_underscores_action: DROP_HEADER}",
            {
                "idle_timeout": 0.0,
                "max_headers_count": 7,
                "max_requests_per_connection": 8,
                "headers_with_underscores": Underscores.DROP_HEADER,
            },
        ),
        (
            "http_protocol_options: {accept_http_10: true, default_host_for_http_10: a.test, enable_trailers: true, "
            "allow_absolute_url: true}",
            {"accept_http_10": True, "default_host_for_http_10": b"a.test", "enable_trailers": True},
        ),
        (
            "http2_protocol_options: {max_concurrent_streams: 5, initial_stream_window_size: 65536, initial_connection_window_size: 65537}",
            {"http2": Http2ProtocolOptions(5, 65536, 65537)},
        ),
        ("stream_idle_timeout: 1s", {"stream_idle_timeout": 1.0}),
        ("request_timeout: 1s", {"request_timeout": 1.0}),
        ("request_headers_timeout: 0s", {"request_headers_timeout": 0.0}),
        ("delayed_close_timeout: 0.5s", {"delayed_close_timeout": 0.5}),
        ("drain_timeout: 0.5s", {"drain_timeout": 0.5}),
        ("common_http_protocol_options: {max_connection_duration: 60s}", {"max_connection_duration": 60.0}),
        ("max_request_headers_kb: 96", {"max_request_headers_kb": 96}),
        ("server_name: shifty 2", {"server_name": "shifty 2"}),
        ("use_remote_address: true", {"use_remote_address": True}),
        ('use_remote_address: "true"', {"use_remote_address": True}),
        ("skip_xff_append: true", {"skip_xff_append": True}),
        ("xff_num_trusted_hops: 2", {"xff_num_trusted_hops": 2}),
        ("generate_request_id: false", {"generate_request_id": False}),
        ("preserve_external_request_id: true", {"preserve_external_request_id": True}),
        ("always_set_request_id_in_response: true", {"always_set_request_id_in_response": True}),
        ("append_x_forwarded_port: true", {"append_x_forwarded_port": True}),
        ("via: 1.1 shifter", {"via": b"1.1 shifter"}),
        ("server_header_transformation: pass_through", {"server_header": ServerHeader.PASS_THROUGH}),
        ("strip_matching_host_port: true", {"strip_port": StripPort.MATCHING}),
        ("strip_any_host_port: true", {"strip_port": StripPort.ANY}),
        ("strip_any_host_port: false", {}),
        ("strip_trailing_host_dot: true", {"strip_trailing_host_dot": True}),
        ("internal_address_config: {}", {"internal_addresses": ()}),
        (
            "internal_address_config: {unix_sockets: true, cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}, "
            "{address_prefix: '::1', prefix_len: 128}]}",
            {"internal_addresses": ("10.0.0.0/8", "::1/128")},
        ),
        (
            "upgrade_configs: [{upgrade_type: WebSocket}, {upgrade_type: a, enabled: false}]",
            {"upgrades": (UpgradeConfig(b"websocket"), UpgradeConfig(b"a", enabled=False))},
        ),
        ("common_http_protocol_options: {max_stream_duration: 5s}", {"max_stream_duration": 5.0}),
    ],
)
def test_connection_manager(written: str, fields: dict[str, object]) -> None:
    assert manager(f"          {written}\n") == replace(manager(), **fields)  # type: ignore[arg-type]  # names and types are the table's


@pytest.mark.parametrize(("written", "codec"), [("auto", CodecType.AUTO), ("Http1", CodecType.HTTP1), ("HTTP2", CodecType.HTTP2)])
def test_codecs(written: str, codec: CodecType) -> None:
    assert next(only_listener(("codec_type: AUTO", f"codec_type: {written}")).managers).codec_type is codec


def test_router_may_keep_envoys_headers_to_itself() -> None:
    assert next(only_listener((ROUTER_TYPE, ROUTER_TYPE + "\n              suppress_envoy_headers: true")).managers).suppress_envoy_headers


@pytest.mark.parametrize(
    ("typed", "log"),
    [
        (f'"@type": {FILE_LOG_TYPE}, path: /x', FileAccessLog("/x")),
        (f'"@type": {FILE_LOG_TYPE}, path: /x, format: a', FileAccessLog("/x", "a")),
        (f'"@type": {FILE_LOG_TYPE}, path: /x, log_format: {{text_format: a}}', FileAccessLog("/x", "a")),
        (f'"@type": {FILE_LOG_TYPE}, path: /x, log_format: {{text_format_source: {{inline_string: a}}}}', FileAccessLog("/x", "a")),
        ('"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog', FileAccessLog("/dev/stdout")),
        ('"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog', FileAccessLog("/dev/stderr")),
    ],
)
def test_access_logs(typed: str, log: FileAccessLog) -> None:
    assert manager(f"          access_log: [{{name: a, typed_config: {{{typed}}}}}]\n").access_log == (log,)


def test_listener() -> None:
    listener = only_listener(
        ("  - name: front\n", "  - per_connection_buffer_limit_bytes: 32768\n    tcp_backlog_size: 9\n    traffic_direction: INBOUND\n")
    )
    assert (listener.name, listener.per_connection_buffer_limit_bytes, listener.backlog) == ("127.0.0.1:8000", 32768, 9)
    assert listener.inbound


SEVEN_STREAMS = replace(UPSTREAM_HTTP2, max_concurrent_streams=7)
PLAIN = cluster("connect_timeout: 5s")


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        (
            "lb_policy: least_request\n    least_request_lb_config: {choice_count: 5}",
            {"lb_policy": LbPolicy.LEAST_REQUEST, "least_request": LeastRequestLbConfig(5)},
        ),
        ("lb_policy: Random", {"lb_policy": LbPolicy.RANDOM}),
        ("http2_protocol_options: {}", {"protocol": UpstreamProtocol.HTTP2}),
        (
            "http2_protocol_options: {max_concurrent_streams: 7}",
            {"protocol": UpstreamProtocol.HTTP2, "http2": SEVEN_STREAMS},
        ),
        ("http_protocol_options: {}", {}),
        (
            "common_http_protocol_options: {idle_timeout: 9s, max_requests_per_connection: 4}",
            {"idle_timeout": 9.0, "max_requests_per_connection": 4},
        ),
        ("max_requests_per_connection: 3", {"max_requests_per_connection": 3}),
        ("per_connection_buffer_limit_bytes: 4096", {"per_connection_buffer_limit_bytes": 4096}),
        (
            "dns_refresh_rate: 7s\n    dns_failure_refresh_rate: {base_interval: 2s, max_interval: 3s}",
            {"dns_refresh_rate": 7.0, "dns_failure_refresh_rate": DnsFailureRefreshRate(2.0, 3.0)},
        ),
        ("respect_dns_ttl: true\n    dns_lookup_family: v4_only", {"respect_dns_ttl": True, "dns_lookup_family": DnsLookupFamily.V4_ONLY}),
        ("dns_resolvers: [{socket_address: {address: 127.0.0.9, port_value: 53}}]", {"dns_resolvers": (SocketAddress("127.0.0.9", 53),)}),
        (
            "dns_resolution_config: {resolvers: [{socket_address: {address: '::1', port_value: 53}}]}",
            {"dns_resolvers": (SocketAddress("::1", 53),)},
        ),
        (
            RESOLVER,
            {"dns_resolvers": (SocketAddress("127.0.0.9", 53),)},
        ),
        (
            "circuit_breakers: {thresholds: [{priority: HIGH, max_requests: 9}, "
            "{max_connections: 1, max_pending_requests: 2, max_requests: 3, max_retries: 4}]}",
            {"circuit_breakers": CircuitBreakers(Thresholds(1, 2, 3, 4), Thresholds(max_requests=9))},
        ),
        ("circuit_breakers: {thresholds: [{max_requests: 0}]}", {"circuit_breakers": CircuitBreakers(Thresholds(max_requests=0))}),
        ("metadata: {filter_metadata: {a: {b: 1}}}\n    alt_stat_name: a", {"metadata": {"a": {"b": 1}}}),
    ],
)
def test_clusters(written: str, fields: dict[str, object]) -> None:
    found = cluster(written)
    assert replace(found, place="") == replace(PLAIN, place="", **fields)  # type: ignore[arg-type]  # names and types are the table's


@pytest.mark.parametrize(
    ("explicit", "fields"),
    [
        ("http_protocol_options: {}", {}),
        (
            "http2_protocol_options: {max_concurrent_streams: 7}",
            {"protocol": UpstreamProtocol.HTTP2, "http2": SEVEN_STREAMS},
        ),
    ],
)
def test_clusters_that_say_their_protocol_today(explicit: str, fields: dict[str, object]) -> None:
    typed = f'"@type": {UPSTREAM_TYPE}, explicit_http_config: {{{explicit}}}, common_http_protocol_options: {{idle_timeout: 9s}}'
    found = cluster(f"typed_extension_protocol_options: {{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {{{typed}}}}}")
    assert replace(found, place="") == replace(PLAIN, place="", idle_timeout=9.0, **fields)  # type: ignore[arg-type]  # as above


def test_endpoints_of_all_localities_with_their_weights() -> None:
    bootstrap = load_good(
        (
            "                address: 127.0.0.2\n                port_value: 80\n",
            "                address: 127.0.0.2\n                port_value: 80\n"
            "            hostname: a.test\n          load_balancing_weight: 3\n"
            "      - locality: {zone: b}\n        lb_endpoints:\n"
            "        - endpoint: {address: {socket_address: {address: '::1', port_value: '81'}}}\n",
        )
    ).bootstrap
    assert bootstrap is not None
    assert bootstrap.clusters[1].endpoints == (
        LbEndpoint(SocketAddress("127.0.0.2", 80), 3, "a.test"),
        LbEndpoint(SocketAddress("::1", 81), locality=Locality(zone="b")),
    )


def test_dns_servers_for_all_clusters_and_who_this_is() -> None:
    bootstrap = load_good(
        (
            "admin:\n",
            f"node: {{id: a, cluster: b, locality: {{zone: c}}}}\nstats_config: {{use_all_default_tags: true}}\n{RESOLVER}\nadmin:\n",
        )
    ).bootstrap
    assert bootstrap is not None
    assert (bootstrap.node_id, bootstrap.node_cluster) == ("a", "b")
    assert all(item.dns_resolvers == (SocketAddress("127.0.0.9", 53),) for item in bootstrap.clusters)


def test_an_admin_without_address_is_none() -> None:
    loaded = load(GOOD[: GOOD.index("admin:")] + "admin: {access_log_path: /dev/null}\n", NAME)
    assert loaded.problems == [] and loaded.bootstrap is not None and loaded.bootstrap.admin is None
