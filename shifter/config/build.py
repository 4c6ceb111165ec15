"""From the checked schema to the frozen model. Nothing can fail here: ``check`` has seen the same tree.

Rule 1. What the configuration does not say is left to the model's defaults; no default is repeated here.
Rule 2. Text that meets bytes of a request becomes UTF-8 bytes; header names become lower case.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from shifter.config.build_cluster import Clusters
from shifter.config.build_common import Sources, pairs
from shifter.config.build_listener import Listeners, address
from shifter.config.build_runtime import runtime_layers
from shifter.config.build_stats import stats_settings
from shifter.config.build_tls import TlsBuilder
from shifter.config.discovered import Discovered, ResourceKind
from shifter.config.document import MapNode
from shifter.config.schema import bootstrap as schema
from shifter.model.bootstrap import Admin, Bootstrap


def build(config: schema.Bootstrap, root: MapNode, sources: Sources, discovered: Discovered) -> Bootstrap:
    """Return *config*, which stands at *root*, with what is *discovered* beside it as the model."""
    static, resources = root["static_resources"], config.static_resources
    assert isinstance(static, MapNode)
    manager = config.cluster_manager
    ejections = manager.outlier_detection if manager is not None else None
    tls = TlsBuilder(sources, resources.secrets)
    written = [*pairs(resources.listeners, static, "listeners"), *_in(discovered, ResourceKind.LDS)]
    listeners = Listeners(
        sources, tls, {listener.name for listener, _ in written}, partial(discovered.route_configuration, sources=sources)
    )
    clusters = Clusters(config, tls)
    return Bootstrap(
        listeners=tuple(listeners.listener(item, node) for item, node in written),
        clusters=tuple(
            clusters.build(item, sources.place(node))
            for item, node in (*pairs(resources.clusters, static, "clusters"), *_in(discovered, ResourceKind.CDS))
        ),
        admin=Admin(address(config.admin.address)) if config.admin is not None and config.admin.address is not None else None,
        node_id=config.node.id if config.node is not None else "",
        node_cluster=config.node.cluster if config.node is not None else "",
        outlier_event_log_path=ejections.event_log_path if ejections is not None else "",
        stats=stats_settings(config),
        runtime=runtime_layers(config.layered_runtime, config.node.cluster if config.node is not None else ""),
    )


def _in(discovered: Discovered, kind: ResourceKind) -> Iterator[tuple[Any, MapNode]]:
    """Return each resource of *kind* in files, with its node."""
    return (pair for file in discovered.of(kind) for pair in file.pairs())
