"""The TCP proxy: bytes for a cluster, whatever they mean (Envoy ``tcp_proxy.v3.TcpProxy``). Durations are seconds."""

from dataclasses import dataclass, field

from shifter.model.cluster import Metadata
from shifter.model.http_connection_manager import FileAccessLog


@dataclass(frozen=True, slots=True)
class TcpCluster:
    """``TcpProxy.WeightedCluster.ClusterWeight``; one of weight 1 stands for ``cluster``."""

    name: str
    weight: int = 1
    metadata_match: Metadata = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class TcpProxy:
    """``tcp_proxy.v3.TcpProxy``. 0 switches a timeout off, as in Envoy.

    ``idle_timeout``: nothing moves in either direction. ``max_connect_attempts``: how many endpoints are tried for one connection.
    ``hash_source_ip`` is ``hash_policy: [{source_ip: {}}]``.
    """

    stat_prefix: str
    clusters: tuple[TcpCluster, ...]
    access_log: tuple[FileAccessLog, ...] = ()
    idle_timeout: float = 3600.0
    max_downstream_connection_duration: float = 0.0
    max_connect_attempts: int = 1
    hash_source_ip: bool = False
    metadata_match: Metadata = field(default_factory=dict, hash=False)
