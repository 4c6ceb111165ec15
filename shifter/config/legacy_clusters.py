"""Old spellings within clusters: v1's lists of hosts, limits, health checks and times in milliseconds; what v2 renamed."""

from shifter.config.document import ListNode, MapNode, Node, TextNode, map_in, maps
from shifter.config.legacy_base import new_list, new_map, socket_address, text
from shifter.config.legacy_routes import RouteRewriter
from shifter.config.legacy_tls import TlsRewriter

_HTTP_CHECK = frozenset(("path", "host", "service_name", "use_http2"))


class ClusterRewriter(RouteRewriter, TlsRewriter):
    """Rewrites clusters, too."""

    def cluster(self, node: MapNode) -> None:
        """Rewrite a cluster."""
        self.rename(node, "lb_type", "lb_policy", "write lb_policy:")
        if node.get("features") == "http2":
            self.rename(node, "features", "http2_protocol_options", "write http2_protocol_options: {}", lambda value: new_map(value, {}))
        breakers = map_in(node, "circuit_breakers")
        if breakers is not None:
            self._circuit_breakers(breakers)
        self.milliseconds(node, "connect_timeout_ms", "connect_timeout")
        self.milliseconds(node, "cleanup_interval_ms", "cleanup_interval")
        self.milliseconds(node, "dns_refresh_rate_ms", "dns_refresh_rate")
        self.socket(node, "Upstream")
        for match in maps(node.get("transport_socket_matches")):
            self.socket(match, "Upstream")
        self.rename(node, "drain_connections_on_host_removal", "ignore_health_on_host_removal", "write ignore_health_on_host_removal:")
        self._health_checks(node)
        outliers = map_in(node, "outlier_detection")
        if outliers is not None:
            self.milliseconds(outliers, "interval_ms", "interval")
            self.milliseconds(outliers, "base_ejection_time_ms", "base_ejection_time")
        hosts = node.get("hosts")
        if isinstance(hosts, ListNode):
            name = node.get("name")
            self.rename(
                node,
                "hosts",
                "load_assignment",
                "write load_assignment: {cluster_name: …, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: …}}}]}]}",
                lambda value: _assignment(str(name) if isinstance(name, TextNode) else "?", value),
            )

    def _circuit_breakers(self, node: MapNode) -> None:
        """v1 had a mapping for each priority."""
        default, high = map_in(node, "default"), map_in(node, "high")
        if "thresholds" not in node and default is not None and high is not None:
            entries: list[Node] = [default, _of_high(high)]
            self.rename(node, "default", "thresholds", "write thresholds: [{…}]", lambda value: new_list(value, entries))
            self._alias(node.key("high"), "`high` is an old spelling of `thresholds`", "write thresholds: [{…}, {priority: HIGH, …}]")
            self.delete(node, "high")
            return
        self.rename(node, "default", "thresholds", "write thresholds: [{…}]", lambda value: new_list(value, [value]))
        if high is not None:
            hint = "write thresholds: [{priority: HIGH, …}]"
            self.rename(node, "high", "thresholds", hint, lambda value: new_list(value, [_of_high(value)]))

    def _health_checks(self, owner: MapNode) -> None:
        old = owner.get("health_check")
        if isinstance(old, MapNode):
            self.rename(owner, "health_check", "health_checks", "write health_checks: [{…}]", lambda value: new_list(value, [value]))
        for check in maps(owner.get("health_checks")):
            for name in ("timeout", "interval", "interval_jitter"):
                self.milliseconds(check, f"{name}_ms", name)
            kind = check.get("type")
            if kind == "http":
                self._alias(check.key("type"), "health checks have no `type` since Envoy's v1 format", "write http_health_check: {path: …}")
                self.delete(check, "type")
                self.gather(check, "http_health_check", _HTTP_CHECK, "the health check")
            elif kind == "tcp" and not check.get("send") and not check.get("receive"):
                # What v1 sent and wanted was written in another way, and is left to the schema to refuse.
                for name in ("send", "receive"):
                    if name in check:
                        self.delete(check, name)
                self.rename(check, "type", "tcp_health_check", "write tcp_health_check: {}", lambda value: new_map(value, {}))
            http = map_in(check, "http_health_check")
            if http is not None:
                self._http_check(http)

    def _http_check(self, node: MapNode) -> None:
        if isinstance(node.get("service_name"), TextNode):
            self.rename(
                node,
                "service_name",
                "service_name_matcher",
                "write service_name_matcher: {prefix: …}",
                lambda value: new_map(value, {"prefix": value}),
            )
        version = {"true": "HTTP2", "false": "HTTP1"}.get(str(node.get("use_http2")).lower())
        if version is not None:
            self.rename(node, "use_http2", "codec_client_type", f"write codec_client_type: {version}", lambda value: text(version, value))
        for option in maps(node.get("request_headers_to_add")):
            self.header_option(option)


def _of_high(limits: Node) -> Node:
    assert isinstance(limits, MapNode)
    return new_map(limits, {"priority": text("HIGH", limits), **limits})


def _assignment(name: str, hosts: Node) -> Node:
    """Return what v2 called ``hosts`` as a ``ClusterLoadAssignment``."""
    assert isinstance(hosts, ListNode)
    endpoints: list[Node] = []
    for host in hosts:
        url = host.get("url") if isinstance(host, MapNode) else None
        endpoints.append(new_map(host, {"endpoint": new_map(host, {"address": socket_address(url) or host})}))
    localities = new_list(hosts, [new_map(hosts, {"lb_endpoints": new_list(hosts, endpoints)})])
    return new_map(hosts, {"cluster_name": text(name, hosts), "endpoints": localities})
