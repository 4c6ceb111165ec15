"""Old spellings within a route configuration."""

from functools import partial

from shifter.config.document import ListNode, MapNode, Node, TextNode, map_in, maps, value_of
from shifter.config.legacy_base import is_true, new_list, new_map, text
from shifter.config.legacy_filters import FilterRewriter
from shifter.config.legacy_words import ROUTE_TYPE_OF, renamed

_HEADER_MATCHES = {
    "exact_match": "exact",
    "prefix_match": "prefix",
    "suffix_match": "suffix",
    "contains_match": "contains",
    "safe_regex_match": "safe_regex",
}
_HEADER_LISTS = ("request_headers_to_add", "response_headers_to_add")
_HTTP_FILTERS = renamed("envoy.filters.http.")
_FLAT = {
    "match": frozenset(("prefix", "path", "regex", "headers", "case_sensitive", "runtime", "query_parameters")),
    "route": frozenset(
        (
            *("cluster", "cluster_header", "weighted_clusters", "timeout_ms", "prefix_rewrite", "host_rewrite", "auto_host_rewrite"),
            *("use_websocket", "retry_policy", "hash_policy", "priority"),
        )
    ),
    "redirect": frozenset(("host_redirect", "path_redirect")),
}
_TLS_REQUIREMENTS = {"external_only": "EXTERNAL_ONLY", "all": "ALL"}


class RouteRewriter(FilterRewriter):
    """Rewrites route configurations."""

    def routes(self, node: MapNode) -> None:
        """Rewrite a route configuration."""
        self._level(node)
        self._mirrors(node)
        for host in maps(node.get("virtual_hosts")):
            self.cors(host, host)
            self._level(host)
            self._mirrors(host)
            self._retries(host)
            for cluster in maps(host.get("virtual_clusters")):
                self.headers_within(cluster)
            require = host.get("require_ssl")
            if isinstance(require, TextNode) and require.lower() in _TLS_REQUIREMENTS:
                wanted = _TLS_REQUIREMENTS[require.lower()]
                self.rename(host, "require_ssl", "require_tls", f"write require_tls: {wanted}", partial(_replaced, wanted))
            for route in maps(host.get("routes")):
                for into, fields in _FLAT.items():
                    self.gather(route, into, fields, "the route")
                match, action, redirect = map_in(route, "match"), map_in(route, "route"), map_in(route, "redirect")
                if action is not None:
                    self.cors(action, route)
                self._level(route)
                if match is not None:
                    self._match(match)
                if action is not None:
                    self._action(action)
                if redirect is not None:
                    self.rename(redirect, "regex", "regex_rewrite", "write regex_rewrite:")

    def header(self, node: MapNode) -> None:
        """``exact_match`` and its like, and v1's ``value`` with ``regex``."""
        self._text_match(node, "regex_match", _HEADER_MATCHES)

    def headers_within(self, node: Node) -> None:
        """Rewrite the conditions on headers wherever they stand in the configuration of a filter."""
        if isinstance(node, MapNode):
            for name, value in list(node.items()):
                if name in ("headers", "header"):
                    for header in maps(value) if isinstance(value, ListNode) else [value]:
                        if isinstance(header, MapNode) and "name" in header:
                            self.header(header)
                self.headers_within(value)
        elif isinstance(node, ListNode):
            for item in node:
                self.headers_within(item)

    def _level(self, node: MapNode) -> None:
        """What route configurations, virtual hosts, routes and weighted entries have in common."""
        for name in _HEADER_LISTS:
            for option in maps(node.get(name)):
                self.header_option(option)
        self.rename(node, "per_filter_config", "typed_per_filter_config", 'write typed_per_filter_config: {NAME: {"@type": …, …}}')
        filters = map_in(node, "typed_per_filter_config")
        for name, config in list(filters.items()) if filters is not None else ():
            assert filters is not None
            today = _HTTP_FILTERS.get(name) if name.startswith("envoy.") else self._renamed.get(name)
            if today is not None and today not in filters:
                self.rename(filters, name, today, f"write {today}:")
                name = today
            if isinstance(config, MapNode):
                self.typed(filters, name, config, ROUTE_TYPE_OF.get(name))
                self.filter_config(config)
                self.headers_within(config)

    def gather(self, route: MapNode, into: str, fields: frozenset[str], what: str) -> None:
        """Put what v1 wrote into *route* itself, which is called *what*, where it stands today."""
        given = [key for key in route if key in fields and isinstance(key, TextNode)]
        if not given or into in route:
            return
        self._alias(given[0], f"`{given[0]}` stands in {what} itself, as in Envoy's v1 format", f"put it under {into}:")
        node = new_map(given[0], {key: route[key] for key in given})
        if self._edits is not None:
            self._edits.gather(route, given, into, node)
        items: list[tuple[str, Node]] = [(text(into, given[0]), node) if key is given[0] else (key, value) for key, value in route.items()]
        route.clear()
        route.update(item for item in items if item[0] not in given[1:])

    def header_option(self, node: MapNode) -> None:
        """``append`` of a header to add, and the words in its value."""
        append = is_true(node.get("append"))
        if append is not None:
            action = "APPEND_IF_EXISTS_OR_ADD" if append else "OVERWRITE_IF_EXISTS_OR_ADD"
            self.rename(node, "append", "append_action", f"write append_action: {action}", partial(_replaced, action))
        header = map_in(node, "header")
        if header is not None:
            self.log_words(header, "value")

    def _match(self, node: MapNode) -> None:
        self.rename(node, "regex", "safe_regex", "write safe_regex: {regex: …}, in RE2 syntax", _regex)
        runtime = map_in(node, "runtime")
        if runtime is not None and runtime.keys() <= {"default_value", "runtime_key", "key", "default"}:
            self.rename(
                node, "runtime", "runtime_fraction", "write runtime_fraction: {default_value: {numerator: …}, runtime_key: …}", _fraction
            )
        for header in maps(node.get("headers")):
            self.header(header)
        for parameter in maps(node.get("query_parameters")):
            self._text_match(parameter, "", {})

    def _text_match(self, node: MapNode, regex_name: str, others: dict[str, str]) -> None:
        """``value`` with ``regex: true`` or without, and the fields that ``string_match`` has replaced."""
        if "string_match" in node:
            return
        flag = is_true(node.get("regex"))
        if flag is not None and "value" in node:
            self._alias(node.key("regex"), "`regex` beside `value` is an old spelling", "write string_match: {safe_regex: {regex: …}}")
            self.delete(node, "regex")
            if flag:
                self._string_match(node, "value", "safe_regex")
                return
        self._string_match(node, "value", "exact")
        self._string_match(node, regex_name, "safe_regex")
        for old, new in others.items():
            self._string_match(node, old, new)

    def _string_match(self, node: MapNode, old: str, new: str) -> None:
        written = "{regex: …}" if new == "safe_regex" else "…"

        def wrap(value: Node) -> Node:
            return new_map(value, {new: _regex(value) if new == "safe_regex" and isinstance(value, TextNode) else value})

        self.rename(node, old, "string_match", f"write string_match: {{{new}: {written}}}", wrap)

    def _action(self, node: MapNode) -> None:
        self.milliseconds(node, "timeout_ms", "timeout")
        host = node.get("host_rewrite")
        # Envoy has made it a format since; one without substitutions is what it was.
        if isinstance(host, TextNode) and "%" not in host:
            self.rename(node, "host_rewrite", "host_rewrite_literal", "write host_rewrite_literal:")
        self.rename(node, "auto_host_rewrite_header", "host_rewrite_header", "write host_rewrite_header:")
        if isinstance(node.get("clusters"), ListNode) and "cluster" not in node:
            self.rename(
                node,
                "clusters",
                "weighted_clusters",
                "write weighted_clusters: {clusters: […]}",
                lambda value: new_map(value, {"clusters": value}),
            )
        weighted = map_in(node, "weighted_clusters")
        for entry in maps(weighted.get("clusters")) if weighted is not None else ():
            self._level(entry)
        self._mirror(node)
        self._mirrors(node)
        websocket = is_true(node.get("use_websocket"))
        if websocket and "upgrade_configs" not in node:
            upgrade = "upgrade_configs: [{upgrade_type: websocket}]"
            self.rename(node, "use_websocket", "upgrade_configs", f"write {upgrade}", _websocket)
        elif websocket is False:
            self._alias(node.key("use_websocket"), "`use_websocket` is an old spelling of what is the default", "take it out")
            self.delete(node, "use_websocket")
        self._retries(node)

    def _retries(self, node: MapNode) -> None:
        policy = map_in(node, "retry_policy")
        if policy is None:
            return
        self.milliseconds(policy, "per_try_timeout_ms", "per_try_timeout")
        for name in ("retriable_headers", "retriable_request_headers"):
            for header in maps(policy.get(name)):
                self.header(header)

    def _mirrors(self, node: MapNode) -> None:
        for policy in maps(node.get("request_mirror_policies")):
            for step in maps(policy.get("request_headers_mutations")):
                option = map_in(step, "append")
                if option is not None:
                    self.header_option(option)

    def _mirror(self, node: MapNode) -> None:
        policy = map_in(node, "request_mirror_policy")
        if policy is None:
            return
        key = text(str(policy.get("runtime_key", "")), policy)
        if key and "runtime_fraction" not in policy:
            # It counted ten-thousandths, and without the key nothing was mirrored.
            nothing = new_map(policy, {"numerator": text("0", key), "denominator": text("TEN_THOUSAND", key)})
            fraction = new_map(policy, {"default_value": nothing, "runtime_key": key})
            self.rename(policy, "runtime_key", "runtime_fraction", "write runtime_fraction: {…}", lambda _: fraction)
        self.rename(
            node,
            "request_mirror_policy",
            "request_mirror_policies",
            "write request_mirror_policies: [{cluster: …}]",
            lambda value: new_list(value, [value]),
        )


def _replaced(value: str, at: Node) -> Node:
    return text(value, at)


def _regex(value: Node) -> Node:
    return new_map(value, {"regex": value})


def _websocket(at: Node) -> Node:
    return new_list(at, [new_map(at, {"upgrade_type": text("websocket", at)})])


def _fraction(value: Node) -> Node:
    """``core.RuntimeUInt32``, which meant per cent here, as a ``RuntimeFractionalPercent``."""
    assert isinstance(value, MapNode)
    given = value.get("default_value", value.get("default"))
    number = value_of(TextNode(given, 0, 0, plain=True)) if isinstance(given, TextNode) else 0
    percent = new_map(value, {"numerator": text(str(number), value), "denominator": text("HUNDRED", value)})
    fields: dict[str, Node] = {"default_value": percent}
    key = value.get("runtime_key", value.get("key"))
    if key is not None:
        fields["runtime_key"] = key
    return new_map(value, fields)
