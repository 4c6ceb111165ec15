"""Listeners and their filter chains, from the checked schema to the frozen model.

Rule 1. As in ``build``: nothing can fail here, and no default of the model is repeated.
"""

import ipaddress

from shifter.config.build_access_log import access_logs
from shifter.config.build_cluster import socket_address
from shifter.config.build_common import Sources, given, pairs
from shifter.config.build_manager import RoutesInFile, connection_manager
from shifter.config.build_tcp_proxy import tcp_proxy
from shifter.config.build_tls import TlsBuilder
from shifter.config.document import MapNode, map_in, maps
from shifter.config.schema import core
from shifter.config.schema import filter_chain as schema
from shifter.config.schema import listener as listener_schema
from shifter.config.schema import tcp_proxy as tcp_schema
from shifter.model.address import SocketAddress
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import FilterChain, FilterChainMatch, Listener, ProxyProtocol
from shifter.model.tcp_proxy import TcpProxy


def address(written: core.Address) -> SocketAddress:
    """Return the address that *written* names."""
    assert written.socket_address is not None
    return socket_address(written.socket_address)


class Listeners:
    """Builds listeners; *names* are those that are taken, for those that have none; *routes* returns those in a file."""

    def __init__(self, sources: Sources, tls: TlsBuilder, names: set[str], routes: RoutesInFile) -> None:
        self._sources = sources
        self._tls = tls
        self._used = names
        self._routes = routes

    def listener(self, config: listener_schema.Listener, node: MapNode) -> Listener:
        """Return *config*, which stands at *node*, as the model."""
        where = address(config.address)
        chains = tuple(self._chain(item, at) for item, at in pairs(config.filter_chains, node, "filter_chains"))
        default, at = config.default_filter_chain, map_in(node, "default_filter_chain")
        filters = [item.typed_config for item in config.listener_filters]
        return Listener(
            name=config.name or self._unused(str(where)),
            address=where,
            filter_chains=chains,
            default_filter_chain=self._chain(default, at) if default is not None and at is not None else None,
            tls_inspector=any(isinstance(item, schema.TlsInspector) for item in filters) or any(map(needs_tls_inspector, chains)),
            proxy_protocol=next((_proxy_protocol(item) for item in filters if isinstance(item, schema.ProxyProtocol)), None),
            continue_on_listener_filters_timeout=config.continue_on_listener_filters_timeout,
            access_log=access_logs(config.access_log, self._sources),
            inbound=config.traffic_direction is listener_schema.TrafficDirection.INBOUND,
            place=self._sources.place(node),
            **given(
                listener_filters_timeout=config.listener_filters_timeout,
                per_connection_buffer_limit_bytes=config.per_connection_buffer_limit_bytes,
                backlog=config.tcp_backlog_size,
                max_client_hello_size=next((item.max_client_hello_size for item in filters if isinstance(item, schema.TlsInspector)), None),
            ),
        )

    def _chain(self, config: listener_schema.FilterChain, node: MapNode) -> FilterChain:
        network_filter = next(maps(node["filters"]))
        match = config.filter_chain_match
        return FilterChain(
            self._filter(config.filters[0].typed_config, network_filter["typed_config"]),
            tls=self._tls.downstream(config.transport_socket),
            name=config.name,
            place=self._sources.place(node),
            **given(
                match=_match(match) if match is not None else None,
                transport_socket_connect_timeout=config.transport_socket_connect_timeout,
            ),
        )

    def _filter(self, config: object, node: object) -> HttpConnectionManager | TcpProxy:
        if isinstance(config, tcp_schema.TcpProxy):
            return tcp_proxy(config, self._sources)
        assert isinstance(config, listener_schema.HttpConnectionManager) and isinstance(node, MapNode)
        return connection_manager(config, node, self._sources, self._routes)

    def _unused(self, name: str) -> str:
        """Several nameless listeners may ask for "any free port" of one address."""
        number = 1
        unused = name
        while unused in self._used:
            number += 1
            unused = f"{name}#{number}"
        self._used.add(unused)
        return unused


def needs_tls_inspector(chain: FilterChain) -> bool:
    """Say whether to choose *chain* takes a look at the first bytes of a connection."""
    match = chain.match
    return match.transport_protocol == "tls" or (not match.transport_protocol and bool(match.server_names or match.application_protocols))


def _match(config: schema.FilterChainMatch) -> FilterChainMatch:
    return FilterChainMatch(
        destination_port=config.destination_port,
        prefix_ranges=_ranges(config.prefix_ranges),
        server_names=tuple(name.lower() for name in config.server_names),
        transport_protocol=config.transport_protocol,
        application_protocols=tuple(name.encode() for name in config.application_protocols),
        direct_source_prefix_ranges=_ranges(config.direct_source_prefix_ranges),
        source_type=config.source_type,
        source_prefix_ranges=_ranges(config.source_prefix_ranges),
        source_ports=tuple(config.source_ports),
    )


def _ranges(written: list[core.CidrRange]) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_network((one.address_prefix, one.prefix_len), strict=False)) for one in written)


def _proxy_protocol(config: schema.ProxyProtocol) -> ProxyProtocol:
    refused = {version.value for version in config.disallowed_versions}
    return ProxyProtocol(
        config.allow_requests_without_proxy_protocol,
        tuple(version for version in ProxyProtocol().versions if version not in refused),
        config.stat_prefix,
    )
