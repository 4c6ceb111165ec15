"""Route configurations, from the checked schema to the frozen model.

Rule 1. As in ``build``: nothing can fail here, and no default of the model is repeated.
"""

from shifter.config.build_action import Inherited, mirrors, route_action
from shifter.config.build_common import (
    Sources,
    encoded,
    header_changes,
    header_matcher,
    metadata,
    names,
    pairs,
    regex_rewrite,
    substitution_format,
)
from shifter.config.build_match import route_match
from shifter.config.build_tracing import route_tracing
from shifter.config.document import MapNode
from shifter.config.schema import route
from shifter.model.route import (
    DirectResponseAction,
    RedirectAction,
    Route,
    RouteAction,
    RouteConfiguration,
    VirtualCluster,
    VirtualHost,
    WebResourceAction,
)

_REDIRECT_CODES = {
    route.RedirectCode.MOVED_PERMANENTLY: 301,
    route.RedirectCode.FOUND: 302,
    route.RedirectCode.SEE_OTHER: 303,
    route.RedirectCode.TEMPORARY_REDIRECT: 307,
    route.RedirectCode.PERMANENT_REDIRECT: 308,
}


def route_configuration(config: route.RouteConfiguration, node: MapNode, sources: Sources) -> RouteConfiguration:
    """Return *config*, which stands at *node*, as the model."""
    inherited = Inherited().within(config)
    return RouteConfiguration(
        name=config.name,
        virtual_hosts=tuple(_virtual_host(host, at, sources, inherited) for host, at in pairs(config.virtual_hosts, node, "virtual_hosts")),
        headers=header_changes(config),
        ignore_port_in_host_matching=config.ignore_port_in_host_matching,
        most_specific_header_mutations_wins=config.most_specific_header_mutations_wins,
        ignore_path_parameters_in_path_matching=config.ignore_path_parameters_in_path_matching,
        internal_only_headers=names(config.internal_only_headers),
        mirrors=mirrors(config.request_mirror_policies),
        filters=sources.filters.overrides(config.typed_per_filter_config),
    )


def _virtual_host(config: route.VirtualHost, node: MapNode, sources: Sources, above: Inherited) -> VirtualHost:
    inherited = above.within(config)
    return VirtualHost(
        name=config.name,
        domains=tuple(domain.lower().encode() for domain in config.domains),
        routes=tuple(_route(item, at, sources, inherited) for item, at in pairs(config.routes, node, "routes")),
        headers=header_changes(config),
        require_tls=config.require_tls,
        virtual_clusters=tuple(VirtualCluster(one.name, tuple(map(header_matcher, one.headers))) for one in config.virtual_clusters),
        mirrors=mirrors(config.request_mirror_policies),
        filters=sources.filters.overrides(config.typed_per_filter_config),
        include_request_attempt_count=config.include_request_attempt_count,
        include_attempt_count_in_response=config.include_attempt_count_in_response,
        place=sources.place(node),
    )


def _route(config: route.Route, node: MapNode, sources: Sources, inherited: Inherited) -> Route:
    return Route(
        match=route_match(config.match),
        action=_action(config, sources, inherited),
        name=config.name,
        headers=header_changes(config),
        filters=sources.filters.overrides(config.typed_per_filter_config),
        metadata=metadata(config.metadata),
        tracing=route_tracing(config.tracing, config.decorator),
        place=sources.place(node),
    )


def _action(
    config: route.Route, sources: Sources, inherited: Inherited
) -> RouteAction | RedirectAction | DirectResponseAction | WebResourceAction:
    if config.route is not None:
        return route_action(config.route, sources, inherited.within(config))
    if config.redirect is not None:
        return _redirect(config.redirect)
    if config.filter_action is not None:
        return WebResourceAction(config.filter_action.action.resource)
    assert config.direct_response is not None
    answer = config.direct_response
    body = sources.data(answer.body) if answer.body is not None else b""
    return DirectResponseAction(answer.status, body, substitution_format(answer.body_format, sources))


def _redirect(config: route.RedirectAction) -> RedirectAction:
    prefix = config.prefix_rewrite
    return RedirectAction(
        scheme_redirect=encoded(config.scheme_redirect),
        https_redirect=config.https_redirect,
        host_redirect=encoded(config.host_redirect),
        port_redirect=config.port_redirect or None,
        path_redirect=encoded(config.path_redirect),
        prefix_rewrite=prefix.encode() if prefix is not None else None,
        regex_rewrite=regex_rewrite(config.regex_rewrite),
        response_code=_REDIRECT_CODES[config.response_code],
        strip_query=config.strip_query,
    )
