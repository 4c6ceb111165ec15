"""Listener filters, and which filter chain a connection gets: ``listener.v3.ListenerFilter``, ``FilterChainMatch``."""

from typing import Annotated

from pydantic import Field, SerializeAsAny

from shifter.config.schema.base import Bool, Ignored, Message, Name, Text, Typed, Variants, whole, word
from shifter.config.schema.core import CidrRange
from shifter.config.schema.transport_socket import ProxyProtocolVersion
from shifter.model.listener import ConnectionSourceType

RealPort = Annotated[int, Field(ge=1, le=65535), whole]


class TlsInspector(Typed):
    """``filters.listener.tls_inspector.v3.TlsInspector``. What makes it faster in Envoy means nothing here."""

    envoy = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"

    initial_read_buffer_size: Annotated[int, Field(ge=256, le=65536), whole] | None = None
    max_client_hello_size: Annotated[int, Field(ge=256, le=16384), whole] | None = None
    enable_ja3_fingerprinting: Ignored = None
    enable_ja4_fingerprinting: Ignored = None


class ProxyProtocol(Typed):
    """``filters.listener.proxy_protocol.v3.ProxyProtocol``."""

    envoy = "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"

    allow_requests_without_proxy_protocol: Bool = False
    disallowed_versions: list[Annotated[ProxyProtocolVersion, word(ProxyProtocolVersion)]] = Field(default_factory=list)
    stat_prefix: Text = ""


class HttpInspector(Typed):
    """``filters.listener.http_inspector.v3.HttpInspector``: ``codec_type: AUTO`` finds out what it would."""

    envoy = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"


class ListenerFilterConfig(Variants):
    """A listener filter."""

    envoy = TlsInspector.envoy
    variants = (TlsInspector, ProxyProtocol, HttpInspector)


class ListenerFilter(Message):
    """``listener.v3.ListenerFilter``."""

    envoy = "envoy.config.listener.v3.ListenerFilter"

    name: Name
    typed_config: SerializeAsAny[ListenerFilterConfig]


class FilterChainMatch(Message):
    """``listener.v3.FilterChainMatch``."""

    envoy = "envoy.config.listener.v3.FilterChainMatch"

    destination_port: RealPort | None = None
    prefix_ranges: list[CidrRange] = Field(default_factory=list)
    server_names: list[Text] = Field(default_factory=list)
    transport_protocol: Text = ""
    application_protocols: list[Text] = Field(default_factory=list)
    direct_source_prefix_ranges: list[CidrRange] = Field(default_factory=list)
    source_type: Annotated[ConnectionSourceType, word(ConnectionSourceType)] = ConnectionSourceType.ANY
    source_prefix_ranges: list[CidrRange] = Field(default_factory=list)
    source_ports: list[RealPort] = Field(default_factory=list)
