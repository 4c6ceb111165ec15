"""The filters of a connection manager and what its routes say about them, read from the node tree.

Rule 1. A ``typed_config`` can hold any message, so the schema leaves it as it is; here its ``@type`` says which message checks it.
Rule 2. As in ``check``: everything that is wrong is reported, with its place, and ``build`` gets what was found good.
Rule 3. What a route says must be meant for a filter that stands in ``http_filters``. Envoy lets a name pass that no filter has,
        and a misspelled one leaves a route without the protection that its author wrote down.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from shifter.config.build_common import Sources
from shifter.config.build_filters import FoundFilters
from shifter.config.document import ListNode, MapNode, Node, TextNode, is_false, map_in, maps, plain, routes_in, text_in
from shifter.config.explain import validate
from shifter.config.filters import KINDS
from shifter.config.filters.base import FilterKind
from shifter.config.judge import Judge
from shifter.config.report import Report, shown
from shifter.config.schema.anymessage import AnyMessage
from shifter.config.schema.base import TYPE_PREFIX, Bool, Message, Typed
from shifter.config.schema.listener import Router
from shifter.config.schema.words import TYPES
from shifter.model.filters import CustomFilterConfig, FilterOverride

FILTER_CONFIG = "envoy.config.route.v3.FilterConfig"
_TYPED_STRUCTS = ("xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct")

Kinds = dict[str, FilterKind | str]
"""Kinds of filters by name; a ``str`` is the type of a custom one, empty for a filter that is not understood."""


class FilterConfig(Typed):
    """``route.v3.FilterConfig``: switches a filter on or off for a route, and may hold what it is told there."""

    envoy = FILTER_CONFIG

    config: AnyMessage | None = None
    disabled: Bool = False
    is_optional: Bool = False


class HttpFilters:
    """Checks the filters of connection managers, one after the other. ``found`` is for `build`; *judge* knows files, patterns
    and filters from other packages, *routes_of* the routes of a manager."""

    def __init__(self, report: Report, judge: Judge, routes_of: Callable[[MapNode], MapNode | None] = routes_in) -> None:
        self.found = FoundFilters()
        self._report = report
        self._judge = judge
        self._routes_of = routes_of
        self._contents: dict[str, bytes] = {}
        self._sources = Sources(report, self._contents)

    def manager(self, node: MapNode) -> None:
        """Report what is wrong with the filters of the connection manager *node* and with what its routes say about them."""
        filters = node.get("http_filters")
        kinds: Kinds | None = self._chain(filters) if isinstance(filters, ListNode) and filters else {}
        if "@type" not in node:
            kinds = None  # a route configuration in a file of its own: its filters stand elsewhere
        config = self._routes_of(node)
        if config is None:
            return
        self._levels(config, kinds)
        for host in maps(config.get("virtual_hosts")):
            self._levels(host, kinds)
            for route in maps(host.get("routes")):
                self._levels(route, kinds)
                action = map_in(route, "route")
                weighted = map_in(action, "weighted_clusters") if action is not None else None
                for entry in maps(weighted.get("clusters")) if weighted is not None else ():
                    self._levels(entry, kinds)

    def _chain(self, filters: ListNode) -> Kinds:
        """Return the kind of each filter by its name."""
        kinds: Kinds = {}
        seen: dict[str, TextNode] = {}
        last = filters[-1]
        for node in maps(filters):
            name = text_in(node, "name")
            if name is None:
                continue
            first = seen.setdefault(name, name)
            if first is not name:
                self._report.error(name, f"a second filter is named `{shown(name)}`", self._report.first_at(first, name))
            typed = map_in(node, "typed_config")
            if typed is None:
                kinds[str(name)] = ""
                if "typed_config" not in node and "config_discovery" not in node and not _is_true(node, "is_optional"):
                    known = next((kind for kind in KINDS.values() if kind.name == name), None)
                    what = f'"@type": {TYPE_PREFIX}{known.config.envoy if known is not None else "…"}'
                    self._report.error(name, f"the filter `{shown(name)}` has no `typed_config`", f"write typed_config: {{{what}}}")
            elif _type_of(typed) == Router.envoy:
                self.found.configs[id(typed)] = validate(Router, typed, self._report)
                if _is_true(node, "disabled"):
                    self._report.error(node.key("disabled"), "the router cannot be disabled")
                if node is not last:
                    self._report.error(node.key("name"), "the router is the last filter, and one is enough")
                    kinds[str(name)] = ""
            else:
                kinds[str(name)] = self._filter(typed, _is_true(node, "is_optional"))
                if node is last:
                    hint = f'add {{name: envoy.filters.http.router, typed_config: {{"@type": {TYPE_PREFIX}{Router.envoy}}}}}'
                    self._report.error(name, "the last filter must be the router: it is what forwards requests", hint)
        return kinds

    def _filter(self, typed: MapNode, optional: bool) -> FilterKind | str:
        """Check the configuration of one filter."""
        name = _type_of(typed)
        if name is None:
            self._untyped(typed)
            return ""
        kind = KINDS.get(name)
        if kind is not None:
            self.found.configs[id(typed)] = self._known(typed, kind.config, kind.build)
            return kind
        custom = self._custom(typed)
        if custom is not None:
            self.found.configs[id(typed)] = custom
            return custom.type
        self._unknown(typed, name, optional)
        return ""

    def _levels(self, owner: MapNode, kinds: Kinds | None) -> None:
        overrides = owner.get("typed_per_filter_config")
        for name, node in overrides.items() if isinstance(overrides, MapNode) else ():
            if not isinstance(node, MapNode):
                continue  # the schema has said so
            if kinds is None:
                kind: FilterKind | str = _by_override().get(_type_of(node) or "", "")
            elif name in kinds:
                kind = kinds[name]
            else:
                hint = self._report.did_you_mean(name, kinds) if kinds else "there is none but the router"
                self._report.error(overrides.key(name), f"no filter of `http_filters` is named `{shown(name)}`", hint)  # type: ignore[union-attr]
                continue
            override = self._override(node, name, kind)
            if override is not None:
                self.found.route_configs[id(node)] = override

    def _override(self, node: MapNode, name: str, kind: FilterKind | str) -> FilterOverride | None:
        if _type_of(node) != FILTER_CONFIG:
            config = self._override_config(node, name, kind, optional=False)
            return FilterOverride(config) if config is not None else None
        said = validate(FilterConfig, node, self._report)
        if said is None:
            return None
        inner = map_in(node, "config")
        if said.disabled:
            return FilterOverride(disabled=True)
        if inner is None:
            self._report.error(_spot(node), "this says nothing to the filter", "give `config`, or `disabled: true`")
            return None
        if not inner:
            return FilterOverride()  # Envoy's way to switch a disabled filter on, with the configuration it has
        config = self._override_config(inner, name, kind, said.is_optional)
        return FilterOverride(config) if config is not None else None

    def _override_config(self, node: MapNode, name: str, kind: FilterKind | str, optional: bool) -> object | None:
        """Check what a route says to the filter called *name*."""
        written = _type_of(node)
        if written is None:
            self._untyped(node)
        elif not kind:
            return None  # the filter itself is not understood, and that has been said
        elif isinstance(kind, str):
            custom = self._custom(node, for_a_route=True)
            if custom is not None and custom.type == kind:
                return custom
            if custom is not None or written in KINDS:
                self._report.error(node["@type"], f"the filter `{shown(name)}` is a `{shown(kind)}`, and this is not")
            else:
                self._unknown(node, written, optional)
        elif kind.override is None or kind.build_override is None:
            hint = f'write {{"@type": {TYPE_PREFIX}{FILTER_CONFIG}, disabled: true}} to switch it off'
            self._report.error(_spot(node), f"a route can tell the filter `{shown(name)}` nothing but whether it is on", hint)
        elif written != kind.override.envoy:
            hint = f"write {TYPE_PREFIX}{kind.override.envoy}"
            self._report.error(_spot(node), f"`{shown(written)}` is not what a route says to the filter `{shown(name)}`", hint)
        else:
            return self._known(node, kind.override, kind.build_override)
        return None

    def _known(self, node: MapNode, message: type[Message], build: Any) -> object | None:
        """Check *node* and return the model of it."""
        before = self._report.errors
        config = validate(message, node, self._report)
        self._walk(node)
        if config is None or self._report.errors > before:
            return None
        try:
            found: object = build(config, self._sources)
        except ValueError as error:
            self._report.error(_spot(node), f"this filter cannot be used: {error}")
            return None
        problem = self._judge.filter_problem(found) if self._judge.filter_problem is not None else None
        if problem is not None:
            self._report.error(_spot(node), f"this filter cannot be used: {problem}")
            return None
        return found

    def _walk(self, node: Node) -> None:
        """Look at regular expressions and files wherever they stand in *node*."""
        waiting: list[Node] = [node]
        while waiting:
            one = waiting.pop()
            if isinstance(one, ListNode):
                waiting.extend(one)
            elif isinstance(one, MapNode):
                waiting.extend(one.values())
                header = map_in(one, "header")
                template = text_in(header, "value") if header is not None else None
                if template and self._judge.template_problem is not None:
                    problem = self._judge.template_problem(template)
                    if problem is not None:
                        self._report.error(template, f"this format cannot be used: {problem}")
                regex, name = text_in(one, "regex"), text_in(one, "filename")
                if regex and self._judge.regex_problem is not None:
                    problem = self._judge.regex_problem(regex.encode())
                    if problem is not None:
                        self._report.error(regex, f"this regular expression cannot be used: {problem}")
                if name:
                    self._read(name)

    def _read(self, name: TextNode) -> None:
        if name in self._contents:
            return
        self._contents[str(name)] = b""
        if self._judge.files is None:
            self._report.error(name, "files cannot be read here")
            return
        try:
            self._contents[str(name)] = self._judge.files(str(name))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._report.error(name, f"`{shown(name)}` cannot be read: {reason}")

    def _custom(self, typed: MapNode, for_a_route: bool = False) -> CustomFilterConfig | None:
        """Return what *typed* says to a filter from another package; ``None`` when no such filter is there."""
        judge = self._judge.custom_filters
        url, fields = typed.get("@type"), {str(key): plain(value) for key, value in typed.items() if key != "@type"}
        if judge is None or not isinstance(url, TextNode):
            return None
        if url.rpartition("/")[2] in _TYPED_STRUCTS:
            inner, value = typed.get("type_url"), typed.get("value")
            if not isinstance(inner, TextNode):
                return None
            url, fields = inner, {str(key): plain(one) for key, one in value.items()} if isinstance(value, MapNode) else {}
        name = url.rpartition("/")[2]
        if name not in judge.names():
            return None
        problem = judge.problem(name, fields, for_a_route)
        if problem is not None:
            self._report.error(url, f"the filter `{shown(name)}` cannot be used: {problem}")
        return CustomFilterConfig(name, fields)

    def _untyped(self, typed: MapNode) -> None:
        hint = f'write "@type": {TYPE_PREFIX}…'
        self._report.error(_spot(typed), 'this has no "@type", which says what it is', hint)

    def _unknown(self, typed: MapNode, name: str, optional: bool) -> None:
        tell = self._report.warn if optional else self._report.error
        if name in TYPES:
            ending = "so this filter is left out" if optional else "take it out, or keep Envoy for this"
            tell(_spot(typed), f"Envoy knows `{shown(name)}`, shifter does not support it yet", ending)
            return
        judge = self._judge.custom_filters
        known = frozenset(KINDS) | (judge.names() if judge is not None else frozenset())
        tell(_spot(typed), f"`{shown(name)}` is no filter that is known here", self._report.did_you_mean(name, known))


@cache
def _by_override() -> dict[str, FilterKind]:
    """Return the kinds of filters by the message in which routes speak to them."""
    return {kind.override.envoy: kind for kind in KINDS.values() if kind.override is not None}


def _type_of(typed: MapNode) -> str | None:
    url = typed.get("@type")
    return url.rpartition("/")[2] if isinstance(url, TextNode) else None


def _spot(typed: MapNode) -> TextNode | MapNode:
    url = typed.get("@type")
    return url if isinstance(url, TextNode) else typed


def _is_true(node: MapNode, key: str) -> bool:
    return text_in(node, key) is not None and not is_false(node, key)
