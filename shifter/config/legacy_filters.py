"""Old spellings within the configuration of HTTP filters, and what was said to filters before they had one per route."""

from functools import partial

from shifter.config.document import ListNode, MapNode, Node, TextNode, map_in
from shifter.config.legacy_base import Rewriter, is_true, new_list, new_map, text
from shifter.config.schema.base import TYPE_PREFIX

_PACKAGE = "envoy.extensions.filters.http."
_CORS = "envoy.filters.http.cors"
_CORS_POLICY = f"{TYPE_PREFIX}{_PACKAGE}cors.v3.CorsPolicy"


class FilterRewriter(Rewriter):
    """Rewrites what filters are told."""

    def filter_config(self, node: MapNode) -> None:
        """Rewrite the configuration of a filter, or what a route says to it."""
        url = node.get("@type")
        kind = str(url).rpartition("/")[2].removeprefix(_PACKAGE) if isinstance(url, TextNode) else ""
        if kind == "fault.v3.HTTPFault":
            for part in (map_in(node, "delay"), map_in(node, "abort")):
                if part is not None:
                    self._fault(part)
        elif kind == "health_check.v3.HealthCheck":
            self.rename(node, "endpoint", "headers", "write headers: [{name: ':path', string_match: {exact: …}}]", _path_header)
        elif kind == "cors.v3.CorsPolicy":
            self._cors_policy(node)

    def cors(self, owner: MapNode, level: MapNode) -> None:
        """``cors`` of a virtual host, or of the action of a route: today it stands in the ``typed_per_filter_config`` of *level*."""
        value = map_in(owner, "cors")
        if value is None:
            return
        hint = f'write typed_per_filter_config: {{{_CORS}: {{"@type": {_CORS_POLICY}, …}}}}'
        at, filters = owner.key("cors"), level.get("typed_per_filter_config")
        policy = new_map(value, {"@type": text(_CORS_POLICY, value), **value})
        if filters is None and owner is level:
            self.rename(owner, "cors", "typed_per_filter_config", hint, lambda _: new_map(value, {_CORS: policy}))
        elif filters is None or (isinstance(filters, MapNode) and filters and _CORS not in filters):
            self._alias(at, "`cors` is an old spelling of `typed_per_filter_config`", hint)
            if isinstance(filters, MapNode):
                self.insert(filters, None, _CORS, policy, at)
            else:
                self.insert(level, "match", "typed_per_filter_config", new_map(value, {_CORS: policy}), at)
            self.delete(owner, "cors")

    def _fault(self, node: MapNode) -> None:
        self.rename(node, "percent", "percentage", "write percentage: {numerator: …, denominator: HUNDRED}", _percentage)
        self.milliseconds(node, "fixed_duration_ms", "fixed_delay")
        if str(node.get("type")).upper() == "FIXED":
            self._alias(node.key("type"), "`type: FIXED` is an old spelling of what is the only type", "take it out")
            self.delete(node, "type")

    def _cors_policy(self, node: MapNode) -> None:
        for old, kind in (("allow_origin", "exact"), ("allow_origin_regex", "safe_regex")):
            if isinstance(node.get(old), ListNode):
                hint = f"write allow_origin_string_match: [{{{kind}: …}}]"
                self.rename(node, old, "allow_origin_string_match", hint, partial(_origins, kind))
        enabled = is_true(node.get("enabled"))
        if enabled:
            self._alias(node.key("enabled"), "`enabled: true` is an old spelling of what is the default", "take it out")
            self.delete(node, "enabled")
        elif enabled is False:
            self.rename(node, "enabled", "filter_enabled", "write filter_enabled: {default_value: {numerator: 0}}", _nothing)


def _percentage(value: Node) -> Node:
    return new_map(value, {"numerator": value, "denominator": text("HUNDRED", value)})


def _nothing(at: Node) -> Node:
    return new_map(at, {"default_value": new_map(at, {"numerator": text("0", at), "denominator": text("HUNDRED", at)})})


def _path_header(value: Node) -> Node:
    return new_list(value, [new_map(value, {"name": text(":path", value), "string_match": new_map(value, {"exact": value})})])


def _origins(kind: str, value: Node) -> Node:
    assert isinstance(value, ListNode)
    if kind == "exact":
        return new_list(value, [new_map(item, {"exact": item}) for item in value])
    return new_list(value, [new_map(item, {"safe_regex": new_map(item, {"regex": item})}) for item in value])
