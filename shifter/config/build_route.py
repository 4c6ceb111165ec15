"""Route configurations, from the checked schema to the frozen model.

Rule 1. As in ``build``: nothing can fail here, and no default of the model is repeated.
"""

from shifter.config.build_common import Sources, encoded, given, header_changes, header_matcher, pairs, regex_rewrite
from shifter.config.document import MapNode
from shifter.config.schema import route
from shifter.model.route import (
    DirectResponseAction,
    PathMatchKind,
    RedirectAction,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)

_NOT_FOUND_CODES = {
    route.ClusterNotFoundResponseCode.SERVICE_UNAVAILABLE: 503,
    route.ClusterNotFoundResponseCode.NOT_FOUND: 404,
    route.ClusterNotFoundResponseCode.INTERNAL_SERVER_ERROR: 500,
}
_REDIRECT_CODES = {
    route.RedirectCode.MOVED_PERMANENTLY: 301,
    route.RedirectCode.FOUND: 302,
    route.RedirectCode.SEE_OTHER: 303,
    route.RedirectCode.TEMPORARY_REDIRECT: 307,
    route.RedirectCode.PERMANENT_REDIRECT: 308,
}


def route_configuration(config: route.RouteConfiguration, node: MapNode, sources: Sources) -> RouteConfiguration:
    """Return *config*, which stands at *node*, as the model."""
    return RouteConfiguration(
        name=config.name,
        virtual_hosts=tuple(_virtual_host(host, at, sources) for host, at in pairs(config.virtual_hosts, node, "virtual_hosts")),
        headers=header_changes(config),
        ignore_port_in_host_matching=config.ignore_port_in_host_matching,
        filters=sources.filters.overrides(config.typed_per_filter_config),
    )


def _virtual_host(config: route.VirtualHost, node: MapNode, sources: Sources) -> VirtualHost:
    return VirtualHost(
        name=config.name,
        domains=tuple(domain.lower().encode() for domain in config.domains),
        routes=tuple(_route(item, at, sources) for item, at in pairs(config.routes, node, "routes")),
        headers=header_changes(config),
        filters=sources.filters.overrides(config.typed_per_filter_config),
    )


def _route(config: route.Route, node: MapNode, sources: Sources) -> Route:
    return Route(
        _match(config.match),
        _action(config, sources),
        config.name,
        header_changes(config),
        sources.filters.overrides(config.typed_per_filter_config),
        place=sources.place(node),
    )


def _action(config: route.Route, sources: Sources) -> RouteAction | RedirectAction | DirectResponseAction:
    if config.route is not None:
        return _route_action(config.route, sources)
    if config.redirect is not None:
        return _redirect(config.redirect)
    assert config.direct_response is not None
    body = config.direct_response.body
    return DirectResponseAction(config.direct_response.status, sources.data(body) if body is not None else b"")


def _match(config: route.RouteMatch) -> RouteMatch:
    if config.prefix is not None:
        kind, text = PathMatchKind.PREFIX, config.prefix
    elif config.path is not None:
        kind, text = PathMatchKind.PATH, config.path
    else:
        assert config.safe_regex is not None
        kind, text = PathMatchKind.SAFE_REGEX, config.safe_regex.regex
    return RouteMatch(kind, text.encode(), config.case_sensitive, tuple(map(header_matcher, config.headers)))


def _route_action(config: route.RouteAction, sources: Sources) -> RouteAction:
    if config.weighted_clusters is not None:
        clusters = tuple(
            WeightedCluster(item.name, item.weight, header_changes(item), filters=sources.filters.overrides(item.typed_per_filter_config))
            for item in config.weighted_clusters.clusters
        )
    else:
        clusters = (WeightedCluster(config.cluster, 1),) if config.cluster is not None else ()
    return RouteAction(
        clusters=clusters,
        idle_timeout=config.idle_timeout,
        prefix_rewrite=encoded(config.prefix_rewrite),
        regex_rewrite=regex_rewrite(config.regex_rewrite),
        host_rewrite_literal=encoded(config.host_rewrite_literal),
        host_rewrite_header=encoded(config.host_rewrite_header),
        cluster_header=encoded(config.cluster_header),
        cluster_not_found_response_code=_NOT_FOUND_CODES[config.cluster_not_found_response_code],
        append_x_forwarded_host=config.append_x_forwarded_host,
        **given(timeout=config.timeout),
    )


def _redirect(config: route.RedirectAction) -> RedirectAction:
    prefix = config.prefix_rewrite
    return RedirectAction(
        scheme_redirect=encoded(config.scheme_redirect),
        https_redirect=config.https_redirect,
        host_redirect=encoded(config.host_redirect),
        port_redirect=config.port_redirect or None,
        path_redirect=encoded(config.path_redirect),
        prefix_rewrite=prefix.encode() if prefix is not None else None,
        response_code=_REDIRECT_CODES[config.response_code],
        strip_query=config.strip_query,
    )
