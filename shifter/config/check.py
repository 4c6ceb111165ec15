"""What no single field can tell: names that must exist, be unique or agree; routes that nothing can reach.

Rule 1. Works on the node tree, after ``legacy`` and whatever ``schema`` found, so that one run tells everything. What has an
        unexpected shape is skipped: the schema has said so.
Rule 2. Takes no more than n log n time. (Routes that nothing can reach: see ``unreachable``.)
"""

import ipaddress
import re

from shifter.config.build_common import Sources
from shifter.config.check_routes import Routes
from shifter.config.check_runtime import check_runtime
from shifter.config.document import ListNode, MapNode, TextNode, map_in, maps, text_in
from shifter.config.judge import Judge, no_effect, number
from shifter.config.report import Report, shown

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_BUFFERS = "at most one read, 256 KiB, is held for a peer that is slow"


def check(root: MapNode, report: Report, judge: Judge) -> Sources:
    """Report what does not fit together; return what was found out about *root* beside that, for ``build``."""
    check_runtime(root, report)
    static = root.get("static_resources")
    if not isinstance(static, MapNode):
        return Sources(report, {})
    clusters = _Clusters(report)
    for cluster in maps(static.get("clusters")):
        clusters.add(cluster)
    listeners = _Listeners(report)
    if not static.get("listeners"):
        report.warn(root.key("static_resources"), "there are no `listeners`, so nobody can connect")
    routes = Routes(report, judge, clusters.names)
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
    return routes.sources


def _socket(node: MapNode) -> tuple[TextNode, int | None] | None:
    """Return address and port of a message that has ``address: {socket_address: …}``."""
    outer = map_in(node, "address")
    socket = map_in(outer, "socket_address") if outer is not None else None
    host = text_in(socket, "address") if socket is not None else None
    return (host, number(socket, "port_value")) if socket is not None and host is not None else None


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
        no_effect(self._report, node, "per_connection_buffer_limit_bytes", _BUFFERS)
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
        no_effect(self._report, node, "per_connection_buffer_limit_bytes", _BUFFERS)
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
