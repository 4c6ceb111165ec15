"""Older spellings (Envoy's v1 and v2 API, the tutorials of 2018) to v3, in the node tree, one warning per place.

Rule 1. A rewritten node keeps the place of what the user wrote.
Rule 2. Every warning says what to write today, and ``shifter convert`` can write it (``edit``).
Rule 3. Rewriting is done once: a tree that was rewritten is in today's spelling, and a shared node may be met again.
Rule 4. Anything of an unexpected shape is left alone: the schema will say what is wrong with it.
"""

from shifter.config.document import ListNode, MapNode, Node, TextNode, map_in, maps
from shifter.config.edit import Edits
from shifter.config.legacy_base import new_list, new_map, text
from shifter.config.legacy_clusters import ClusterRewriter
from shifter.config.legacy_routes import RouteRewriter
from shifter.config.legacy_words import V2_TYPES, renamed
from shifter.config.report import Report
from shifter.config.schema.base import TYPE_PREFIX
from shifter.config.schema.listener import ROUTER

_NETWORK_FILTERS = renamed("envoy.filters.network.")
_HTTP_FILTERS = renamed("envoy.filters.http.")
_LISTENER_FILTERS = renamed("envoy.filters.listener.")
_ACCESS_LOGS = renamed("envoy.access_loggers.")


def modernise(root: MapNode, report: Report, edits: Edits | None = None) -> None:
    """Rewrite *root* in place; with *edits*, note what that means for the text."""
    old = _BootstrapRewriter(report, edits)
    static = map_in(root, "static_resources") or MapNode(root.line, root.column)
    for cluster in maps(static.get("clusters")):
        old.cluster(cluster)
    for listener in maps(static.get("listeners")):
        old.listener(listener)
    for secret in maps(static.get("secrets")):
        old.secret(secret)
    admin = map_in(root, "admin")
    if admin is not None:
        old.url(admin, "address")
    for log in maps(admin.get("access_log")) if admin is not None else ():
        old.access_log(log)


def modernise_routes(root: MapNode, report: Report, edits: Edits | None = None) -> None:
    """Rewrite *root*, which is a route configuration, in place."""
    RouteRewriter(report, edits).routes(root)


def modernise_secrets(resources: Node | None, report: Report) -> None:
    """Rewrite secrets of a file in place."""
    old = _BootstrapRewriter(report, None)
    for secret in maps(resources):
        old.resource(secret)
        old.secret(secret)


def modernise_clusters(resources: Node | None, report: Report) -> None:
    """Rewrite clusters of a file in place."""
    old = _BootstrapRewriter(report, None)
    for cluster in maps(resources):
        old.resource(cluster)
        old.cluster(cluster)


def modernise_listeners(resources: Node | None, report: Report) -> None:
    """Rewrite listeners of a file in place."""
    old = _BootstrapRewriter(report, None)
    for listener in maps(resources):
        old.resource(listener)
        old.listener(listener)


def modernise_route_configurations(resources: Node | None, report: Report) -> None:
    """Rewrite route configurations of a file in place."""
    old = _BootstrapRewriter(report, None)
    for routes in maps(resources):
        old.resource(routes)
        old.routes(routes)


def modernise_tests(root: MapNode, report: Report) -> None:
    """Rewrite the header conditions of route tests in place."""
    old = RouteRewriter(report, None)
    for test in maps(root.get("tests")):
        expected = map_in(test, "validate")
        for name in ("request_header_matches", "response_header_matches"):
            for header in maps(expected.get(name)) if expected is not None else ():
                old.header(header)


class _BootstrapRewriter(ClusterRewriter):
    """Rewrites clusters, listeners and what is in them."""

    def resource(self, node: MapNode) -> None:
        """Rewrite what *node*, which stands in a file of resources, says it is."""
        url = node.get("@type")
        if isinstance(url, TextNode) and url.rpartition("/")[2] in V2_TYPES:
            self.typed(node, "@type", node, None)

    def listener(self, node: MapNode) -> None:
        """Rewrite a listener."""
        self.url(node, "address")
        for listener_filter in maps(node.get("listener_filters")):
            self.extension(listener_filter, _LISTENER_FILTERS)
        for log in maps(node.get("access_log")):
            self.access_log(log)
        self.proxy_headers(node)
        default = map_in(node, "default_filter_chain")
        for chain in (*maps(node.get("filter_chains")), *(() if default is None else (default,))):
            self.socket(chain, "Downstream")
            match = map_in(chain, "filter_chain_match")
            if match is not None:
                self.rename(match, "sni_domains", "server_names", "write server_names:")
            for network_filter in maps(chain.get("filters")):
                self.network_filter(network_filter)

    def network_filter(self, node: MapNode) -> None:
        """Rewrite a network filter, and what is in it when it is the connection manager."""
        self.extension(node, _NETWORK_FILTERS)
        manager = map_in(node, "typed_config")
        if manager is None:
            return
        for log in maps(manager.get("access_log")):
            self.access_log(log)
        if str(manager.get("@type")).endswith(".TcpProxy"):
            return  # which has an idle_timeout of its own
        self._idle_timeout(manager)
        self._http_filters(node, manager)
        replies = map_in(manager, "local_reply_config")
        if replies is not None:
            self._local_replies(replies)
        routes = map_in(manager, "route_config")
        if routes is not None:
            self.routes(routes)

    def _local_replies(self, node: MapNode) -> None:
        self.headers_within(node)
        for mapper in maps(node.get("mappers")):
            for option in maps(mapper.get("headers_to_add")):
                self.header_option(option)

    def _idle_timeout(self, manager: MapNode) -> None:
        options = manager.get("common_http_protocol_options")
        hint = "write common_http_protocol_options: {idle_timeout: …}"
        if options is None:
            wrap = "common_http_protocol_options"
            self.rename(manager, "idle_timeout", wrap, hint, lambda value: new_map(value, {"idle_timeout": value}))
        elif isinstance(options, MapNode) and isinstance(manager.get("idle_timeout"), TextNode) and "idle_timeout" not in options:
            at, value = manager.key("idle_timeout"), manager["idle_timeout"]
            self._alias(at, "`idle_timeout` is an old spelling of `common_http_protocol_options`", hint)
            self.insert(options, None, "idle_timeout", value, at)
            self.delete(manager, "idle_timeout")

    def access_log(self, node: MapNode) -> None:
        """Rewrite an access log, its filter and its format."""
        self.extension(node, _ACCESS_LOGS)
        self.headers_within(node)
        typed = map_in(node, "typed_config")
        if typed is None:
            return
        self.log_words(typed, "format")
        log_format = map_in(typed, "log_format")
        source = map_in(log_format, "text_format_source") if log_format is not None else None
        if log_format is not None:
            self.log_words(log_format, "text_format")
            self._json_words(log_format.get("json_format"))
        if source is not None:
            self.log_words(source, "inline_string")
        self._json_words(typed.get("json_format"))
        self._json_words(typed.get("typed_json_format"))

    def _json_words(self, node: Node | None) -> None:
        if isinstance(node, MapNode):
            for name, value in list(node.items()):
                self.log_words(node, name)
                self._json_words(value)
        elif isinstance(node, ListNode):
            for item in node:
                self._json_words(item)

    def _http_filters(self, owner: MapNode, manager: MapNode) -> None:
        filters = manager.get("http_filters")
        if isinstance(filters, ListNode):
            for http_filter in maps(filters):
                self.extension(http_filter, _HTTP_FILTERS, may_be_bare=True)
                typed = map_in(http_filter, "typed_config")
                if typed is not None:
                    self.filter_config(typed)
                    self.headers_within(typed)
        given = next((name for name in ("route_config", "rds") if name in manager), None)
        if not filters and given is not None:
            at = owner.key("typed_config")
            written = f'{{name: envoy.filters.http.router, typed_config: {{"@type": {TYPE_PREFIX}{ROUTER}}}}}'
            self._alias(at, "there is no router among the `http_filters`; it is taken for granted", f"write http_filters: [{written}]")
            typed = new_map(at, {"@type": text(TYPE_PREFIX + ROUTER, at)})
            router = new_list(at, [new_map(at, {"name": text("envoy.filters.http.router", at), "typed_config": typed})])
            if "http_filters" in manager:
                self.put(manager, "http_filters", "http_filters", lambda _: router)
            else:
                self.insert(manager, given, "http_filters", router, at)
