"""``core.v3.TransportSocket``: how bytes travel, to clients and to endpoints."""

from enum import Enum
from typing import Annotated

from pydantic import SerializeAsAny

from shifter.config.schema.base import Bool, Message, Name, Struct, Typed, Variants, only, word
from shifter.config.schema.tls import DownstreamTlsContext, UpstreamTlsContext


class RawBuffer(Typed):
    """``transport_sockets.raw_buffer.v3.RawBuffer``: as they are."""

    envoy = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"


class DownstreamSocketConfig(Variants):
    """How bytes travel to clients."""

    envoy = DownstreamTlsContext.envoy
    variants = (DownstreamTlsContext, RawBuffer)


class DownstreamTransportSocket(Message):
    """``core.v3.TransportSocket``, to clients."""

    envoy = "envoy.config.core.v3.TransportSocket"

    name: Name
    typed_config: SerializeAsAny[DownstreamSocketConfig]


class InnerSocketConfig(Variants):
    """What stands behind a PROXY header."""

    envoy = UpstreamTlsContext.envoy
    variants = (UpstreamTlsContext, RawBuffer)


class InnerTransportSocket(Message):
    """``core.v3.TransportSocket``, behind a PROXY header."""

    envoy = "envoy.config.core.v3.TransportSocket"

    name: Name
    typed_config: SerializeAsAny[InnerSocketConfig]


class ProxyProtocolVersion(Enum):
    """``ProxyProtocolConfig.Version``."""

    V1 = 1
    V2 = 2


class ProxyProtocolConfig(Message):
    """``core.v3.ProxyProtocolConfig``: which PROXY header connections begin with."""

    envoy = "envoy.config.core.v3.ProxyProtocolConfig"

    version: Annotated[ProxyProtocolVersion, word(ProxyProtocolVersion)] = ProxyProtocolVersion.V1


class ProxyProtocolUpstreamTransport(Typed):
    """``transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport``."""

    envoy = "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"

    config: ProxyProtocolConfig | None = None
    transport_socket: InnerTransportSocket
    allow_unspecified_address: Annotated[Bool, only(False)] = False
    tlv_as_pool_key: Annotated[Bool, only(False)] = False


class UpstreamSocketConfig(Variants):
    """How bytes travel to endpoints."""

    envoy = UpstreamTlsContext.envoy
    variants = (UpstreamTlsContext, RawBuffer, ProxyProtocolUpstreamTransport)


class UpstreamTransportSocket(Message):
    """``core.v3.TransportSocket``, to endpoints."""

    envoy = "envoy.config.core.v3.TransportSocket"

    name: Name
    typed_config: SerializeAsAny[UpstreamSocketConfig]


class TransportSocketMatch(Message):
    """``Cluster.TransportSocketMatch``."""

    envoy = "envoy.config.cluster.v3.Cluster.TransportSocketMatch"

    name: Name
    match: Struct | None = None
    transport_socket: UpstreamTransportSocket
