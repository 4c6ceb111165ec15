"""Clusters and their endpoints, from the checked schema to the frozen model.

Rule 1. As in ``build``: nothing can fail here, and no default of the model is repeated.
"""

from dataclasses import dataclass
from typing import Any

from shifter.config.build_common import given, lower, metadata
from shifter.config.build_health_check import health_check, outlier_detection
from shifter.config.build_load_balancing import load_balancing
from shifter.config.build_protocol import http2_options
from shifter.config.build_tls import TlsBuilder
from shifter.config.schema import bootstrap, circuit_breaker, cluster, connection, core, dns, transport_socket
from shifter.config.schema import endpoint as endpoint_schema
from shifter.model.address import Address, Pipe, SocketAddress
from shifter.model.cluster import (
    CircuitBreakers,
    Cluster,
    DiscoveryType,
    DnsFailureRefreshRate,
    EdsSource,
    LbEndpoint,
    Locality,
    PreconnectPolicy,
    RetryBudget,
    RoutingPriority,
    TcpKeepalive,
    Thresholds,
    TransportSocketMatch,
    UpstreamConnectionOptions,
    UpstreamProtocol,
)
from shifter.model.http2 import UPSTREAM_HTTP2

TYPES_BY_NAME = {
    "envoy.cluster.static": DiscoveryType.STATIC,
    "envoy.cluster.strict_dns": DiscoveryType.STRICT_DNS,
    "envoy.cluster.logical_dns": DiscoveryType.LOGICAL_DNS,
    "envoy.cluster.dns": DiscoveryType.STRICT_DNS,
}
"""What the names of ``cluster_type`` mean."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """How names are resolved: by which servers (none: the system's), and with the system's search domains or without."""

    servers: tuple[SocketAddress, ...] = ()
    search: bool = True


class Clusters:
    """Builds clusters, with what *config* says for those that do not say it themselves."""

    def __init__(self, config: bootstrap.Bootstrap, tls: TlsBuilder) -> None:
        manager = config.cluster_manager
        self._resolution = _resolution(config.typed_dns_resolver_config, config.dns_resolution_config)
        self._bind = manager.upstream_bind_config if manager is not None else None
        self._tls = tls

    def build(self, config: cluster.Cluster, place: str) -> Cluster:
        """Return *config*, which stands at *place*, as the model."""
        assignment, policy = config.load_assignment, config.load_assignment.policy if config.load_assignment is not None else None
        preconnect = config.preconnect_policy
        return Cluster(
            name=config.name,
            type=discovery_type(config),
            endpoints=endpoints(assignment) if assignment is not None else (),
            eds=_eds(config.eds_cluster_config) if config.eds_cluster_config is not None else None,
            health_checks=tuple(map(health_check, config.health_checks)),
            outlier_detection=outlier_detection(config.outlier_detection),
            ignore_health_on_host_removal=config.ignore_health_on_host_removal,
            close_connections_on_host_health_failure=config.close_connections_on_host_health_failure,
            circuit_breakers=_circuit_breakers(config.circuit_breakers),
            connection_options=_connection_options(config.upstream_connection_options, config.upstream_bind_config or self._bind),
            metadata=metadata(config.metadata),
            place=place,
            **load_balancing(config),
            **_dns(config, self._resolution),
            **_protocol(config),
            **self._sockets(config),
            **given(
                overprovisioning_factor=policy.overprovisioning_factor if policy is not None else None,
                weighted_priority_health=policy.weighted_priority_health if policy is not None else None,
                connect_timeout=config.connect_timeout,
                preconnect=PreconnectPolicy(**given(**dict(preconnect))) if preconnect is not None else None,
                per_connection_buffer_limit_bytes=config.per_connection_buffer_limit_bytes,
                wait_for_warm_on_init=config.wait_for_warm_on_init,
            ),
        )

    def _sockets(self, config: cluster.Cluster) -> dict[str, Any]:
        """Return the fields of the model that are about what bytes travel in."""
        tls, proxy_protocol = self._tls.upstream(config.transport_socket)
        return {
            "tls": tls,
            "proxy_protocol": proxy_protocol,
            "transport_socket_matches": tuple(map(self._socket_match, config.transport_socket_matches)),
        }

    def _socket_match(self, config: transport_socket.TransportSocketMatch) -> TransportSocketMatch:
        return TransportSocketMatch(config.name, config.match or {}, *self._tls.upstream(config.transport_socket))


def discovery_type(config: cluster.Cluster) -> DiscoveryType:
    """Return where the endpoints of *config* come from."""
    custom = config.cluster_type
    if custom is None:
        return config.type
    if custom.typed_config is None:
        return TYPES_BY_NAME[custom.name]
    return DiscoveryType.LOGICAL_DNS if custom.typed_config.all_addresses_in_single_endpoint else DiscoveryType.STRICT_DNS


def endpoints(config: endpoint_schema.ClusterLoadAssignment) -> tuple[LbEndpoint, ...]:
    """Return the endpoints of *config*, locality after locality."""
    return tuple(_endpoint(item, group) for group in config.endpoints for item in group.lb_endpoints)


def _endpoint(config: endpoint_schema.LbEndpoint, group: endpoint_schema.LocalityLbEndpoints) -> LbEndpoint:
    assert config.endpoint is not None
    named, checks = config.endpoint, config.endpoint.health_check_config
    checked = checks.address if checks is not None else None
    return LbEndpoint(
        address=_address(named.address),
        weight=config.load_balancing_weight,
        hostname=named.hostname,
        health_status=config.health_status,
        metadata=metadata(config.metadata),
        locality=_locality(group.locality),
        locality_weight=group.load_balancing_weight,
        priority=group.priority,
        additional_addresses=tuple(_address(one.address) for one in named.additional_addresses),
        health_check_address=_address(checked) if checked is not None else None,
        **given(
            health_check_port=checks.port_value if checks is not None else None,
            health_check_hostname=checks.hostname if checks is not None else None,
            disable_active_health_check=checks.disable_active_health_check if checks is not None else None,
        ),
    )


def _locality(config: core.Locality | None) -> Locality:
    """Return *config* as the model; the nameless one when there is none."""
    return Locality(config.region, config.zone, config.sub_zone) if config is not None else Locality()


def _address(config: core.EndpointAddress) -> Address:
    if config.pipe is not None:
        return Pipe(config.pipe.path)
    assert config.socket_address is not None
    return socket_address(config.socket_address)


def socket_address(config: core.SocketAddress) -> SocketAddress:
    """Return *config* as the model."""
    return SocketAddress(config.address, config.port_value)


def _eds(config: dns.EdsClusterConfig) -> EdsSource:
    source = config.eds_config.path_config_source
    return EdsSource(source.path if source is not None else config.eds_config.path or "", config.service_name)


def _dns(config: cluster.Cluster, above: Resolution | None) -> dict[str, Any]:
    """Return the fields of the model that are about names, which ``DnsCluster`` says anew."""
    custom = config.cluster_type.typed_config if config.cluster_type is not None else None
    said: cluster.Cluster | dns.DnsCluster = config if custom is None else custom
    if custom is not None:
        resolution = _resolution(custom.typed_dns_resolver_config, None)
        unspecified = custom.dns_lookup_family is dns.DnsClusterLookupFamily.UNSPECIFIED
        family = config.dns_lookup_family.AUTO if unspecified else type(config.dns_lookup_family)(custom.dns_lookup_family.value)
    else:
        resolution = _resolution(config.typed_dns_resolver_config, config.dns_resolution_config)
        if resolution is None and config.dns_resolvers:
            resolution = Resolution(_servers(config.dns_resolvers))
        family = config.dns_lookup_family
    resolution = resolution or above or Resolution()
    failures = said.dns_failure_refresh_rate
    return {
        "respect_dns_ttl": said.respect_dns_ttl,
        "dns_lookup_family": family,
        "dns_resolvers": resolution.servers,
        "dns_search_domains": resolution.search,
        **given(
            dns_refresh_rate=said.dns_refresh_rate,
            dns_failure_refresh_rate=DnsFailureRefreshRate(failures.base_interval, failures.max_interval) if failures else None,
            dns_jitter=said.dns_jitter,
        ),
    }


def _resolution(typed: dns.TypedDnsResolver | None, older: dns.DnsResolutionConfig | None) -> Resolution | None:
    config: object = typed.typed_config if typed is not None else older
    if isinstance(config, dns.GetAddrInfoDnsResolverConfig):
        return Resolution()
    if not isinstance(config, dns.CaresDnsResolverConfig | dns.DnsResolutionConfig):
        return None
    options = config.dns_resolver_options
    return Resolution(_servers(config.resolvers), options is None or not options.no_default_search_domain)


def _servers(written: list[core.Address]) -> tuple[SocketAddress, ...]:
    return tuple(socket_address(one.socket_address) for one in written if one.socket_address is not None)


def _protocol(config: cluster.Cluster) -> dict[str, Any]:
    """Return the fields of the model that are about what is spoken, of which there are an older and a newer spelling."""
    typed = config.typed_extension_protocol_options
    options = typed.http if typed is not None else None
    said: cluster.Cluster | cluster.HttpProtocolOptions = config if options is None else options
    protocol, spoken = _spoken(config, options)
    http1, http2, common = spoken.http_protocol_options, spoken.http2_protocol_options, said.common_http_protocol_options
    names, limit = said.upstream_http_protocol_options, common.max_requests_per_connection if common is not None else None
    return {
        "protocol": protocol,
        "http2": http2_options(http2, UPSTREAM_HTTP2),
        **given(
            enable_trailers=http1.enable_trailers if http1 is not None else None,
            auto_sni=names.auto_sni if names is not None else None,
            auto_san_validation=names.auto_san_validation if names is not None else None,
            override_auto_sni_header=lower(names.override_auto_sni_header) if names is not None else None,
            idle_timeout=common.idle_timeout if common is not None else None,
            max_connection_duration=common.max_connection_duration if common is not None else None,
            max_requests_per_connection=limit if limit is not None else config.max_requests_per_connection,
        ),
    }


_Spoken = cluster.Cluster | cluster.ExplicitHttpConfig | cluster.UseDownstreamHttpConfig | cluster.AutoHttpConfig


def _spoken(config: cluster.Cluster, options: cluster.HttpProtocolOptions | None) -> tuple[UpstreamProtocol, _Spoken]:
    """Return what is spoken to endpoints, and the message with the options of the protocols."""
    if options is not None and options.auto_config is not None:
        return UpstreamProtocol.AUTO, options.auto_config
    if options is not None and options.use_downstream_protocol_config is not None:
        return UpstreamProtocol.DOWNSTREAM, options.use_downstream_protocol_config
    if options is None and config.protocol_selection is cluster.ProtocolSelection.USE_DOWNSTREAM_PROTOCOL:
        return UpstreamProtocol.DOWNSTREAM, config
    explicit: _Spoken = config if options is None or options.explicit_http_config is None else options.explicit_http_config
    return UpstreamProtocol.HTTP2 if explicit.http2_protocol_options is not None else UpstreamProtocol.HTTP1, explicit


def _circuit_breakers(config: circuit_breaker.CircuitBreakers | None) -> CircuitBreakers:
    if config is None:
        return CircuitBreakers()
    default, high = (_thresholds(config.thresholds, priority) for priority in (RoutingPriority.DEFAULT, RoutingPriority.HIGH))
    per_host = _first(config.per_host_thresholds, RoutingPriority.DEFAULT)
    return CircuitBreakers(default, high, per_host.max_connections if per_host is not None else None)


def _first(entries: list[circuit_breaker.Thresholds], priority: RoutingPriority) -> circuit_breaker.Thresholds | None:
    # Of several entries for one priority, Envoy takes the first.
    return next((entry for entry in entries if entry.priority is priority), None)


def _thresholds(entries: list[circuit_breaker.Thresholds], priority: RoutingPriority) -> Thresholds:
    config = _first(entries, priority)
    if config is None:
        return Thresholds()
    budget = config.retry_budget
    share = budget.budget_percent.value if budget is not None and budget.budget_percent is not None else None
    return Thresholds(
        track_remaining=config.track_remaining,
        retry_budget=RetryBudget(**given(budget_percent=share, min_retry_concurrency=budget.min_retry_concurrency)) if budget else None,
        **given(
            max_connections=config.max_connections,
            max_pending_requests=config.max_pending_requests,
            max_requests=config.max_requests,
            max_retries=config.max_retries,
        ),
    )


def _connection_options(
    options: connection.UpstreamConnectionOptions | None, bind: connection.BindConfig | None
) -> UpstreamConnectionOptions:
    keepalive = options.tcp_keepalive if options is not None else None
    race = options.happy_eyeballs_config if options is not None else None
    first = race.first_address_family_version if race is not None else connection.FirstAddressFamily.DEFAULT
    sources = [one for one in (bind.source_address,) if one is not None] if bind is not None else []
    if bind is not None:
        sources += [one.address for one in bind.extra_source_addresses] + bind.additional_source_addresses
    default = first is connection.FirstAddressFamily.DEFAULT
    return UpstreamConnectionOptions(
        tcp_keepalive=TcpKeepalive(**dict(keepalive)) if keepalive is not None else None,
        source_addresses=tuple(map(socket_address, sources)),
        freebind=bind.freebind if bind is not None else False,
        happy_eyeballs_first_family_v4=None if default else first is connection.FirstAddressFamily.V4,
        **given(happy_eyeballs_first_family_count=race.first_address_family_count if race is not None else None),
    )
