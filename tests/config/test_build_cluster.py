"""What a cluster says of discovery, endpoints, limits and connections arrives in the model, field by field."""

from dataclasses import replace

import pytest

from shifter.config import load
from shifter.model.address import Pipe, SocketAddress
from shifter.model.cluster import (
    CircuitBreakers,
    Cluster,
    DiscoveryType,
    DnsFailureRefreshRate,
    DnsLookupFamily,
    EdsSource,
    HealthStatus,
    LbEndpoint,
    Locality,
    PreconnectPolicy,
    RetryBudget,
    RoutingPriority,
    TcpKeepalive,
    Thresholds,
    UpstreamConnectionOptions,
)
from tests.support.configs import CARES_TYPE, NAME, with_cluster

GETADDRINFO = "type.googleapis.com/envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig"
DNS_CLUSTER = "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster"
NAMED = "{endpoint: {address: {socket_address: {address: a.test, port_value: 1}}}}"
ONE_NAME = f"load_assignment: {{cluster_name: a, endpoints: [{{lb_endpoints: [{NAMED}]}}]}}"
NODE = "node: {id: a, cluster: b}\n"
HERE = "socket_address: {address: 127.0.0.1, port_value: 80}"


def cluster(written: str, more: str = "") -> Cluster:
    loaded = load(with_cluster(written) + more, NAME)
    assert loaded.bootstrap is not None, loaded.problems
    return replace(loaded.bootstrap.clusters[2], place="")


def endpoint(written: str) -> LbEndpoint:
    [found] = cluster(f"load_assignment: {{cluster_name: a, endpoints: [{{lb_endpoints: [{{{written}}}]}}]}}").endpoints
    return found


PLAIN = cluster("connect_timeout: 5s")


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ("type: eds, eds_cluster_config: {eds_config: {path: /x}}", {"type": DiscoveryType.EDS, "eds": EdsSource("/x")}),
        (
            "type: EDS, eds_cluster_config: {service_name: a, eds_config: {resource_api_version: V3, initial_fetch_timeout: 0s, "
            "path_config_source: {path: /x/y, watched_directory: {path: /x}}}}",
            {"type": DiscoveryType.EDS, "eds": EdsSource("/x/y", "a")},
        ),
        ("cluster_type: {name: envoy.cluster.static}", {}),
        ("cluster_type: {name: envoy.cluster.strict_dns}, load_assignment: {cluster_name: a}", {"type": DiscoveryType.STRICT_DNS}),
        (
            f'cluster_type: {{name: a, typed_config: {{"@type": {DNS_CLUSTER}, dns_refresh_rate: 3s, dns_lookup_family: v4_only, '
            "respect_dns_ttl: true, dns_jitter: 1s, dns_failure_refresh_rate: {base_interval: 1s, max_interval: 9s}}}, "
            "load_assignment: {cluster_name: a}",
            {
                "type": DiscoveryType.STRICT_DNS,
                "dns_refresh_rate": 3.0,
                "dns_lookup_family": DnsLookupFamily.V4_ONLY,
                "respect_dns_ttl": True,
                "dns_jitter": 1.0,
                "dns_failure_refresh_rate": DnsFailureRefreshRate(1.0, 9.0),
            },
        ),
        (
            "dns_jitter: 2s, dns_failure_refresh_rate: {base_interval: 1s}",
            {"dns_jitter": 2.0, "dns_failure_refresh_rate": DnsFailureRefreshRate(1.0)},
        ),
        (
            f'typed_dns_resolver_config: {{name: a, typed_config: {{"@type": {CARES_TYPE}, resolvers: [{{{HERE}}}], '
            "dns_resolver_options: {no_default_search_domain: true}}}",
            {"dns_resolvers": (SocketAddress("127.0.0.1", 80),), "dns_search_domains": False},
        ),
        (f'typed_dns_resolver_config: {{name: a, typed_config: {{"@type": {GETADDRINFO}, num_retries: 3}}}}', {}),
        (
            f"dns_resolution_config: {{resolvers: [{{{HERE}}}], dns_resolver_options: {{no_default_search_domain: false}}}}",
            {"dns_resolvers": (SocketAddress("127.0.0.1", 80),)},
        ),
        (
            "circuit_breakers: {thresholds: [{retry_budget: {budget_percent: {value: 12.5}, min_retry_concurrency: 1}, "
            "track_remaining: true}, {priority: high, retry_budget: {}, max_connections: 7}], "
            "per_host_thresholds: [{priority: HIGH, max_connections: 1}, {max_connections: 2}]}",
            {
                "circuit_breakers": CircuitBreakers(
                    Thresholds(retry_budget=RetryBudget(12.5, 1), track_remaining=True),
                    Thresholds(7, retry_budget=RetryBudget()),
                    2,
                )
            },
        ),
        (
            "upstream_connection_options: {tcp_keepalive: {keepalive_time: 10}, "
            "happy_eyeballs_config: {first_address_family_version: v6, first_address_family_count: 2}}",
            {
                "connection_options": UpstreamConnectionOptions(
                    TcpKeepalive(keepalive_time=10), happy_eyeballs_first_family_v4=False, happy_eyeballs_first_family_count=2
                )
            },
        ),
        (
            "upstream_bind_config: {source_address: {address: 127.0.0.1, port_value: 0}, freebind: true, "
            "extra_source_addresses: [{address: {address: '::1', port_value: 5}}]}",
            {"connection_options": UpstreamConnectionOptions(None, (SocketAddress("127.0.0.1", 0), SocketAddress("::1", 5)), True)},
        ),
        ("preconnect_policy: {predictive_preconnect_ratio: 1.5}", {"preconnect": PreconnectPolicy(1.0, 1.5)}),
        (
            "common_http_protocol_options: {idle_timeout: 1s, max_connection_duration: 2s, max_requests_per_connection: 3}",
            {"idle_timeout": 1.0, "max_connection_duration": 2.0, "max_requests_per_connection": 3},
        ),
        (
            "ignore_health_on_host_removal: true, wait_for_warm_on_init: false",
            {"ignore_health_on_host_removal": True, "wait_for_warm_on_init": False},
        ),
        ("metadata: {filter_metadata: {a: {b: [1, true]}}}", {"metadata": {"a": {"b": [1, True]}}}),
        (
            "load_assignment: {cluster_name: a, policy: {overprovisioning_factor: 100, weighted_priority_health: true}}",
            {"overprovisioning_factor": 100, "weighted_priority_health": True},
        ),
    ],
)
def test_fields(written: str, fields: dict[str, object]) -> None:
    assert cluster(written, NODE) == replace(PLAIN, **fields)  # type: ignore[arg-type]  # names and types are the table's


@pytest.mark.parametrize(
    "written",
    [
        "type: LOGICAL_DNS",
        "cluster_type: {name: envoy.cluster.logical_dns}",
        f'cluster_type: {{name: a, typed_config: {{"@type": {DNS_CLUSTER}, all_addresses_in_single_endpoint: true}}}}',
    ],
)
def test_logical_dns(written: str) -> None:
    found = cluster(f"{written}, {ONE_NAME}")
    assert (found.type, found.endpoints) == (DiscoveryType.LOGICAL_DNS, (LbEndpoint(SocketAddress("a.test", 1)),))


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ("health_status: draining", {"health_status": HealthStatus.DRAINING}),
        ("metadata: {filter_metadata: {envoy.lb: {canary: true}}}", {"metadata": {"envoy.lb": {"canary": True}}}),
        ("load_balancing_weight: 9", {"weight": 9}),
    ],
)
def test_what_is_said_of_an_endpoint(written: str, fields: dict[str, object]) -> None:
    found = endpoint(f"endpoint: {{address: {{{HERE}}}}}, {written}")
    assert found == LbEndpoint(SocketAddress("127.0.0.1", 80), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("address: {pipe: {path: /a.sock, mode: 384}}", LbEndpoint(Pipe("/a.sock"))),
        ("address: {pipe: {path: '@abstract'}}", LbEndpoint(Pipe("@abstract"))),
        (
            "hostname: a.test, address: {pipe: {path: /a}}, additional_addresses: [{address: {pipe: {path: /b}}}]",
            LbEndpoint(Pipe("/a"), hostname="a.test", additional_addresses=(Pipe("/b"),)),
        ),
        (
            "address: {pipe: {path: /a}}, "
            "health_check_config: {hostname: h, address: {pipe: {path: /c}}, disable_active_health_check: true}",
            LbEndpoint(Pipe("/a"), health_check_address=Pipe("/c"), health_check_hostname="h", disable_active_health_check=True),
        ),
        (
            f"address: {{{HERE}}}, health_check_config: {{port_value: 81}}",
            LbEndpoint(SocketAddress("127.0.0.1", 80), health_check_port=81),
        ),
    ],
)
def test_where_an_endpoint_is(written: str, found: LbEndpoint) -> None:
    assert endpoint(f"endpoint: {{{written}}}") == found


def test_localities_and_priorities_go_to_their_endpoints() -> None:
    one = f"{{endpoint: {{address: {{{HERE}}}}}}}"
    found = cluster(
        "load_assignment: {cluster_name: a, endpoints: ["
        f"{{priority: 1, lb_endpoints: [{one}]}}, "
        f"{{locality: {{region: r, zone: z, sub_zone: s}}, load_balancing_weight: 3, lb_endpoints: [{one}, {one}]}}]}}"
    ).endpoints
    first, second, third = found
    assert (first.priority, first.locality, first.locality_weight) == (1, Locality(), None)
    assert second == third and (second.priority, second.locality, second.locality_weight) == (0, Locality("r", "z", "s"), 3)


def test_what_holds_for_all_clusters() -> None:
    manager = (
        "cluster_manager: {upstream_bind_config: {source_address: {address: 127.0.0.9, port_value: 0}}, "
        "outlier_detection: {event_log_path: /dev/null}}\n"
    )
    loaded = load(with_cluster("upstream_bind_config: {}") + manager, NAME)
    assert loaded.bootstrap is not None, loaded.problems
    assert loaded.bootstrap.outlier_event_log_path == "/dev/null"
    sources = [one.connection_options.source_addresses for one in loaded.bootstrap.clusters]
    assert sources == [(SocketAddress("127.0.0.9", 0),)] * 2 + [()]


def test_thresholds_of_each_priority() -> None:
    breakers = cluster("circuit_breakers: {thresholds: [{priority: HIGH, max_requests: 3}]}").circuit_breakers
    assert breakers.of(RoutingPriority.HIGH).max_requests == 3 and breakers.of(RoutingPriority.DEFAULT) == Thresholds()
