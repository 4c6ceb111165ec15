"""What no single field can tell: names that must exist, be unique or agree; routes that nothing can reach.

Rule 1. Works on the node tree, after ``legacy`` and whatever ``schema`` found, so that one run tells everything. What has an
        unexpected shape is skipped: the schema has said so.
Rule 2. Takes no more than n log n time. (Routes that nothing can reach: see ``reach``.)
"""

import ipaddress
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from shifter.config.document import ListNode, MapNode, TextNode, is_false, map_in, maps, text_in, value_of
from shifter.config.reach import Reach
from shifter.config.report import Report, shown

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_MAX_WEIGHTS = 2**32 - 1
_NO_NUMBER = 2**64
_DEFAULT_BODY_LIMIT = 4096
_PERCENT = 100
_BUFFERS = "at most one read, 256 KiB, is held for a peer that is slow"


@dataclass(frozen=True, slots=True)
class Judge:
    """What the composition root knows and this room may not: files, and what other rooms say of a text."""

    files: Callable[[str], bytes] | None = None
    regex_problem: Callable[[bytes], str | None] | None = None
    format_problem: Callable[[str], str | None] | None = None
    rewrite_problem: Callable[[bytes, bytes], str | None] | None = None


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


def _number(node: MapNode, key: str) -> int | None:
    """Return what the schema takes for a whole number."""
    text = text_in(node, key)
    meant = value_of(TextNode(text, 0, 0, plain=True)) if text is not None else None
    if isinstance(meant, float):
        return int(meant) if meant.is_integer() and abs(meant) < _NO_NUMBER else None
    return meant if isinstance(meant, int) and not isinstance(meant, bool) else None


def _socket(node: MapNode) -> tuple[TextNode, int | None] | None:
    """Return address and port of a message that has ``address: {socket_address: …}``."""
    outer = map_in(node, "address")
    socket = map_in(outer, "socket_address") if outer is not None else None
    host = text_in(socket, "address") if socket is not None else None
    return (host, _number(socket, "port_value")) if socket is not None and host is not None else None


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _no_effect(report: Report, node: MapNode, name: str, why: str) -> None:
    if name in node:
        report.warn(node.key(name), f"`{name}` has no effect", why)


class _Clusters:
    def __init__(self, report: Report) -> None:
        self._report = report
        self.names: dict[str, TextNode] = {}

    def add(self, node: MapNode) -> None:
        name = text_in(node, "name")
        if name is not None:
            first = self.names.setdefault(name, name)
            if first is not name:
                self._report.error(name, f"a second cluster is named `{shown(name)}`", f"the first stands at line {first.line}")
        discovery = (text_in(node, "type") or "STATIC").upper()
        assignment = map_in(node, "load_assignment")
        localities = maps(assignment.get("endpoints")) if assignment is not None else iter(())
        for locality in localities:
            for entry in maps(locality.get("lb_endpoints")):
                endpoint = map_in(entry, "endpoint")
                where = _socket(endpoint) if endpoint is not None else None
                if where is not None:
                    self._endpoint(discovery, *where)
        if discovery == "STRICT_DNS" and assignment is None and name is not None:
            self._report.warn(name, f"the cluster `{shown(name)}` has no `load_assignment`, so nothing can be asked")
        self._resolvers(node)
        for owner, options in ((node, "http2_protocol_options"), (node, "http_protocol_options")):
            self._windows(owner, options)
        _no_effect(self._report, node, "per_connection_buffer_limit_bytes", _BUFFERS)
        typed = map_in(node, "typed_extension_protocol_options")
        http = map_in(typed, "envoy.extensions.upstreams.http.v3.HttpProtocolOptions") if typed is not None else None
        explicit = map_in(http, "explicit_http_config") if http is not None else None
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
        node = map_in(owner, options)
        for name in ("initial_stream_window_size", "initial_connection_window_size"):
            if node is not None and name in node:
                self._report.warn(node.key(name), f"`{name}` has no effect on upstream connections yet")

    def _resolvers(self, node: MapNode) -> None:
        for address in maps(node.get("dns_resolvers")):
            socket = map_in(address, "socket_address")
            host = text_in(socket, "address") if socket is not None else None
            if host is not None and _ip(host) is None:
                self._report.error(host, f"a DNS server is asked at an IP address, not at `{shown(host)}`")


class _Listeners:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._names: dict[str, TextNode] = {}
        self._addresses: dict[tuple[str, int], TextNode] = {}

    def add(self, node: MapNode) -> None:
        name = text_in(node, "name")
        if name:
            first = self._names.setdefault(name, name)
            if first is not name:
                self._report.error(name, f"a second listener is named `{shown(name)}`", f"the first stands at line {first.line}")
        _no_effect(self._report, node, "per_connection_buffer_limit_bytes", _BUFFERS)
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
        _no_effect(self._report, node, "drain_timeout", "connections that drain are closed behind their next answer")
        filters = node.get("http_filters")
        if isinstance(filters, ListNode) and len(filters) > 1:
            self._report.error(filters[1], "the router is the last filter, and one is enough")
        for log in maps(node.get("access_log")):
            self._access_log(log)
        config = map_in(node, "route_config")
        if config is None:
            return
        self._may_be_unknown = is_false(config, "validate_clusters")
        limit = _number(config, "max_direct_response_body_size_bytes")
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
            if span is not None and (_number(span, "start") or 0) >= (_number(span, "end") or 0):
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
