"""What no single field can tell: names that must exist, be unique or agree; routes that nothing can reach.

Rule 1. Works on the node tree, after ``legacy`` and whatever ``schema`` found, so that one run tells everything. What has an
        unexpected shape is skipped: the schema has said so.
Rule 2. Takes no more than n log n time.
"""

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from shifter.config.document import ListNode, MapNode, Node, TextNode, maps, plain, value_of
from shifter.config.report import Report, Spot, shown

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_MAX_WEIGHTS = 2**32 - 1
_NO_NUMBER = 2**64
_DEFAULT_BODY_LIMIT = 4096
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Judge:
    """What the composition root knows and this room may not: files, and what other rooms say of a text."""

    files: Callable[[str], bytes] | None = None
    regex_problem: Callable[[bytes], str | None] | None = None
    format_problem: Callable[[str], str | None] | None = None


def check(root: MapNode, report: Report, judge: Judge) -> dict[str, bytes]:
    """Report what does not fit together; return the contents of the files that *root* names."""
    static = root.get("static_resources")
    if not isinstance(static, MapNode):
        return {}
    clusters = _Clusters(report)
    for cluster in maps(static.get("clusters")):
        clusters.add(cluster)
    listeners = _Listeners(report)
    if not static.get("listeners"):
        report.warn(root.key("static_resources"), "there are no `listeners`, so nobody can connect")
    routes = _Routes(report, judge, clusters.names)
    for listener in maps(static.get("listeners")):
        listeners.add(listener)
        for chain in maps(listener.get("filter_chains")):
            for network_filter in maps(chain.get("filters")):
                manager = network_filter.get("typed_config")
                if isinstance(manager, MapNode):
                    routes.manager(manager)
    admin = root.get("admin")
    if isinstance(admin, MapNode):
        listeners.add_admin(admin)
    return routes.contents


def _text(node: MapNode, key: str) -> TextNode | None:
    value = node.get(key)
    return value if isinstance(value, TextNode) else None


def _map(node: MapNode, key: str) -> MapNode | None:
    value = node.get(key)
    return value if isinstance(value, MapNode) else None


def _number(node: MapNode, key: str) -> int | None:
    """Return what the schema takes for a whole number."""
    text = _text(node, key)
    meant = value_of(TextNode(text, 0, 0, plain=True)) if text is not None else None
    if isinstance(meant, float):
        return int(meant) if meant.is_integer() and abs(meant) < _NO_NUMBER else None
    return meant if isinstance(meant, int) and not isinstance(meant, bool) else None


def _false(node: MapNode, key: str) -> bool:
    text = _text(node, key)
    return text is not None and text.lower() in ("false", "no", "off", "n")


def _socket(node: MapNode) -> tuple[TextNode, int | None] | None:
    """Return address and port of a message that has ``address: {socket_address: …}``."""
    outer = _map(node, "address")
    socket = _map(outer, "socket_address") if outer is not None else None
    host = _text(socket, "address") if socket is not None else None
    return (host, _number(socket, "port_value")) if socket is not None and host is not None else None


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


class _Clusters:
    def __init__(self, report: Report) -> None:
        self._report = report
        self.names: dict[str, TextNode] = {}

    def add(self, node: MapNode) -> None:
        name = _text(node, "name")
        if name is not None:
            first = self.names.setdefault(name, name)
            if first is not name:
                self._report.error(name, f"a second cluster is named `{shown(name)}`", f"the first stands at line {first.line}")
        discovery = (_text(node, "type") or "STATIC").upper()
        assignment = _map(node, "load_assignment")
        localities = maps(assignment.get("endpoints")) if assignment is not None else iter(())
        for locality in localities:
            for entry in maps(locality.get("lb_endpoints")):
                endpoint = _map(entry, "endpoint")
                where = _socket(endpoint) if endpoint is not None else None
                if where is not None:
                    self._endpoint(discovery, *where)
        if discovery == "STRICT_DNS" and assignment is None and name is not None:
            self._report.warn(name, f"the cluster `{shown(name)}` has no `load_assignment`, so nothing can be asked")
        self._resolvers(node)
        for owner, options in ((node, "http2_protocol_options"), (node, "http_protocol_options")):
            self._windows(owner, options)
        typed = _map(node, "typed_extension_protocol_options")
        http = _map(typed, "envoy.extensions.upstreams.http.v3.HttpProtocolOptions") if typed is not None else None
        explicit = _map(http, "explicit_http_config") if http is not None else None
        if explicit is not None:
            self._windows(explicit, "http2_protocol_options")
        if typed is not None:
            for old in ("http2_protocol_options", "http_protocol_options", "common_http_protocol_options"):
                if old in node:
                    self._report.warn(node.key(old), f"`{old}` has no effect beside `typed_extension_protocol_options`", "put it in there")

    def _endpoint(self, discovery: str, host: TextNode, port: int | None) -> None:
        if _ip(host) is None:
            if discovery == "STATIC":
                self._report.error(host, f"`{shown(host)}` is a name, and a STATIC cluster takes IP addresses", "write type: STRICT_DNS")
            elif not _HOST_NAME.fullmatch(host) or len(host) > 253:
                self._report.error(host, f"`{shown(host)}` is no host name and no IP address", "write it without scheme, port and path")
        if port == 0:
            self._report.warn(host, "nobody can be reached at port 0")

    def _windows(self, owner: MapNode, options: str) -> None:
        node = _map(owner, options)
        for name in ("initial_stream_window_size", "initial_connection_window_size"):
            if node is not None and name in node:
                self._report.warn(node.key(name), f"`{name}` has no effect on upstream connections yet")

    def _resolvers(self, node: MapNode) -> None:
        for address in maps(node.get("dns_resolvers")):
            socket = _map(address, "socket_address")
            host = _text(socket, "address") if socket is not None else None
            if host is not None and _ip(host) is None:
                self._report.error(host, f"a DNS server is asked at an IP address, not at `{shown(host)}`")


class _Listeners:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._names: dict[str, TextNode] = {}
        self._addresses: dict[tuple[str, int], TextNode] = {}

    def add(self, node: MapNode) -> None:
        name = _text(node, "name")
        if name:
            first = self._names.setdefault(name, name)
            if first is not name:
                self._report.error(name, f"a second listener is named `{shown(name)}`", f"the first stands at line {first.line}")
        chains = node.get("filter_chains")
        if isinstance(chains, ListNode) and len(chains) > 1:
            self._report.error(chains[1], "shifter does not support more than one filter chain yet")
        for chain in maps(chains):
            filters = chain.get("filters")
            if isinstance(filters, ListNode) and len(filters) > 1:
                self._report.error(filters[1], "shifter does not support filters beside the connection manager yet")
        self._address(node)

    def add_admin(self, node: MapNode) -> None:
        ip = self._address(node)
        where = _socket(node)
        if ip is not None and not ip.is_loopback and where is not None:
            self._report.warn(where[0], "the admin interface can be reached from other machines", "write address: 127.0.0.1")

    def _address(self, node: MapNode) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        where = _socket(node)
        if where is None:
            return None
        host, port = where
        ip = _ip(host)
        if ip is None:
            self._report.error(host, f"`{shown(host)}` is no IP address: one can only listen at one", "0.0.0.0 means all of IPv4, :: all")
        elif port:
            first = self._addresses.setdefault((str(ip), port), host)
            if first is not host:
                self._report.error(host, f"{ip} port {port} is taken already", f"by line {first.line}")
        return ip


class _Routes:
    def __init__(self, report: Report, judge: Judge, clusters: Collection[str]) -> None:
        self.contents: dict[str, bytes] = {}
        self._report = report
        self._judge = judge
        self._clusters = clusters
        self._may_be_unknown = False
        self._body_limit = _DEFAULT_BODY_LIMIT

    def manager(self, node: MapNode) -> None:
        filters = node.get("http_filters")
        if isinstance(filters, ListNode) and len(filters) > 1:
            self._report.error(filters[1], "the router is the last filter, and one is enough")
        for log in maps(node.get("access_log")):
            self._access_log(log)
        config = _map(node, "route_config")
        if config is None:
            return
        self._may_be_unknown = _false(config, "validate_clusters")
        limit = _number(config, "max_direct_response_body_size_bytes")
        self._body_limit = _DEFAULT_BODY_LIMIT if limit is None else limit
        domains: dict[str, TextNode] = {}
        names: dict[str, TextNode] = {}
        for host in maps(config.get("virtual_hosts")):
            name = _text(host, "name")
            if name is not None and names.setdefault(name, name) is not name:
                self._report.warn(name, f"a second virtual host is named `{shown(name)}`", f"the first stands at line {names[name].line}")
            self._domains(host, domains)
            reach = _Reach(self._report)
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
        match = _map(node, "match")
        if match is not None:
            self._match(match)
        action = _map(node, "route")
        if action is not None:
            self._cluster(_text(action, "cluster"))
            rewrite = _map(action, "regex_rewrite")
            if rewrite is not None:
                self._regex(_map(rewrite, "pattern"))
            weighted = _map(action, "weighted_clusters")
            if weighted is not None:
                self._weights(action, weighted)
        redirect = _map(node, "redirect")
        if redirect is not None and not redirect.keys() - {"response_code"}:
            self._report.warn(node.key("redirect"), "this redirect leads back to where the request came from")
        answer = _map(node, "direct_response")
        body = _map(answer, "body") if answer is not None else None
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
            self._cluster(_text(entry, "name"))
            weight = _number(entry, "weight")
            if weight is not None:
                weights.append(weight)
        if not entries or len(weights) < len(entries) or min(weights) < 0 or max(weights) > _MAX_WEIGHTS:
            return
        total, key = sum(weights), action.key("weighted_clusters")
        claimed = _number(node, "total_weight")
        if total == 0:
            self._report.error(key, "the weights add up to 0: the sum of weights must be greater than 0", "no cluster would get a request")
        elif total > _MAX_WEIGHTS:
            self._report.error(key, f"the weights add up to {total}, at most {_MAX_WEIGHTS} is possible")
        elif claimed is not None and claimed != total:
            self._report.warn(node.key("total_weight"), f"`total_weight` is ignored, and the weights add up to {total}", "take it out")
        elif total != _PERCENT and claimed is None:
            shares = ", ".join(
                f"{shown(_text(entry, 'name') or '?')} {weight / total:.1%}" for entry, weight in zip(entries[:8], weights, strict=False)
            )
            self._report.warn(key, f"the weights add up to {total}, not to 100", f"shares: {shares}")

    def _match(self, node: MapNode) -> None:
        for name in ("prefix", "path"):
            text = _text(node, name)
            if text and not text.startswith("/"):
                self._report.warn(text, f"no path begins with `{shown(text)}`: every path begins with a slash", f"write /{shown(text)}")
            elif text and ("?" in text or "#" in text):
                self._report.warn(text, "this never matches: a path is compared without its query")
        self._regex(_map(node, "safe_regex"))
        for header in maps(node.get("headers")):
            text_match = _map(header, "string_match")
            if text_match is not None:
                self._regex(_map(text_match, "safe_regex"))
            span = _map(header, "range_match")
            if span is not None and (_number(span, "start") or 0) >= (_number(span, "end") or 0):
                self._report.warn(header.key("range_match"), "this range is empty: `end` is the first number that is too large")

    def _regex(self, node: MapNode | None) -> None:
        regex = _text(node, "regex") if node is not None else None
        if not regex or self._judge.regex_problem is None:
            return
        problem = self._judge.regex_problem(regex.encode())
        if problem is not None:
            self._report.error(regex, f"this regular expression cannot be used: {problem}")

    def _body(self, node: MapNode) -> None:
        name, text = _text(node, "filename"), _text(node, "inline_string")
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
        typed = _map(node, "typed_config")
        if typed is None:
            return
        url = _text(typed, "@type") or ""
        if url.endswith(".FileAccessLog") and "path" not in typed:
            self._report.error(node.key("typed_config"), "`path` is missing: which file to write", "/dev/stdout is one, too")
        elif "path" in typed and url.endswith((".StdoutAccessLog", ".StderrAccessLog")):
            self._report.error(typed.key("path"), "this access log has no `path`")
        line = _text(typed, "format")
        log_format = _map(typed, "log_format")
        if log_format is not None:
            source = _map(log_format, "text_format_source")
            line = _text(source, "inline_string") if source is not None else _text(log_format, "text_format")
            if source is not None:
                for other in ("filename", "inline_bytes"):
                    if other in source:
                        self._report.error(source.key(other), f"shifter does not support `{other}` here yet", "write inline_string:")
        if line is not None and self._judge.format_problem is not None:
            problem = self._judge.format_problem(str(line))
            if problem is not None:
                self._report.error(line, f"this format cannot be used: {problem}")


@dataclass(slots=True)
class _Prefixes:
    """Prefixes of which none begins with another: so only the last that is not greater than a text can be a prefix of it."""

    texts: list[str] = field(default_factory=list)
    spots: dict[str, Spot] = field(default_factory=dict)

    def find(self, text: str) -> Spot | None:
        at = bisect_right(self.texts, text)
        return self.spots[self.texts[at - 1]] if at and text.startswith(self.texts[at - 1]) else None

    def add(self, text: str, spot: Spot) -> None:
        at = end = bisect_right(self.texts, text)
        while end < len(self.texts) and self.texts[end].startswith(text):
            end += 1
        self.texts[at:end] = [text]
        self.spots[text] = spot


class _Reach:
    """Finds routes of one virtual host that earlier ones leave nothing for."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._prefixes = _Prefixes()
        self._folded_prefixes = _Prefixes()
        self._same: dict[tuple[str, str, bool, str], Spot] = {}
        self._folded_paths: dict[str, Spot] = {}

    def add(self, route: MapNode) -> None:
        match = _map(route, "match")
        if match is None or not match.keys() <= {"prefix", "path", "safe_regex", "case_sensitive", "headers"}:
            return
        kinds = [key for key in match if key in ("prefix", "path", "safe_regex")]
        regex = _map(match, "safe_regex")
        text = _text(regex, "regex") if regex is not None else _text(match, kinds[0]) if kinds else None
        if len(kinds) != 1 or text is None:
            return
        kind, sensitive = str(kinds[0]), not _false(match, "case_sensitive")
        headers: Node | None = match.get("headers")
        identity = (kind, str(text), sensitive, repr(plain(headers)) if headers else "")
        earlier = self._earlier(kind, text, sensitive)
        earlier = self._same.get(identity) if earlier is None else earlier
        if earlier is not None:
            self._report.warn(text, "this route is never reached", f"line {earlier.line} matches all of it before")
            return
        self._same[identity] = text
        if headers:
            return
        self._same.setdefault((kind, str(text), sensitive, ""), text)
        if kind == "prefix":
            (self._prefixes if sensitive else self._folded_prefixes).add(str(text) if sensitive else text.lower(), text)
        elif kind == "path" and not sensitive:
            self._folded_paths[text.lower()] = text

    def _earlier(self, kind: str, text: TextNode, sensitive: bool) -> Spot | None:
        """Return the route that takes all that *text* would match, whatever the headers say."""
        found = self._same.get((kind, str(text), sensitive, ""))
        if kind == "safe_regex":
            # Which paths a pattern matches is not looked into; all begin with a slash.
            text = TextNode("/", 0, 0)
        elif found is None and kind == "path":
            found = self._folded_paths.get(text.lower())
        if found is None:
            found = self._folded_prefixes.find(text.lower())
        if found is None and (sensitive or kind == "safe_regex"):
            found = self._prefixes.find(text)
        return found
