"""Older spellings (Envoy's v1 and v2 API, the tutorials of 2018) to v3, in the node tree, one warning per place.

Rule 1. A rewritten node keeps the place of what the user wrote.
Rule 2. Every warning says what to write today.
Rule 3. Rewriting is done once: a tree that was rewritten is in today's spelling, and a shared node may be met again.
Rule 4. Anything of an unexpected shape is left alone: the schema will say what is wrong with it.
"""

from collections.abc import Callable, Mapping
from functools import partial

from shifter.config.document import ListNode, MapNode, Node, TextNode, map_in, maps
from shifter.config.report import Report, Spot
from shifter.config.schema.base import TYPE_PREFIX
from shifter.config.schema.listener import FILE_LOG, HCM, ROUTER

_NETWORK_FILTERS = {
    "envoy.http_connection_manager": "envoy.filters.network.http_connection_manager",
    "http_connection_manager": "envoy.filters.network.http_connection_manager",
}
_HTTP_FILTERS = {"envoy.router": "envoy.filters.http.router", "router": "envoy.filters.http.router"}
_ACCESS_LOGS = {"envoy.file_access_log": "envoy.access_loggers.file", "file_access_log": "envoy.access_loggers.file"}
_TYPES_BY_NAME = {
    "envoy.filters.network.http_connection_manager": HCM,
    "envoy.filters.http.router": ROUTER,
    "envoy.access_loggers.file": FILE_LOG,
}
_V2_TYPES = {
    "envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager": HCM,
    "envoy.config.filter.http.router.v2.Router": ROUTER,
    "envoy.config.accesslog.v2.FileAccessLog": FILE_LOG,
}
_HEADER_MATCHES = {
    "exact_match": "exact",
    "prefix_match": "prefix",
    "suffix_match": "suffix",
    "contains_match": "contains",
    "safe_regex_match": "safe_regex",
}
_HEADER_LISTS = ("request_headers_to_add", "response_headers_to_add")


def modernise(root: MapNode, report: Report) -> None:
    """Rewrite *root* in place."""
    static = map_in(root, "static_resources")
    if static is None:
        return
    old = _Rewriter(report)
    for cluster in maps(static.get("clusters")):
        old.cluster(cluster)
    for listener in maps(static.get("listeners")):
        for chain in maps(listener.get("filter_chains")):
            for network_filter in maps(chain.get("filters")):
                old.network_filter(network_filter)


def modernise_routes(root: MapNode, report: Report) -> None:
    """Rewrite *root*, which is a route configuration, in place."""
    _Rewriter(report).routes(root)


def modernise_tests(root: MapNode, report: Report) -> None:
    """Rewrite the header conditions of route tests in place."""
    old = _Rewriter(report)
    for test in maps(root.get("tests")):
        expected = map_in(test, "validate")
        for name in ("request_header_matches", "response_header_matches"):
            for header in maps(expected.get(name)) if expected is not None else ():
                old.header(header)


def _text(value: str, at: Spot) -> TextNode:
    return TextNode(value, at.line, at.column, at.width)


def _new_map(at: Spot, items: Mapping[str, Node]) -> MapNode:
    node = MapNode(at.line, at.column, at.width)
    node.update({_text(key, at): value for key, value in items.items()})
    return node


def _new_list(at: Spot, items: list[Node]) -> ListNode:
    node = ListNode(at.line, at.column, at.width)
    node.extend(items)
    return node


class _Rewriter:
    def __init__(self, report: Report) -> None:
        self._warn = report.warn

    def _rename(self, node: MapNode, old: str, new: str, hint: str, change: Callable[[Node], Node] | None = None) -> None:
        """Call field *old* of *node* *new*, unless both are given."""
        if old not in node or new in node:
            return
        key = node.key(old)
        self._warn(key, f"`{old}` is an old spelling of `{new}`", hint)
        value = node[old]
        node.replace(old, _text(new, key), change(value) if change is not None else value)

    def _milliseconds(self, node: MapNode, old: str, new: str) -> None:
        value = node.get(old)
        if isinstance(value, TextNode) and value.isascii() and value.isdigit() and len(value) < 13:
            seconds = f"{int(value) / 1000:.3f}".rstrip("0").rstrip(".") + "s"
            self._rename(node, old, new, f"write {new}: {seconds}", lambda value: _text(seconds, value))

    def cluster(self, node: MapNode) -> None:
        self._milliseconds(node, "connect_timeout_ms", "connect_timeout")
        name = node.get("name")
        hosts = node.get("hosts")
        if isinstance(hosts, ListNode) and "load_assignment" not in node:
            key = node.key("hosts")
            endpoints: list[Node] = [_new_map(host, {"endpoint": _new_map(host, {"address": host})}) for host in hosts]
            assignment: dict[str, Node] = {
                "cluster_name": _text(name if isinstance(name, TextNode) else "?", key),
                "endpoints": _new_list(key, [_new_map(key, {"lb_endpoints": _new_list(key, endpoints)})]),
            }
            self._warn(
                key,
                "`hosts` is an old spelling of `load_assignment`",
                "write load_assignment: {cluster_name: …, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: …}}}]}]}",
            )
            node.replace("hosts", _text("load_assignment", key), _new_map(key, assignment))

    def network_filter(self, node: MapNode) -> None:
        self._extension(node, _NETWORK_FILTERS)
        manager = map_in(node, "typed_config")
        if manager is None:
            return
        if "idle_timeout" in manager and "common_http_protocol_options" not in manager:
            self._rename(
                manager,
                "idle_timeout",
                "common_http_protocol_options",
                "write common_http_protocol_options: {idle_timeout: …}",
                lambda value: _new_map(value, {"idle_timeout": value}),
            )
        for log in maps(manager.get("access_log")):
            self._extension(log, _ACCESS_LOGS)
        self._http_filters(node, manager)
        routes = map_in(manager, "route_config")
        if routes is not None:
            self.routes(routes)

    def routes(self, node: MapNode) -> None:
        """Rewrite a route configuration."""
        self._headers_to_add(node)
        for host in maps(node.get("virtual_hosts")):
            self._headers_to_add(host)
            for route in maps(host.get("routes")):
                self._route(route)

    def _http_filters(self, owner: MapNode, manager: MapNode) -> None:
        filters = manager.get("http_filters")
        if isinstance(filters, ListNode):
            for http_filter in maps(filters):
                self._extension(http_filter, _HTTP_FILTERS, may_be_bare=True)
        if not filters and "route_config" in manager:
            self._warn(
                owner.key("typed_config"),
                "there is no router among the `http_filters`; it is taken for granted",
                f'write http_filters: [{{name: envoy.filters.http.router, typed_config: {{"@type": {TYPE_PREFIX}{ROUTER}}}}}]',
            )

    def _extension(self, node: MapNode, names: Mapping[str, str], *, may_be_bare: bool = False) -> None:
        """Bring name, ``config`` and ``@type`` of a filter or access log up to date."""
        name = node.get("name")
        if isinstance(name, TextNode) and name in names:
            new_name = names[name]
            self._warn(name, f"`{name}` is an old spelling of `{new_name}`", f"write name: {new_name}")
            name = _text(new_name, name)
            node.replace("name", _text("name", node.key("name")), name)
        known = _TYPES_BY_NAME.get(str(name)) if isinstance(name, TextNode) else None
        want = f'"@type": {TYPE_PREFIX}{known}' if known else '"@type": type.googleapis.com/…'
        renamed = "config" in node and "typed_config" not in node
        self._rename(node, "config", "typed_config", f"write typed_config: {{{want}, …}}")
        typed = node.get("typed_config")
        if known is not None and may_be_bare and typed is None and "config_discovery" not in node:
            at = node.key("name")
            self._warn(at, f"`{name}` has no `typed_config`", f"write typed_config: {{{want}}}")
            typed = _new_map(at, {"@type": _text(TYPE_PREFIX + known, at)})
            node[_text("typed_config", at)] = typed
        if not isinstance(typed, MapNode):
            return
        url = typed.get("@type")
        if isinstance(url, TextNode):
            modern = _V2_TYPES.get(url.rpartition("/")[2])
            if modern is not None:
                self._warn(url, "this is the v2 type", f"write {TYPE_PREFIX}{modern}")
                typed.replace("@type", _text("@type", typed.key("@type")), _text(TYPE_PREFIX + modern, url))
        elif url is None and known is not None:
            at = node.key("typed_config")
            if not renamed:
                self._warn(at, f'`typed_config` has no "@type"; it is taken for {known}', f"write {want}")
            fields = dict(typed)
            typed.clear()
            typed[_text("@type", at)] = _text(TYPE_PREFIX + known, at)
            typed.update(fields)

    def _route(self, node: MapNode) -> None:
        self._headers_to_add(node)
        match = map_in(node, "match")
        if match is not None:
            self._rename(match, "regex", "safe_regex", "write safe_regex: {regex: …}, in RE2 syntax", _regex)
            for header in maps(match.get("headers")):
                self.header(header)
        action = map_in(node, "route")
        if action is not None:
            self._milliseconds(action, "timeout_ms", "timeout")
            host = action.get("host_rewrite")
            # Envoy has made it a format since; one without substitutions is what it was.
            if isinstance(host, TextNode) and "%" not in host:
                self._rename(action, "host_rewrite", "host_rewrite_literal", "write host_rewrite_literal:")
            if isinstance(action.get("clusters"), ListNode) and "cluster" not in action:
                self._rename(
                    action,
                    "clusters",
                    "weighted_clusters",
                    "write weighted_clusters: {clusters: […]}",
                    lambda value: _new_map(value, {"clusters": value}),
                )
            weighted = map_in(action, "weighted_clusters")
            if weighted is not None:
                for entry in maps(weighted.get("clusters")):
                    self._headers_to_add(entry)

    def header(self, node: MapNode) -> None:
        """``exact_match`` and its like, and v1's ``value`` with ``regex``."""
        if "string_match" in node:
            return
        flag = node.get("regex")
        if isinstance(flag, TextNode) and flag.lower() in ("true", "false") and "value" in node:
            self._warn(node.key("regex"), "`regex` beside `value` is an old spelling", "write string_match: {safe_regex: {regex: …}}")
            del node["regex"]
            if flag.lower() == "true":
                self._string_match(node, "value", "safe_regex", _regex)
                return
        self._string_match(node, "value", "exact")
        self._string_match(node, "regex_match", "safe_regex", _regex)
        for old, new in _HEADER_MATCHES.items():
            self._string_match(node, old, new)

    def _string_match(self, node: MapNode, old: str, new: str, change: Callable[[Node], Node] | None = None) -> None:
        written = "{regex: …}" if new == "safe_regex" else "…"

        def wrap(value: Node) -> Node:
            return _new_map(value, {new: change(value) if change is not None else value})

        self._rename(node, old, "string_match", f"write string_match: {{{new}: {written}}}", wrap)

    def _headers_to_add(self, node: MapNode) -> None:
        for name in _HEADER_LISTS:
            for option in maps(node.get(name)):
                append = option.get("append")
                if isinstance(append, TextNode) and append.lower() in ("true", "false"):
                    action = "APPEND_IF_EXISTS_OR_ADD" if append.lower() == "true" else "OVERWRITE_IF_EXISTS_OR_ADD"
                    self._rename(option, "append", "append_action", f"write append_action: {action}", partial(_replaced, action))


def _replaced(text: str, value: Node) -> Node:
    return _text(text, value)


def _regex(value: Node) -> Node:
    return _new_map(value, {"regex": value})
