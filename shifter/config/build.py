"""From the checked schema to the frozen model. Nothing can fail here: ``check`` has seen the same tree.

Rule 1. What the configuration does not say is left to the model's defaults; no default is repeated here.
Rule 2. Text that meets bytes of a request becomes UTF-8 bytes; header names become lower case.
"""

from shifter.config.build_cluster import build_cluster, defaults
from shifter.config.build_common import Sources, encoded, given, pairs
from shifter.config.build_local_reply import local_reply_config
from shifter.config.build_protocol import http2_options
from shifter.config.build_route import route_configuration
from shifter.config.build_runtime import runtime_layers
from shifter.config.document import MapNode, maps
from shifter.config.schema import bootstrap as schema
from shifter.config.schema import core
from shifter.config.schema import listener as listener_schema
from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Admin, Bootstrap
from shifter.model.http2 import DOWNSTREAM_HTTP2
from shifter.model.http_connection_manager import EscapedSlashes, FileAccessLog, HttpConnectionManager, PathNormalization, StripPort
from shifter.model.listener import FilterChain, Listener
from shifter.model.route import UpgradeConfig


def build(config: schema.Bootstrap, root: MapNode, sources: Sources) -> Bootstrap:
    """Return *config*, which stands at *root*, as the model."""
    static = root["static_resources"]
    assert isinstance(static, MapNode)
    above, manager = defaults(config), config.cluster_manager
    ejections = manager.outlier_detection if manager is not None else None
    listeners = _Listeners(sources, {listener.name for listener in config.static_resources.listeners})
    return Bootstrap(
        listeners=tuple(listeners.listener(item, node) for item, node in pairs(config.static_resources.listeners, static, "listeners")),
        clusters=tuple(
            build_cluster(item, sources.place(node), above) for item, node in pairs(config.static_resources.clusters, static, "clusters")
        ),
        admin=Admin(address(config.admin.address)) if config.admin is not None and config.admin.address is not None else None,
        node_id=config.node.id if config.node is not None else "",
        node_cluster=config.node.cluster if config.node is not None else "",
        outlier_event_log_path=ejections.event_log_path if ejections is not None else "",
        runtime=runtime_layers(config.layered_runtime),
    )


def address(written: core.Address) -> SocketAddress:
    """Return the address that *written* names."""
    socket = written.socket_address
    assert socket is not None
    return SocketAddress(socket.address, socket.port_value)


class _Listeners:
    """What listeners need beside their own words: names for those that have none, places, contents of files."""

    def __init__(self, sources: Sources, names: set[str]) -> None:
        self._sources = sources
        self._used = names

    def listener(self, config: listener_schema.Listener, node: MapNode) -> Listener:
        where = address(config.address)
        chain = next(maps(node["filter_chains"]))
        network_filter = next(maps(chain["filters"]))
        return Listener(
            name=config.name or self._unused(str(where)),
            address=where,
            filter_chains=(
                FilterChain(
                    self._manager(config.filter_chains[0].filters[0].typed_config, network_filter["typed_config"]),
                    place=self._sources.place(chain),
                    name=config.filter_chains[0].name,
                ),
            ),
            place=self._sources.place(node),
            **given(per_connection_buffer_limit_bytes=config.per_connection_buffer_limit_bytes, backlog=config.tcp_backlog_size),
        )

    def _unused(self, name: str) -> str:
        """Several nameless listeners may ask for "any free port" of one address."""
        number = 1
        unused = name
        while unused in self._used:
            number += 1
            unused = f"{name}#{number}"
        self._used.add(unused)
        return unused

    def _manager(self, config: listener_schema.HttpConnectionManager, node: object) -> HttpConnectionManager:
        assert isinstance(node, MapNode) and config.route_config is not None
        routes = node["route_config"]
        assert isinstance(routes, MapNode)
        common, http1 = config.common_http_protocol_options, config.http_protocol_options
        return HttpConnectionManager(
            stat_prefix=config.stat_prefix,
            route_config=route_configuration(config.route_config, routes, self._sources),
            codec_type=config.codec_type,
            access_log=tuple(_access_log(log.typed_config) for log in config.access_log),
            path_normalization=_path_normalization(config),
            suppress_envoy_headers=self._sources.filters.suppresses_envoy_headers(config.http_filters),
            http_filters=self._sources.filters.chain(config.http_filters),
            strip_port=_strip_port(config),
            local_reply=local_reply_config(config.local_reply_config, self._sources),
            http2=http2_options(config.http2_protocol_options, DOWNSTREAM_HTTP2),
            internal_addresses=_internal_addresses(config.internal_address_config),
            upgrades=tuple(UpgradeConfig(one.upgrade_type.lower().encode(), one.enabled) for one in config.upgrade_configs),
            **given(
                server_name=config.server_name,
                via=encoded(config.via),
                server_header=config.server_header_transformation,
                strip_trailing_host_dot=config.strip_trailing_host_dot,
                always_set_request_id_in_response=config.always_set_request_id_in_response,
                append_x_forwarded_port=config.append_x_forwarded_port,
                max_stream_duration=common.max_stream_duration if common is not None else None,
                use_remote_address=config.use_remote_address,
                skip_xff_append=config.skip_xff_append,
                xff_num_trusted_hops=config.xff_num_trusted_hops,
                generate_request_id=config.generate_request_id,
                preserve_external_request_id=config.preserve_external_request_id,
                headers_with_underscores=common.headers_with_underscores_action if common is not None else None,
                max_request_headers_kb=config.max_request_headers_kb,
                max_headers_count=common.max_headers_count if common is not None else None,
                max_requests_per_connection=common.max_requests_per_connection if common is not None else None,
                idle_timeout=common.idle_timeout if common is not None else None,
                stream_idle_timeout=config.stream_idle_timeout,
                request_timeout=config.request_timeout,
                request_headers_timeout=config.request_headers_timeout,
                delayed_close_timeout=config.delayed_close_timeout,
                accept_http_10=http1.accept_http_10 if http1 is not None else None,
                default_host_for_http_10=http1.default_host_for_http_10.encode() if http1 is not None else None,
                enable_trailers=http1.enable_trailers if http1 is not None else None,
            ),
        )


def _path_normalization(config: listener_schema.HttpConnectionManager) -> PathNormalization:
    action = config.path_with_escaped_slashes_action
    default = action is listener_schema.EscapedSlashesAction.IMPLEMENTATION_SPECIFIC_DEFAULT
    return PathNormalization(
        **given(
            normalize_path=config.normalize_path,
            merge_slashes=config.merge_slashes,
            escaped_slashes=None if default else EscapedSlashes(action.value),
        )
    )


def _strip_port(config: listener_schema.HttpConnectionManager) -> StripPort:
    if config.strip_any_host_port:
        return StripPort.ANY
    return StripPort.MATCHING if config.strip_matching_host_port else StripPort.NONE


def _internal_addresses(config: listener_schema.InternalAddressConfig | None) -> tuple[str, ...] | None:
    return tuple(f"{one.address_prefix}/{one.prefix_len}" for one in config.cidr_ranges) if config is not None else None


def _access_log(config: listener_schema.AccessLogConfig) -> FileAccessLog:
    kind = config.type_url.rpartition("/")[2]
    path = {listener_schema.STDOUT_LOG: "/dev/stdout", listener_schema.STDERR_LOG: "/dev/stderr"}.get(kind, config.path or "")
    line = config.format
    if config.log_format is not None:
        source = config.log_format.text_format_source
        line = source.inline_string if source is not None else config.log_format.text_format
    return FileAccessLog(path, **given(format=line))
