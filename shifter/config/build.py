"""From the checked schema to the frozen model. Nothing can fail here: ``check`` has seen the same tree.

Rule 1. What the configuration does not say is left to the model's defaults; no default is repeated here.
Rule 2. Text that meets bytes of a request becomes UTF-8 bytes; header names become lower case.
"""

from shifter.config.build_cluster import Clusters
from shifter.config.build_common import Sources, pairs
from shifter.config.build_listener import Listeners, address
from shifter.config.build_runtime import runtime_layers
from shifter.config.build_tls import TlsBuilder
from shifter.config.document import MapNode
from shifter.config.schema import bootstrap as schema
from shifter.model.bootstrap import Admin, Bootstrap


def build(config: schema.Bootstrap, root: MapNode, sources: Sources) -> Bootstrap:
    """Return *config*, which stands at *root*, as the model."""
    static, resources = root["static_resources"], config.static_resources
    assert isinstance(static, MapNode)
    manager = config.cluster_manager
    ejections = manager.outlier_detection if manager is not None else None
    tls = TlsBuilder(sources, resources.secrets)
    listeners = Listeners(sources, tls, {listener.name for listener in resources.listeners})
    clusters = Clusters(config, tls)
    return Bootstrap(
        listeners=tuple(listeners.listener(item, node) for item, node in pairs(resources.listeners, static, "listeners")),
        clusters=tuple(clusters.build(item, sources.place(node)) for item, node in pairs(resources.clusters, static, "clusters")),
        admin=Admin(address(config.admin.address)) if config.admin is not None and config.admin.address is not None else None,
        node_id=config.node.id if config.node is not None else "",
        node_cluster=config.node.cluster if config.node is not None else "",
        outlier_event_log_path=ejections.event_log_path if ejections is not None else "",
        runtime=runtime_layers(config.layered_runtime),
    )
