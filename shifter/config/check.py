"""What no single field can tell: names that must exist, be unique or agree; routes that nothing can reach.

Rule 1. Works on the node tree, after ``legacy`` and whatever ``schema`` found, so that one run tells everything. What has an
        unexpected shape is skipped: the schema has said so.
Rule 2. Takes no more than n log n time. (Routes that nothing can reach: see ``unreachable``.)
"""

from shifter.config.build_common import Sources
from shifter.config.check_cluster import Clusters
from shifter.config.check_listener import Listeners
from shifter.config.check_routes import Routes
from shifter.config.check_runtime import check_runtime
from shifter.config.check_stats import check_stats
from shifter.config.check_texts import Texts
from shifter.config.check_tls import Tls
from shifter.config.discovered import Discovered, ResourceKind
from shifter.config.document import MapNode, map_in, maps
from shifter.config.judge import Judge
from shifter.config.report import Report
from shifter.config.secrets import check_files
from shifter.config.standalone import AnyName


def check(root: MapNode, report: Report, judge: Judge, discovered: Discovered | None = None) -> Sources:
    """Report what does not fit together; return what was found out about *root* beside that, for ``build``.

    *discovered* is what stands in the files that *root* names.
    """
    found = Discovered(report) if discovered is None else discovered
    check_runtime(root, report)
    static = root.get("static_resources")
    if not isinstance(static, MapNode):
        return Sources(report, {})
    identity = map_in(root, "node")
    named = identity is not None and bool(identity.get("id")) and bool(identity.get("cluster"))
    texts = Texts(report, judge)
    tls = Tls(report, texts, judge, named)
    tls.secrets(static)
    clusters = Clusters(report, texts, tls, named)
    for cluster in (*maps(static.get("clusters")), *found.clusters):
        clusters.add(cluster)
    manager = map_in(root, "cluster_manager")
    if manager is not None:
        clusters.manager(manager)
    clusters.resolvers(root)
    check_stats(root, report, texts)
    if not static.get("listeners") and not any(True for _ in found.of(ResourceKind.LDS)):
        report.warn(root.key("static_resources"), "there are no `listeners`, so nobody can connect")
    names = AnyName() if found.lacks_clusters else clusters.names
    routes = Routes(report, judge, names, texts, found.routes_of)
    listeners = Listeners(report, routes, tls, names)
    for listener in (*maps(static.get("listeners")), *found.listeners):
        listeners.add(listener)
    listeners.finish()
    check_files(tls.files, report, judge)
    admin = root.get("admin")
    if isinstance(admin, MapNode):
        listeners.add_admin(admin)
    return routes.sources
