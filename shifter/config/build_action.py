"""What a route does with a request that it forwards, from the checked schema to the frozen model."""

from collections.abc import Mapping
from dataclasses import dataclass

from shifter.config.build_common import (
    Sources,
    encoded,
    given,
    header_changes,
    header_options,
    lb_metadata,
    lower,
    metadata,
    names,
    regex_rewrite,
    runtime_fraction,
)
from shifter.config.build_retry import hedge_policy, retry_policy
from shifter.config.schema import route as schema
from shifter.model.cluster import RoutingPriority
from shifter.model.retry import HedgePolicy, RetryPolicy
from shifter.model.route import (
    ConnectConfig,
    HashPolicy,
    HashSource,
    HeaderMutations,
    InternalRedirectPolicy,
    InternalRedirectPredicate,
    MaxStreamDuration,
    RequestMirrorPolicy,
    RouteAction,
    UpgradeConfig,
    WeightedCluster,
)

_NOT_FOUND_CODES = {
    schema.ClusterNotFoundResponseCode.SERVICE_UNAVAILABLE: 503,
    schema.ClusterNotFoundResponseCode.NOT_FOUND: 404,
    schema.ClusterNotFoundResponseCode.INTERNAL_SERVER_ERROR: 500,
}
REDIRECT_CODES = (301, 302, 303, 307, 308)
"""Answers that Envoy takes for redirects."""


SHIFTER = "shifter"
HEALTH_AWARE_WEIGHTS = "health_aware_weights"
"""Namespace and key in the metadata of routes, virtual hosts and route configurations."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """What holds for routes that do not say it themselves; each level adds to what the one above it says."""

    retry: RetryPolicy | None = None
    hedge: HedgePolicy | None = None
    request_body_buffer_limit: int | None = None
    health_aware_weights: bool | None = None

    def within(self, config: schema.RouteConfiguration | schema.VirtualHost | schema.Route) -> "Inherited":
        """Return what holds within *config*."""
        switch = metadata(config.metadata).get(SHIFTER, {}).get(HEALTH_AWARE_WEIGHTS)
        switch = self.health_aware_weights if switch is None else switch
        if isinstance(config, schema.RouteConfiguration):
            return Inherited(health_aware_weights=switch)
        limit = config.request_body_buffer_limit
        limit = config.per_request_buffer_limit_bytes if limit is None else limit
        limit = self.request_body_buffer_limit if limit is None else limit
        if isinstance(config, schema.Route):
            return Inherited(self.retry, self.hedge, limit, switch)
        return Inherited(retry_policy(config.retry_policy), hedge_policy(config.hedge_policy), limit, switch)


def route_action(config: schema.RouteAction, sources: Sources, inherited: Inherited) -> RouteAction:
    """Return *config* as the model."""
    weighted, template, longest = config.weighted_clusters, config.path_rewrite_policy, config.max_stream_duration
    return RouteAction(
        clusters=_clusters(config, sources),
        idle_timeout=config.idle_timeout,
        max_grpc_timeout=config.max_grpc_timeout,
        max_stream_duration=_max_stream_duration(longest) if longest is not None else None,
        prefix_rewrite=encoded(config.prefix_rewrite),
        regex_rewrite=regex_rewrite(config.regex_rewrite),
        path_rewrite_template=template.typed_config.path_template_rewrite.encode() if template is not None else None,
        host_rewrite_literal=encoded(config.host_rewrite_literal),
        host_rewrite_header=lower(config.host_rewrite_header),
        host_rewrite_path_regex=regex_rewrite(config.host_rewrite_path_regex),
        auto_host_rewrite=config.auto_host_rewrite,
        append_x_forwarded_host=config.append_x_forwarded_host,
        cluster_header=lower(config.cluster_header),
        cluster_not_found_response_code=_NOT_FOUND_CODES[config.cluster_not_found_response_code],
        random_value_header=lower(weighted.header_name) if weighted is not None else None,
        use_hash_policy=weighted.use_hash_policy if weighted is not None else False,
        runtime_key_prefix=weighted.runtime_key_prefix if weighted is not None else "",
        hash_policy=tuple(policy for written in config.hash_policy for policy in _hash_policy(written)),
        mirrors=mirrors(config.request_mirror_policies),
        internal_redirect=_internal_redirect(config.internal_redirect_policy) if config.internal_redirect_policy is not None else None,
        upgrades=tuple(map(_upgrade, config.upgrade_configs)),
        retry=retry_policy(config.retry_policy) or inherited.retry,
        hedge=hedge_policy(config.hedge_policy) or inherited.hedge,
        high_priority=config.priority is RoutingPriority.HIGH,
        request_body_buffer_limit=inherited.request_body_buffer_limit,
        metadata_match=lb_metadata(config.metadata_match),
        **given(
            timeout=config.timeout,
            grpc_timeout_offset=config.grpc_timeout_offset,
            health_aware_weights=inherited.health_aware_weights,
        ),
    )


def _upgrade(config: schema.UpgradeConfig) -> UpgradeConfig:
    said = config.connect_config
    connect = None
    if said is not None:
        header = said.proxy_protocol_config
        connect = ConnectConfig(header.version.value if header is not None else None, said.allow_post)
    return UpgradeConfig(config.upgrade_type.lower().encode(), config.enabled, connect)


def _clusters(config: schema.RouteAction, sources: Sources) -> tuple[WeightedCluster, ...]:
    match = lb_metadata(config.metadata_match)
    if config.weighted_clusters is None:
        return (WeightedCluster(config.cluster, 1, metadata_match=match),) if config.cluster is not None else ()
    return tuple(
        WeightedCluster(
            name=entry.name or "",
            weight=entry.weight,
            headers=header_changes(entry),
            cluster_header=lower(entry.cluster_header),
            host_rewrite_literal=encoded(entry.host_rewrite_literal),
            filters=sources.filters.overrides(entry.typed_per_filter_config),
            metadata_match=_merged(match, lb_metadata(entry.metadata_match)),
        )
        for entry in config.weighted_clusters.clusters
    )


def _merged(route: Mapping[str, object] | None, entry: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Return what an entry asks of hosts: value by value its own, or else the route's."""
    if route is None or entry is None:
        return route if entry is None else entry
    return {**route, **entry}


def _max_stream_duration(config: schema.MaxStreamDuration) -> MaxStreamDuration:
    return MaxStreamDuration(
        config.max_stream_duration,
        config.grpc_timeout_header_max,
        **given(grpc_timeout_header_offset=config.grpc_timeout_header_offset),
    )


def _hash_policy(config: schema.HashPolicy) -> tuple[HashPolicy, ...]:
    terminal = config.terminal
    if config.header is not None:
        name = config.header.header_name.lower().encode()
        return (HashPolicy(HashSource.HEADER, name, terminal, regex_rewrite=regex_rewrite(config.header.regex_rewrite)),)
    if config.cookie is not None:
        cookie = config.cookie
        attributes = tuple((one.name.encode(), one.value.encode()) for one in cookie.attributes)
        return (HashPolicy(HashSource.COOKIE, cookie.name.encode(), terminal, cookie.ttl, cookie.path.encode(), attributes),)
    if config.query_parameter is not None:
        return (HashPolicy(HashSource.QUERY_PARAMETER, config.query_parameter.name.encode(), terminal),)
    assert config.connection_properties is not None
    # Without the one property that there is, Envoy has no policy here.
    return (HashPolicy(HashSource.SOURCE_IP, terminal=terminal),) if config.connection_properties.source_ip else ()


def mirrors(written: list[schema.RequestMirrorPolicy]) -> tuple[RequestMirrorPolicy, ...]:
    """Return who gets copies of requests."""
    return tuple(
        RequestMirrorPolicy(
            cluster=one.cluster or "",
            cluster_header=lower(one.cluster_header),
            fraction=runtime_fraction(one.runtime_fraction),
            disable_shadow_host_suffix_append=one.disable_shadow_host_suffix_append,
            host_rewrite_literal=encoded(one.host_rewrite_literal),
            headers=_mirror_headers(one),
        )
        for one in written
    )


def _mirror_headers(config: schema.RequestMirrorPolicy) -> HeaderMutations:
    steps = config.request_headers_mutations
    return HeaderMutations(
        request_add=header_options([step.append for step in steps if step.append is not None]),
        request_remove=names([step.remove for step in steps if step.remove is not None]),
    )


def _internal_redirect(config: schema.InternalRedirectPolicy) -> InternalRedirectPolicy:
    predicates = tuple(InternalRedirectPredicate(one.typed_config.type_url.rpartition("/")[2]) for one in config.predicates)
    allowed = [
        frozenset(one.typed_config.allowed_route_names)
        for one, predicate in zip(config.predicates, predicates, strict=True)
        if predicate is InternalRedirectPredicate.ALLOW_LISTED_ROUTES
    ]
    codes = config.redirect_response_codes
    return InternalRedirectPolicy(
        predicates=predicates,
        allowed_route_names=frozenset.intersection(*allowed) if allowed else frozenset(),
        allow_cross_scheme_redirect=config.allow_cross_scheme_redirect,
        response_headers_to_copy=names(config.response_headers_to_copy),
        **given(
            max_internal_redirects=config.max_internal_redirects,
            redirect_response_codes=tuple(code for code in codes if code in REDIRECT_CODES) if codes else None,
        ),
    )
