"""The connection manager, from the checked schema to the frozen model.

Rule 1. As in ``build``: nothing can fail here, and no default of the model is repeated.
"""

from collections.abc import Callable

from shifter.config.build_access_log import access_logs
from shifter.config.build_common import Sources, encoded, given
from shifter.config.build_local_reply import local_reply_config
from shifter.config.build_protocol import http2_options
from shifter.config.build_route import route_configuration
from shifter.config.build_tracing import tracing
from shifter.config.document import MapNode, routes_in
from shifter.config.schema import listener as schema
from shifter.model.http2 import DOWNSTREAM_HTTP2
from shifter.model.http_connection_manager import ClientCertDetails, EscapedSlashes, HttpConnectionManager, PathNormalization, StripPort
from shifter.model.route import RouteConfiguration, UpgradeConfig

RoutesInFile = Callable[[schema.Rds], RouteConfiguration]
"""Returns the routes that an ``Rds`` asks for."""


def connection_manager(
    config: schema.HttpConnectionManager, node: MapNode, sources: Sources, routes_in_file: RoutesInFile
) -> HttpConnectionManager:
    """Return *config*, which stands at *node*, as the model."""
    common, http1, scheme = config.common_http_protocol_options, config.http_protocol_options, config.scheme_header_transformation
    return HttpConnectionManager(
        stat_prefix=config.stat_prefix,
        route_config=_routes(config, node, sources, routes_in_file),
        codec_type=config.codec_type,
        access_log=access_logs(config.access_log, sources),
        tracing=tracing(config.tracing),
        flush_access_log_on_new_request=config.flush_access_log_on_new_request
        or (config.access_log_options is not None and config.access_log_options.flush_access_log_on_new_request),
        path_normalization=_path_normalization(config),
        suppress_envoy_headers=sources.filters.suppresses_envoy_headers(config.http_filters),
        http_filters=sources.filters.chain(config.http_filters),
        strip_port=_strip_port(config),
        local_reply=local_reply_config(config.local_reply_config, sources),
        http2=http2_options(config.http2_protocol_options, DOWNSTREAM_HTTP2),
        forward_client_cert=config.forward_client_cert_details,
        client_cert_details=_client_cert_details(config.set_current_client_cert_details),
        proxy_100_continue=config.proxy_100_continue,
        scheme_to_overwrite=encoded(scheme.scheme_to_overwrite) if scheme is not None else None,
        internal_addresses=_internal_addresses(config.internal_address_config),
        upgrades=tuple(UpgradeConfig(one.upgrade_type.lower().encode(), one.enabled) for one in config.upgrade_configs),
        **given(
            server_name=config.server_name,
            via=encoded(config.via),
            server_header=config.server_header_transformation,
            strip_trailing_host_dot=config.strip_trailing_host_dot,
            always_set_request_id_in_response=config.always_set_request_id_in_response,
            append_x_forwarded_port=config.append_x_forwarded_port,
            stream_flush_timeout=config.stream_flush_timeout,
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
            drain_timeout=config.drain_timeout,
            max_connection_duration=common.max_connection_duration if common is not None else None,
            accept_http_10=http1.accept_http_10 if http1 is not None else None,
            default_host_for_http_10=http1.default_host_for_http_10.encode() if http1 is not None else None,
            enable_trailers=http1.enable_trailers if http1 is not None else None,
        ),
    )


def _routes(config: schema.HttpConnectionManager, node: MapNode, sources: Sources, routes_in_file: RoutesInFile) -> RouteConfiguration:
    if config.rds is not None:
        return routes_in_file(config.rds)
    routes = routes_in(node)
    assert config.route_config is not None and routes is not None
    return route_configuration(config.route_config, routes, sources)


def _client_cert_details(config: schema.SetCurrentClientCertDetails | None) -> ClientCertDetails:
    return (
        ClientCertDetails(config.subject, config.cert, config.chain, config.dns, config.uri) if config is not None else ClientCertDetails()
    )


def _path_normalization(config: schema.HttpConnectionManager) -> PathNormalization:
    action = config.path_with_escaped_slashes_action
    default = action is schema.EscapedSlashesAction.IMPLEMENTATION_SPECIFIC_DEFAULT
    return PathNormalization(
        **given(
            normalize_path=config.normalize_path,
            merge_slashes=config.merge_slashes,
            escaped_slashes=None if default else EscapedSlashes(action.value),
        )
    )


def _strip_port(config: schema.HttpConnectionManager) -> StripPort:
    if config.strip_any_host_port:
        return StripPort.ANY
    return StripPort.MATCHING if config.strip_matching_host_port else StripPort.NONE


def _internal_addresses(config: schema.InternalAddressConfig | None) -> tuple[str, ...] | None:
    return tuple(f"{one.address_prefix}/{one.prefix_len}" for one in config.cidr_ranges) if config is not None else None
