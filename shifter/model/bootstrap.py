"""The whole configuration of one process (Envoy ``bootstrap.v3.Bootstrap``). Durations are seconds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster
from shifter.model.listener import Listener
from shifter.model.route import FractionalPercent
from shifter.model.stats import StatsSettings


@dataclass(frozen=True, slots=True)
class Admin:
    """``bootstrap.v3.Admin``."""

    address: SocketAddress


RuntimeValue = bool | int | float | str | FractionalPercent


class LayerKind(Enum):
    """Which of the kinds of ``bootstrap.v3.RuntimeLayer`` is set: where the values of a layer come from."""

    STATIC = "static_layer"
    DISK = "disk_layer"
    ADMIN = "admin_layer"


@dataclass(frozen=True, slots=True)
class DiskLayer:
    """``RuntimeLayer.DiskLayer``: values stand in the files below ``directory``, each by the file's path with dots in it.

    ``directory`` is ``<symlink_root>/<subdirectory>``, with the node's cluster below that if ``append_service_cluster`` is set;
    ``symlink_root`` is turned to another directory as a whole.
    """

    symlink_root: str
    directory: str


@dataclass(frozen=True, slots=True)
class RuntimeLayer:
    """``bootstrap.v3.RuntimeLayer``: values by their dotted keys. A later layer hides an earlier one.

    What a file or a request says (``kind`` is not ``STATIC``) is in ``texts``, too, as it was written.
    """

    name: str
    values: Mapping[str, RuntimeValue] = field(default_factory=dict)
    kind: LayerKind = LayerKind.STATIC
    disk: DiskLayer | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Everything a configuration file says. Names of listeners and clusters are unique (``config.check``).

    ``outlier_event_log_path`` is ``cluster_manager.outlier_detection.event_log_path``; empty for no such log.
    """

    listeners: tuple[Listener, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    admin: Admin | None = None
    node_id: str = ""
    node_cluster: str = ""
    outlier_event_log_path: str = ""
    runtime: tuple[RuntimeLayer, ...] = ()
    stats: StatsSettings = field(default_factory=StatsSettings)


@dataclass(frozen=True, slots=True)
class Resource:
    """A cluster, listener or route configuration that stands in a file of its own (CDS, LDS, RDS).

    ``version`` is the ``version_info`` of that file; ``json`` is the resource in v3 spelling, with its ``@type``.
    """

    name: str
    version: str
    json: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Documents:
    """The checked configuration in v3 spelling, as JSON, for ``/config_dump``: it is read only when somebody asks.

    ``bootstrap`` is the main file (without what it leads to). The others are what the dump calls ``dynamic_active_clusters``,
    ``dynamic_listeners`` and ``dynamic_route_configs``; ``versions`` are the ``version_info`` of the files with clusters and listeners,
    by ``cds`` and ``lds``.
    """

    bootstrap: bytes = field(default=b"{}", repr=False)
    clusters: tuple[Resource, ...] = ()
    listeners: tuple[Resource, ...] = ()
    route_configs: tuple[Resource, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the configuration as it is served. ``version`` grows by one with every change.

    ``source`` names where it came from (a file name).
    """

    version: int
    bootstrap: Bootstrap
    source: str = ""
    documents: Documents = Documents()

    @property
    def document(self) -> object:
        """The main file in v3 spelling, plain dicts and lists, made anew."""
        return json.loads(self.documents.bootstrap)
