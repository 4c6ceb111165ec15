"""How connections to endpoints are made: ``cluster.v3.UpstreamConnectionOptions``, ``core.v3.BindConfig``, ``PreconnectPolicy``."""

from enum import Enum
from typing import Annotated

from pydantic import Field

from shifter.config.schema.base import Bool, Message, UInt32, double, whole, word
from shifter.config.schema.core import SocketAddress

Ratio = Annotated[float, Field(ge=1, le=3), double]


class TcpKeepalive(Message):
    """``core.v3.TcpKeepalive``."""

    envoy = "envoy.config.core.v3.TcpKeepalive"

    keepalive_probes: UInt32 | None = None
    keepalive_time: UInt32 | None = None
    keepalive_interval: UInt32 | None = None


class FirstAddressFamily(Enum):
    """``UpstreamConnectionOptions.FirstAddressFamilyVersion``."""

    DEFAULT = "DEFAULT"
    V4 = "V4"
    V6 = "V6"


class HappyEyeballsConfig(Message):
    """``UpstreamConnectionOptions.HappyEyeballsConfig``."""

    envoy = "envoy.config.cluster.v3.UpstreamConnectionOptions.HappyEyeballsConfig"

    first_address_family_version: Annotated[FirstAddressFamily, word(FirstAddressFamily, "PIPE INTERNAL")] = FirstAddressFamily.DEFAULT
    first_address_family_count: Annotated[int, Field(ge=1, le=2**32 - 1), whole] | None = None


class UpstreamConnectionOptions(Message):
    """``cluster.v3.UpstreamConnectionOptions``."""

    envoy = "envoy.config.cluster.v3.UpstreamConnectionOptions"

    tcp_keepalive: TcpKeepalive | None = None
    happy_eyeballs_config: HappyEyeballsConfig | None = None


class ExtraSourceAddress(Message):
    """``core.v3.ExtraSourceAddress``."""

    envoy = "envoy.config.core.v3.ExtraSourceAddress"

    address: SocketAddress


class BindConfig(Message):
    """``core.v3.BindConfig``, for connections to endpoints."""

    envoy = "envoy.config.core.v3.BindConfig"

    source_address: SocketAddress | None = None
    freebind: Bool = False
    extra_source_addresses: list[ExtraSourceAddress] = Field(default_factory=list)
    additional_source_addresses: list[SocketAddress] = Field(default_factory=list)


class PreconnectPolicy(Message):
    """``Cluster.PreconnectPolicy``."""

    envoy = "envoy.config.cluster.v3.Cluster.PreconnectPolicy"

    per_upstream_preconnect_ratio: Ratio | None = None
    predictive_preconnect_ratio: Ratio | None = None
