"""What no single field can tell: names that must exist, be unique or agree; routes that nothing can reach.

Rule 1. Works on the node tree, after ``legacy`` and whatever ``schema`` found, so that one run tells everything. What has an
        unexpected shape is skipped: the schema has said so.
Rule 2. Takes no more than n log n time. (Routes that nothing can reach: see ``unreachable``.)
"""

from shifter.config.build_common import Sources
from shifter.config.check_cluster import Clusters
from shifter.config.check_endpoints import Ip, ip_address, socket_in
from shifter.config.check_routes import Routes
from shifter.config.check_runtime import check_runtime
from shifter.config.document import ListNode, MapNode, TextNode, map_in, maps, text_in
from shifter.config.judge import Judge
from shifter.config.report import Report, shown


def check(root: MapNode, report: Report, judge: Judge) -> Sources:
    """Report what does not fit together; return what was found out about *root* beside that, for ``build``."""
    check_runtime(root, report)
    static = root.get("static_resources")
    if not isinstance(static, MapNode):
        return Sources(report, {})
    identity = map_in(root, "node")
    named = identity is not None and bool(identity.get("id")) and bool(identity.get("cluster"))
    clusters = Clusters(report, judge, named)
    for cluster in maps(static.get("clusters")):
        clusters.add(cluster)
    manager = map_in(root, "cluster_manager")
    if manager is not None:
        clusters.manager(manager)
    clusters.resolvers(root)
    listeners = _Listeners(report)
    if not static.get("listeners"):
        report.warn(root.key("static_resources"), "there are no `listeners`, so nobody can connect")
    routes = Routes(report, judge, clusters.names)
    for listener in maps(static.get("listeners")):
        listeners.add(listener)
        for chain in maps(listener.get("filter_chains")):
            for network_filter in maps(chain.get("filters")):
                typed = network_filter.get("typed_config")
                if isinstance(typed, MapNode):
                    routes.manager(typed)
    admin = root.get("admin")
    if isinstance(admin, MapNode):
        listeners.add_admin(admin)
    return routes.sources


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
                self._report.error(host, f"{ip} port {port} is taken already", f"by line {first.line}")
        return ip
