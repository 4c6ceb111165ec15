"""What no single field of a cluster can tell: where its hosts come from, what is spoken to them, from which address.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
"""

from shifter.config.build_cluster import TYPES_BY_NAME
from shifter.config.check_endpoints import Endpoints, ip_address
from shifter.config.check_health import Health
from shifter.config.check_load_balancing import LoadBalancing
from shifter.config.check_texts import Texts
from shifter.config.check_tls import Tls, tls_context
from shifter.config.document import MapNode, TextNode, is_true, map_in, maps, text_in
from shifter.config.judge import seconds
from shifter.config.report import Report, shown
from shifter.config.schema.tls import UpstreamTlsContext
from shifter.model.cluster import DiscoveryType

_OTHER_TYPES = frozenset(
    (
        *("envoy.cluster.eds", "envoy.cluster.original_dst", "envoy.clusters.aggregate", "envoy.clusters.composite"),
        *("envoy.clusters.dynamic_forward_proxy", "envoy.clusters.dynamic_modules", "envoy.clusters.redis"),
    )
)
_DNS_FIELDS = ("dns_refresh_rate", "dns_failure_refresh_rate", "dns_jitter", "respect_dns_ttl", "dns_lookup_family", "dns_resolvers")
_PER_HOST = ("max_pending_requests", "max_requests", "max_retries", "retry_budget")
_OLD_OPTIONS = (
    *("http2_protocol_options", "http_protocol_options", "common_http_protocol_options"),
    *("upstream_http_protocol_options", "protocol_selection"),
)
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class Clusters:
    """Checks clusters, one after the other; ``names`` are theirs, *node_named* says whether the file has ``node.id`` and
    ``node.cluster``."""

    def __init__(self, report: Report, texts: Texts, tls: Tls, node_named: bool) -> None:
        self.names: dict[str, TextNode] = {}
        self._report = report
        self._node_named = node_named
        self._tls = tls
        self._endpoints = Endpoints(report)
        self._balancing = LoadBalancing(report)
        self._health = Health(report, texts)

    def add(self, node: MapNode) -> None:
        """Report what does not fit together in the cluster *node*."""
        name = text_in(node, "name")
        if name is not None:
            first = self.names.setdefault(name, name)
            if first is not name:
                self._report.error(name, f"a second cluster is named `{shown(name)}`", self._report.first_at(first, name))
        discovery = self._discovery(node)
        if discovery is not None:
            self._hosts(node, discovery, name)
            self._balancing.check(node, discovery)
        self._dns(node)
        self._health.check(node, self._protocol(node))
        breakers = map_in(node, "circuit_breakers")
        for limits in maps(breakers.get("per_host_thresholds")) if breakers is not None else ():
            for field in _PER_HOST:
                if field in limits:
                    self._report.error(limits.key(field), f"`{field}` cannot be given for each host", "`max_connections` can")
        self.bind(map_in(node, "upstream_bind_config"))
        self._tls.cluster(node)

    def _discovery(self, node: MapNode) -> DiscoveryType | None:
        """Return where the hosts of *node* come from; ``None`` when that is not understood, and that was said."""
        custom = map_in(node, "cluster_type")
        if custom is None:
            return DiscoveryType.__members__.get((text_in(node, "type") or "STATIC").upper())
        typed, name = map_in(custom, "typed_config"), text_in(custom, "name")
        if typed is not None:
            for field in _DNS_FIELDS:
                if field in node:
                    self._report.warn(node.key(field), f"`{field}` has no effect beside `cluster_type`", "put it in there")
            return DiscoveryType.LOGICAL_DNS if is_true(typed, "all_addresses_in_single_endpoint") else DiscoveryType.STRICT_DNS
        found = TYPES_BY_NAME.get(name) if name is not None else None
        if name and found is None:
            if name == "envoy.cluster.eds":
                self._report.error(name, "an EDS cluster cannot be written so", "write type: EDS in place of cluster_type")
            elif name in _OTHER_TYPES:
                self._report.error(name, f"Envoy knows `{shown(name)}`, shifter does not support it yet")
            else:
                hint = self._report.did_you_mean(name, TYPES_BY_NAME)
                self._report.error(name, f"`{shown(name)}` is no type of clusters that is known", hint)
        return found

    def _hosts(self, node: MapNode, discovery: DiscoveryType, name: TextNode | None) -> None:
        assignment = map_in(node, "load_assignment")
        if discovery is DiscoveryType.EDS:
            # Its file may not be there yet, or be wrong just now: that is no fault of this text.
            if "eds_cluster_config" not in node:
                hint = "write eds_cluster_config: {eds_config: {path_config_source: {path: …}}}"
                self._report.error(text_in(node, "type") or node, "an EDS cluster needs an `eds_cluster_config`", hint)
            elif not self._node_named:
                self._report.warn(node.key("eds_cluster_config"), "Envoy wants to know who it is here", "write node: {id: …, cluster: …}")
            if "load_assignment" in node:
                self._report.warn(
                    node.key("load_assignment"), "`load_assignment` has no effect in an EDS cluster: the file names endpoints"
                )
            return
        if "eds_cluster_config" in node:
            self._report.error(node.key("eds_cluster_config"), "`eds_cluster_config` is for EDS clusters", "write type: EDS")
        if assignment is not None:
            self._endpoints.check(assignment, discovery)
        elif discovery is DiscoveryType.LOGICAL_DNS and "load_assignment" not in node:
            self._report.error(name or node, "a LOGICAL_DNS cluster has exactly one endpoint", "give it in `load_assignment`")
        elif discovery is DiscoveryType.STRICT_DNS and name is not None and "load_assignment" not in node:
            self._report.warn(name, f"the cluster `{shown(name)}` has no `load_assignment`, so nothing can be asked")

    def _protocol(self, node: MapNode) -> bool:
        """Check what is spoken to the endpoints of *node*; return whether it is HTTP/2."""
        typed = map_in(node, "typed_extension_protocol_options")
        if typed is None:
            return "http2_protocol_options" in node
        for old in _OLD_OPTIONS:
            if old in node:
                self._report.warn(node.key(old), f"`{old}` has no effect beside `typed_extension_protocol_options`", "put it in there")
        http = map_in(typed, _HTTP_OPTIONS)
        if http is not None and "auto_config" in http:
            self._has_alpn(node, http)
        explicit = map_in(http, "explicit_http_config") if http is not None else None
        if explicit is None:
            return False
        return "http2_protocol_options" in explicit

    def _has_alpn(self, node: MapNode, http: MapNode) -> None:
        """``auto_config`` asks endpoints what they speak, and only TLS can ask."""
        for owner in (node, *maps(node.get("transport_socket_matches"))):
            if tls_context(owner, UpstreamTlsContext.envoy) is None:
                socket = owner.key("transport_socket") if "transport_socket" in owner else http.key("auto_config")
                hint = "give a `transport_socket` with an UpstreamTlsContext, or write explicit_http_config"
                self._report.error(socket, "`auto_config` finds out by TLS (ALPN) what an endpoint speaks, and there is none here", hint)

    def _dns(self, node: MapNode) -> None:
        custom = map_in(node, "cluster_type")
        inner = map_in(custom, "typed_config") if custom is not None else None
        for owner in (node, inner):
            if owner is None:
                continue
            self.resolvers(owner)
            failures = map_in(owner, "dns_failure_refresh_rate")
            base, longest = (seconds(failures, f"{kind}_interval") if failures is not None else None for kind in ("base", "max"))
            if failures is not None and base is not None and longest is not None and longest < base:
                spot = text_in(failures, "max_interval") or failures
                self._report.error(spot, "`max_interval` must be as long as `base_interval`, or longer", f"that is {base:g}s")

    def resolvers(self, node: MapNode) -> None:
        """Check the name servers that *node* names, in any of the spellings."""
        typed = map_in(node, "typed_dns_resolver_config")
        for owner in (node, map_in(node, "dns_resolution_config"), map_in(typed, "typed_config") if typed is not None else None):
            for address in maps(owner.get("resolvers" if owner is not node else "dns_resolvers")) if owner is not None else ():
                socket = map_in(address, "socket_address")
                host = text_in(socket, "address") if socket is not None else None
                if host and ip_address(host) is None:
                    self._report.error(host, f"a DNS server is asked at an IP address, not at `{shown(host)}`")

    def bind(self, node: MapNode | None) -> None:
        """Check a ``BindConfig``."""
        if node is None:
            return
        extra, older = list(maps(node.get("extra_source_addresses"))), list(maps(node.get("additional_source_addresses")))
        if extra and older:
            key = node.key("additional_source_addresses")
            self._report.error(
                key, "`additional_source_addresses` cannot stand beside `extra_source_addresses`", "it is its older spelling"
            )
        more = [*(map_in(one, "address") for one in extra), *older]
        first = map_in(node, "source_address")
        if more and first is None:
            self._report.error(node, "further source addresses need a first one", "give `source_address`")
        if len(more) > 1 and not (extra and older):
            self._report.error(more[1] or node, "one further source address is possible, of the other IP version")
        versions: dict[int, TextNode] = {}
        for socket in (first, *more[:1]):
            host = text_in(socket, "address") if socket is not None else None
            ip = ip_address(host) if host is not None else None
            if host and ip is None:
                self._report.error(host, f"`{shown(host)}` is no IP address: connections are made from one")
            elif host is not None and ip is not None and versions.setdefault(ip.version, host) is not host:
                self._report.error(host, f"this is the second IPv{ip.version} address", "one of each IP version is possible")

    def manager(self, node: MapNode) -> None:
        """Check the ``ClusterManager`` *node*, when all clusters are known."""
        self.bind(map_in(node, "upstream_bind_config"))
        local = text_in(node, "local_cluster_name")
        if local and local not in self.names:
            self._report.error(local, f"no cluster is named `{shown(local)}`", self._report.did_you_mean(local, self.names))
        elif local:
            hint = "endpoints in this proxy's own zone are not preferred"
            self._report.warn(node.key("local_cluster_name"), "`local_cluster_name` has no effect", hint)
