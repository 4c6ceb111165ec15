"""What no single field of a listener can tell: which of its filter chains a connection gets, and who answers it.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
Rule 2. Two chains that could both be the one for a connection are refused, as by Envoy. What is compared is what Envoy compares:
        each combination of what a chain's match lists.
"""

import ipaddress
from collections.abc import Collection, Iterator
from itertools import islice, product

from shifter.config.check_endpoints import Ip, check_cidr, ip_address, socket_in
from shifter.config.check_routes import Routes
from shifter.config.check_tls import Tls, nobody_asks_for, tls_context
from shifter.config.document import ListNode, MapNode, TextNode, is_true, map_in, maps, text_in
from shifter.config.judge import number
from shifter.config.report import Report, shown
from shifter.config.schema.listener import HCM
from shifter.config.schema.tcp_proxy import TcpProxy
from shifter.config.schema.tls import DownstreamTlsContext

_MOST_COMBINATIONS = 100_000
_RANGES = ("prefix_ranges", "direct_source_prefix_ranges", "source_prefix_ranges")
_TEXTS = ("transport_protocol", "source_type")
_IN_THE_CLEAR = frozenset(("http/1.0", "http/1.1", "h2c"))
_PROXY_PROTOCOL = "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"


class Listeners:
    """Checks listeners, one after the other; *clusters* are the names that there are."""

    def __init__(self, report: Report, routes: Routes, tls: Tls, clusters: Collection[str]) -> None:
        self._report = report
        self._routes = routes
        self._tls = tls
        self._clusters = clusters
        self._names: dict[str, TextNode] = {}
        self._addresses: dict[tuple[str, int], TextNode] = {}
        self._tls_wanted: list[TextNode] = []
        self._has_tls = False

    def add(self, node: MapNode) -> None:
        """Check the listener *node*."""
        name = text_in(node, "name")
        if name:
            first = self._names.setdefault(name, name)
            if first is not name:
                self._report.error(name, f"a second listener is named `{shown(name)}`", self._report.first_at(first, name))
        if not node.get("filter_chains") and "default_filter_chain" not in node:
            at = node.key("filter_chains") if "filter_chains" in node else name or node
            self._report.error(at, "this listener has no filter chain", "give `filter_chains`")
        self._address(node)
        self._listener_filters(node)
        self._routes.access_logs(node)
        for chain in chains_of(node):
            self._chain(chain)
        default = map_in(node, "default_filter_chain")
        if default is not None and "filter_chain_match" in default:
            self._report.warn(default.key("filter_chain_match"), "`filter_chain_match` has no effect in the default filter chain")
        self._matches(node)

    def finish(self) -> None:
        """Warn about what only all listeners together can tell."""
        for wanted in self._tls_wanted if not self._has_tls else ():
            hint = "give a filter chain a `transport_socket`, or trust the proxy before this one: xff_num_trusted_hops"
            self._report.warn(wanted, "every request is sent to https, and no listener here speaks TLS", hint)

    def add_admin(self, node: MapNode) -> None:
        """Check the admin interface *node*."""
        ip = self._address(node)
        where = socket_in(node)
        if ip is not None and not ip.is_loopback and where is not None:
            self._report.warn(where[0], "the admin interface can be reached from other machines", "write address: 127.0.0.1")

    def _address(self, node: MapNode) -> Ip | None:
        where = socket_in(node)
        if where is None:
            return None
        host, port = where
        ip = ip_address(host)
        if ip is None:
            self._report.error(host, f"`{shown(host)}` is no IP address: one can only listen at one", "0.0.0.0 means all of IPv4, :: all")
        elif port:
            first = self._addresses.setdefault((str(ip), port), host)
            if first is not host:
                self._report.error(host, f"{ip} port {port} is taken already", f"by {self._report.line(first, host)}")
        return ip

    def _listener_filters(self, node: MapNode) -> None:
        seen: dict[str, TextNode] = {}
        for listener_filter in maps(node.get("listener_filters")):
            kind = type_of(listener_filter)
            typed = map_in(listener_filter, "typed_config")
            url = text_in(typed, "@type") if typed is not None else None
            if kind == _PROXY_PROTOCOL and url is not None and seen.setdefault(kind, url) is not url:
                hint = f"the first filter for it stands at {self._report.line(seen[kind], url)}"
                self._report.error(url, "a connection has one PROXY header", hint)
            if kind == _PROXY_PROTOCOL and typed is not None:
                versions = typed.get("disallowed_versions")
                if isinstance(versions, ListNode) and len({str(one).upper() for one in versions}) > 1:
                    self._report.error(typed.key("disallowed_versions"), "this leaves no version of the PROXY protocol to speak")

    def _chain(self, node: MapNode) -> None:
        filters = node.get("filters")
        if isinstance(filters, ListNode) and len(filters) > 1:
            self._report.error(filters[1], "nothing can stand behind the filter that answers the connection", "each chain has one filter")
        for network_filter in maps(filters):
            typed = map_in(network_filter, "typed_config")
            if typed is not None and type_of(network_filter) == TcpProxy.envoy:
                self._tcp_proxy(typed)
            elif typed is not None:
                self._routes.manager(typed)
                self._wants_tls(typed)
        self._tls.chain(node)
        self._has_tls = self._has_tls or tls_context(node, DownstreamTlsContext.envoy) is not None
        match = map_in(node, "filter_chain_match")
        if match is not None:
            self._match(match)
            if match.get("server_names") and "transport_socket" not in node and any(type_of(one) == HCM for one in maps(filters)):
                hint = "give a `transport_socket`, or pass the connections on with a TcpProxy"
                self._report.warn(match.key("server_names"), "only TLS names servers, and this chain reads HTTP in the clear", hint)

    def _wants_tls(self, manager: MapNode) -> None:
        """Note virtual hosts that want TLS of clients whose own word for it (``x-forwarded-proto``) is not taken."""
        routes = self._routes.of(manager)
        if routes is None or not is_true(manager, "use_remote_address") or number(manager, "xff_num_trusted_hops"):
            return
        for host in maps(routes.get("virtual_hosts")):
            wanted = text_in(host, "require_tls")
            if wanted is not None and wanted.upper() in ("ALL", "EXTERNAL_ONLY"):
                self._tls_wanted.append(wanted)

    def _tcp_proxy(self, node: MapNode) -> None:
        self._routes.access_logs(node)
        weighted = map_in(node, "weighted_clusters")
        for owner, field in ((node, "cluster"), *((one, "name") for one in maps(weighted.get("clusters") if weighted else None))):
            name = text_in(owner, field)
            if name and name not in self._clusters:
                hint = self._report.did_you_mean(name, self._clusters)
                self._report.error(name, f"no cluster is named `{shown(name)}`", hint)

    def _match(self, node: MapNode) -> None:
        for field in _RANGES:
            for cidr in maps(node.get(field)):
                check_cidr(self._report, cidr, "this fits")
        names = node.get("server_names")
        for name in names if isinstance(names, ListNode) else ():
            if isinstance(name, TextNode) and "*" in name and not name.startswith("*."):
                self._report.error(name, f"`{shown(name)}` is no server name", "a star stands for the first labels: *.example.com")
            elif isinstance(name, TextNode) and nobody_asks_for(name):
                self._report.warn(name, f"no client asks TLS for `{shown(name)}`", "server names have no scheme, port or path")
        protocols = node.get("application_protocols")
        if node.get("transport_protocol") == "raw_buffer":
            for protocol in protocols if isinstance(protocols, ListNode) else ():
                if isinstance(protocol, TextNode) and protocol in _IN_THE_CLEAR:
                    self._report.error(
                        protocol,
                        f"shifter cannot choose a filter chain by `{protocol}` without TLS yet",
                        "codec_type: AUTO tells them",
                    )

    def _matches(self, node: MapNode) -> None:
        """Refuse chains that fit the same connections."""
        seen: dict[tuple[object, ...], MapNode] = {}
        for chain in maps(node.get("filter_chains")):
            match = chain.key("filter_chain_match") if "filter_chain_match" in chain else chain
            for combination in islice(product(*_criteria(map_in(chain, "filter_chain_match"))), _MOST_COMBINATIONS):
                first = seen.get(combination)
                if first is chain:
                    self._report.error(match, "this match says the same twice", "Envoy refuses that")
                elif first is not None:
                    self._report.error(match, "two filter chains fit the same connections", self._report.first_at(first, match))
                if first is not None:
                    break
                seen[combination] = chain


def chains_of(listener: MapNode) -> Iterator[MapNode]:
    """Iterate over the filter chains of *listener*, the default one last."""
    yield from maps(listener.get("filter_chains"))
    default = map_in(listener, "default_filter_chain")
    if default is not None:
        yield default


def type_of(extension: MapNode) -> str:
    """Return the full name of the message in ``typed_config``; empty when there is none."""
    typed = map_in(extension, "typed_config")
    url = text_in(typed, "@type") if typed is not None else None
    return url.rpartition("/")[2] if url is not None else ""


def _criteria(match: MapNode | None) -> Iterator[Collection[object]]:
    """Iterate over what *match* lists, criterion by criterion; one item that fits everything where it lists nothing."""
    yield (number(match, "destination_port") if match is not None else None,)
    for field in _RANGES:
        ranges = [_range(cidr) for cidr in maps(match.get(field))] if match is not None else []
        yield ranges or (None,)
    for field in ("server_names", "application_protocols", "source_ports"):
        listed = match.get(field) if match is not None else None
        yield [str(one).lower() for one in listed] if isinstance(listed, ListNode) and listed else (None,)
    for field in _TEXTS:
        said = (text_in(match, field) or "") if match is not None else ""
        yield ("" if said.upper() == "ANY" else said,)


def _range(node: MapNode) -> object:
    address, bits = text_in(node, "address_prefix"), number(node, "prefix_len")
    try:
        return ipaddress.ip_network((str(address), bits or 0), strict=False)
    except ValueError:
        return id(node)
