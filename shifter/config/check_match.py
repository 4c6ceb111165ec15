"""What is wrong with conditions on requests, and which of them nothing can satisfy.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
"""

from shifter.config.check_texts import Texts
from shifter.config.document import MapNode, TextNode, is_true, map_in, maps, text_in, value_of
from shifter.config.judge import number
from shifter.config.report import Report, shown

_DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
_EMPTY = "this range is empty: `end` is the first number that is too large"


class Matches:
    """Checks matchers of requests."""

    def __init__(self, report: Report, texts: Texts) -> None:
        self._report = report
        self._texts = texts

    def route_match(self, node: MapNode) -> None:
        """Check a ``RouteMatch``."""
        for name in ("prefix", "path", "path_separated_prefix"):
            text = text_in(node, name)
            if text:
                self._path(name, text)
        self._texts.regex(map_in(node, "safe_regex"))
        self._texts.uri_template(path_template(node))
        self.headers(node)
        for query in maps(node.get("query_parameters")):
            self._texts.string(map_in(query, "string_match"))
        for cookie in maps(node.get("cookies")):
            self._texts.string(map_in(cookie, "string_match"))
        self._runtime_fraction(node)
        for matcher in maps(node.get("dynamic_metadata")):
            self.metadata(matcher)
        tls = map_in(node, "tls_context")
        for name in ("presented", "validated"):
            if tls is not None and is_true(tls, name):
                self._report.warn(tls.key(name), "this never matches: no client comes by TLS, so none has a certificate")

    def _path(self, kind: str, text: TextNode) -> None:
        if kind == "path_separated_prefix" and ("?" in text or "#" in text):
            self._report.error(text, f"`{kind}` cannot have a query or a fragment")
        elif kind == "path_separated_prefix" and (text.endswith("/") or len(text) < 2):
            hint = f"write {shown(text.rstrip('/'))}" if text.rstrip("/") else "write prefix: / for all paths"
            self._report.error(text, f"`{kind}` must not end with a slash: one follows it in every path that matches", hint)
        elif not text.startswith("/"):
            self._report.warn(text, f"no path begins with `{shown(text)}`: every path begins with a slash", f"write /{shown(text)}")
        elif "?" in text or "#" in text:
            self._report.warn(text, "this never matches: a path is compared without its query")

    def headers(self, node: MapNode) -> None:
        """Check the ``headers`` of *node*."""
        for header in maps(node.get("headers")):
            self.header(header)

    def header(self, node: MapNode) -> None:
        """Check a ``HeaderMatcher``."""
        self._texts.string(map_in(node, "string_match"))
        span = map_in(node, "range_match")
        if span is not None and (number(span, "start") or 0) >= (number(span, "end") or 0):
            self._report.warn(node.key("range_match"), _EMPTY)

    def _runtime_fraction(self, node: MapNode) -> None:
        fraction = map_in(node, "runtime_fraction")
        share = map_in(fraction, "default_value") if fraction is not None else None
        if fraction is None or share is None:
            return
        self.share(share)
        if ("numerator" not in share or number(share, "numerator") == 0) and not text_in(fraction, "runtime_key"):
            self._report.warn(node.key("runtime_fraction"), "this never matches: its share is 0")

    def share(self, node: MapNode | None) -> None:
        """Check a ``FractionalPercent``."""
        numerator = number(node, "numerator") if node is not None else None
        if node is None or numerator is None:
            return
        denominator = _DENOMINATORS.get((text_in(node, "denominator") or "HUNDRED").upper())
        if denominator is not None and numerator > denominator:
            spot = text_in(node, "numerator") or node
            self._report.warn(spot, f"a share of {numerator} in {denominator} is more than all: it means always")

    def metadata(self, node: MapNode | None) -> None:
        """Check a ``MetadataMatcher``."""
        self._value(map_in(node, "value") if node is not None else None)

    def _value(self, node: MapNode | None) -> None:
        """Check a ``ValueMatcher``."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if one is None:
                continue
            self._texts.string(map_in(one, "string_match"))
            double = map_in(one, "double_match")
            span = map_in(double, "range") if double is not None else None
            if double is not None and span is not None and _float(span, "start") >= _float(span, "end"):
                self._report.warn(double.key("range"), _EMPTY)
            several, items = map_in(one, "or_match"), map_in(one, "list_match")
            waiting.extend(maps(several.get("value_matchers")) if several is not None else ())
            waiting.append(map_in(items, "one_of") if items is not None else None)


def path_template(match: MapNode) -> TextNode | None:
    """Return the template of the ``path_match_policy`` in *match*, if there is one."""
    policy = map_in(match, "path_match_policy")
    typed = map_in(policy, "typed_config") if policy is not None else None
    return text_in(typed, "path_template") if typed is not None else None


def _float(node: MapNode, key: str) -> float:
    text = text_in(node, key)
    meant = value_of(TextNode(text, 0, 0, plain=True)) if text is not None else None
    return float(meant) if isinstance(meant, int | float) else 0.0
