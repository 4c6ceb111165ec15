"""``filters.network.tcp_proxy.v3.TcpProxy``: connections for a cluster, whatever is said on them."""

from typing import Annotated

from pydantic import Field

from shifter.config.schema.access_log import AccessLog
from shifter.config.schema.base import Choice, Message, Name, OneOf, Seconds, Typed, many
from shifter.config.schema.core import Metadata
from shifter.config.schema.protocol import Milliseconds, PositiveUInt32


class TcpClusterWeight(Message):
    """``TcpProxy.WeightedCluster.ClusterWeight``."""

    envoy = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight"

    name: Name
    weight: PositiveUInt32
    metadata_match: Metadata | None = None


class TcpWeightedCluster(Message):
    """``TcpProxy.WeightedCluster``."""

    envoy = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster"

    clusters: list[TcpClusterWeight] = Field(min_length=1)


class SourceIpHash(Message):
    """``type.v3.HashPolicy.SourceIp``."""

    envoy = "envoy.type.v3.HashPolicy.SourceIp"


class TcpHashPolicy(Choice):
    """``type.v3.HashPolicy``."""

    envoy = "envoy.type.v3.HashPolicy"
    one_of = (OneOf(("source_ip",), ("filter_state",), "nothing says what is hashed"),)

    source_ip: SourceIpHash | None = None


class TcpProxy(Typed):
    """``TcpProxy``. What is not given has the default of ``shifter.model.tcp_proxy``."""

    envoy = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    one_of = (OneOf(("cluster", "weighted_clusters"), required="nothing says where connections go"),)

    stat_prefix: Name
    cluster: Name | None = None
    weighted_clusters: TcpWeightedCluster | None = None
    metadata_match: Metadata | None = None
    idle_timeout: Seconds | None = None
    access_log: list[AccessLog] = Field(default_factory=list)
    max_connect_attempts: PositiveUInt32 | None = None
    hash_policy: Annotated[list[TcpHashPolicy], many(0, 1)] = Field(default_factory=list)
    max_downstream_connection_duration: Milliseconds | None = None
