"""What no single field of a route table can tell: clusters, domains, weights, patterns, bodies.

Rule 1. As in ``check``: works on the node tree, and takes no more than n log n time.
"""

from collections.abc import Collection

from shifter.config.build_common import Sources
from shifter.config.document import ListNode, MapNode, TextNode, is_false, map_in, maps, text_in
from shifter.config.http_filters import HttpFilters
from shifter.config.judge import Judge, no_effect, number
from shifter.config.reach import Reach
from shifter.config.report import Report, shown

_MAX_WEIGHTS = 2**32 - 1
_DEFAULT_BODY_LIMIT = 4096
_PERCENT = 100


class Routes:
    """Checks connection managers and their routes, one after the other. ``contents`` are those of files that they name."""

    def __init__(self, report: Report, judge: Judge, clusters: Collection[str]) -> None:
        self.contents: dict[str, bytes] = {}
        self._report = report
        self._judge = judge
        self._clusters = clusters
        self._filters = HttpFilters(report, judge)
        self._may_be_unknown = False
        self._body_limit = _DEFAULT_BODY_LIMIT

    @property
    def sources(self) -> Sources:
        """What was found, for those who build."""
        return Sources(self._report, self.contents, self._filters.found)

    def manager(self, node: MapNode) -> None:
        """Report what does not fit together in the connection manager *node*."""
        no_effect(self._report, node, "drain_timeout", "connections that drain are closed behind their next answer")
        self._filters.manager(node)
        for log in maps(node.get("access_log")):
            self._access_log(log)
        config = map_in(node, "route_config")
        if config is None:
            return
        self._may_be_unknown = is_false(config, "validate_clusters")
        limit = number(config, "max_direct_response_body_size_bytes")
        self._body_limit = _DEFAULT_BODY_LIMIT if limit is None else limit
        domains: dict[str, TextNode] = {}
        names: dict[str, TextNode] = {}
        for host in maps(config.get("virtual_hosts")):
            name = text_in(host, "name")
            if name is not None and names.setdefault(name, name) is not name:
                self._report.warn(name, f"a second virtual host is named `{shown(name)}`", f"the first stands at line {names[name].line}")
            self._domains(host, domains)
            reach = Reach(self._report)
            for route in maps(host.get("routes")):
                self._route(route)
                reach.add(route)

    def _domains(self, host: MapNode, seen: dict[str, TextNode]) -> None:
        listed = host.get("domains")
        for domain in listed if isinstance(listed, ListNode) else ():
            if not isinstance(domain, TextNode):
                continue
            lower = domain.lower()
            first = seen.setdefault(lower, domain)
            if first is not domain:
                self._report.error(domain, f"the domain `{shown(domain)}` is given twice", f"first given at line {first.line}")
            if "*" in lower[1:-1] or (lower.startswith("*") and lower.endswith("*") and len(lower) > 1):
                self._report.error(domain, f"`{shown(domain)}`: one star, at the beginning or at the end", "*.example.com, example.*, or *")
            elif "://" in lower or "/" in lower:
                self._report.error(domain, f"`{shown(domain)}` is not a host name", "write it without scheme and path")

    def _route(self, node: MapNode) -> None:
        match = map_in(node, "match")
        if match is not None:
            self._match(match)
        action = map_in(node, "route")
        if action is not None:
            self._cluster(text_in(action, "cluster"))
            rewrite = map_in(action, "regex_rewrite")
            if rewrite is not None:
                self._rewrite(rewrite)
            weighted = map_in(action, "weighted_clusters")
            if weighted is not None:
                self._weights(action, weighted)
        redirect = map_in(node, "redirect")
        if redirect is not None and not redirect.keys() - {"response_code"}:
            self._report.warn(node.key("redirect"), "this redirect leads back to where the request came from")
        answer = map_in(node, "direct_response")
        body = map_in(answer, "body") if answer is not None else None
        if body is not None:
            self._body(body)

    def _cluster(self, name: TextNode | None) -> None:
        if not name or name in self._clusters:
            return
        hint = self._report.did_you_mean(name, self._clusters)
        if self._may_be_unknown:
            self._report.warn(name, f"no cluster is named `{shown(name)}`, so every request here gets a 503", hint)
        else:
            self._report.error(name, f"no cluster is named `{shown(name)}`", hint)

    def _weights(self, action: MapNode, node: MapNode) -> None:
        weights: list[int] = []
        entries = list(maps(node.get("clusters")))
        for entry in entries:
            self._cluster(text_in(entry, "name"))
            weight = number(entry, "weight")
            if weight is not None:
                weights.append(weight)
        if not entries or len(weights) < len(entries) or min(weights) < 0 or max(weights) > _MAX_WEIGHTS:
            return
        total, key = sum(weights), action.key("weighted_clusters")
        claimed = number(node, "total_weight")
        if total == 0:
            self._report.error(key, "the weights add up to 0: the sum of weights must be greater than 0", "no cluster would get a request")
        elif total > _MAX_WEIGHTS:
            self._report.error(key, f"the weights add up to {total}, at most {_MAX_WEIGHTS} is possible")
        elif claimed is not None and claimed != total:
            self._report.warn(node.key("total_weight"), f"`total_weight` is ignored, and the weights add up to {total}", "take it out")
        elif total != _PERCENT and claimed is None:
            shares = ", ".join(
                f"{shown(text_in(entry, 'name') or '?')} {weight / total:.1%}" for entry, weight in zip(entries[:8], weights, strict=False)
            )
            self._report.warn(key, f"the weights add up to {total}, not to 100", f"shares: {shares}")

    def _match(self, node: MapNode) -> None:
        for name in ("prefix", "path"):
            text = text_in(node, name)
            if text and not text.startswith("/"):
                self._report.warn(text, f"no path begins with `{shown(text)}`: every path begins with a slash", f"write /{shown(text)}")
            elif text and ("?" in text or "#" in text):
                self._report.warn(text, "this never matches: a path is compared without its query")
        self._regex(map_in(node, "safe_regex"))
        for header in maps(node.get("headers")):
            text_match = map_in(header, "string_match")
            if text_match is not None:
                self._regex(map_in(text_match, "safe_regex"))
            span = map_in(header, "range_match")
            if span is not None and (number(span, "start") or 0) >= (number(span, "end") or 0):
                self._report.warn(header.key("range_match"), "this range is empty: `end` is the first number that is too large")

    def _regex(self, node: MapNode | None) -> None:
        regex = text_in(node, "regex") if node is not None else None
        if not regex or self._judge.regex_problem is None:
            return
        problem = self._judge.regex_problem(regex.encode())
        if problem is not None:
            self._report.error(regex, f"this regular expression cannot be used: {problem}")

    def _rewrite(self, node: MapNode) -> None:
        pattern = map_in(node, "pattern")
        regex = text_in(pattern, "regex") if pattern is not None else None
        if not regex or self._judge.rewrite_problem is None:
            return
        substitution = text_in(node, "substitution")
        problem = self._judge.rewrite_problem(regex.encode(), (substitution or "").encode())
        if problem is not None:
            self._report.error(substitution if substitution is not None else regex, f"this rewrite cannot be used: {problem}")

    def _body(self, node: MapNode) -> None:
        name, text = text_in(node, "filename"), text_in(node, "inline_string")
        size = len(text.encode()) if text is not None else 0
        spot = text if text is not None else name
        if name:
            content = self._file(name)
            size = len(content)
        if size > self._body_limit and spot is not None:
            self._report.error(
                spot, f"this body has {size} bytes, at most {self._body_limit} are allowed", "raise max_direct_response_body_size_bytes"
            )

    def _file(self, name: TextNode) -> bytes:
        if name in self.contents:
            return self.contents[name]
        content = b""
        if self._judge.files is None:
            self._report.error(name, "files cannot be read here")
        else:
            try:
                content = self._judge.files(str(name))
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                self._report.error(name, f"`{shown(name)}` cannot be read: {reason}")
        self.contents[str(name)] = content
        return content

    def _access_log(self, node: MapNode) -> None:
        typed = map_in(node, "typed_config")
        if typed is None:
            return
        url = text_in(typed, "@type") or ""
        if url.endswith(".FileAccessLog") and "path" not in typed:
            self._report.error(node.key("typed_config"), "`path` is missing: which file to write", "/dev/stdout is one, too")
        elif "path" in typed and url.endswith((".StdoutAccessLog", ".StderrAccessLog")):
            self._report.error(typed.key("path"), "this access log has no `path`")
        line = text_in(typed, "format")
        log_format = map_in(typed, "log_format")
        if log_format is not None:
            source = map_in(log_format, "text_format_source")
            line = text_in(source, "inline_string") if source is not None else text_in(log_format, "text_format")
            if source is not None:
                for other in ("filename", "inline_bytes"):
                    if other in source:
                        self._report.error(source.key(other), f"shifter does not support `{other}` here yet", "write inline_string:")
        if line is not None and self._judge.format_problem is not None:
            problem = self._judge.format_problem(str(line))
            if problem is not None:
                self._report.error(line, f"this format cannot be used: {problem}")
