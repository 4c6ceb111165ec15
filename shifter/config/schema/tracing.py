"""Tracing: what connection managers and routes say of it, and who is told."""

from typing import Annotated

from pydantic import Field

from shifter.config.schema.base import Bool, Choice, Ignored, Message, Name, OneOf, Seconds, Text, Typed, UInt32, many
from shifter.config.schema.core import FractionalPercent, HeaderValueOption, Percent

OPEN_TELEMETRY = "envoy.config.trace.v3.OpenTelemetryConfig"


class Literal(Message):
    """``CustomTag.Literal``."""

    envoy = "envoy.type.tracing.v3.CustomTag.Literal"

    value: Name


class Environment(Message):
    """``CustomTag.Environment``."""

    envoy = "envoy.type.tracing.v3.CustomTag.Environment"

    name: Name
    default_value: Text = ""


class Header(Message):
    """``CustomTag.Header``."""

    envoy = "envoy.type.tracing.v3.CustomTag.Header"

    name: Name
    default_value: Text = ""


class MetadataKind(Choice):
    """``metadata.v3.MetadataKind``."""

    envoy = "envoy.type.metadata.v3.MetadataKind"
    one_of = (OneOf(("request", "route"), ("cluster", "host"), "nothing says whose metadata"),)

    request: Ignored = None
    route: Ignored = None


class PathSegment(Choice):
    """``MetadataKey.PathSegment``."""

    envoy = "envoy.type.metadata.v3.MetadataKey.PathSegment"
    one_of = (OneOf(("key",), ("index",), "this step has no key"),)

    key: Name | None = None


class MetadataKey(Message):
    """``metadata.v3.MetadataKey``."""

    envoy = "envoy.type.metadata.v3.MetadataKey"

    key: Name
    path: Annotated[list[PathSegment], many(1)]


class Metadata(Message):
    """``CustomTag.Metadata``."""

    envoy = "envoy.type.tracing.v3.CustomTag.Metadata"

    kind: MetadataKind
    metadata_key: MetadataKey
    default_value: Text = ""


class CustomTag(Choice):
    """``type.tracing.v3.CustomTag``."""

    envoy = "envoy.type.tracing.v3.CustomTag"
    one_of = (OneOf(("literal", "environment", "request_header", "metadata"), ("value",), "nothing says what the tag says"),)

    tag: Name
    literal: Literal | None = None
    environment: Environment | None = None
    request_header: Header | None = None
    metadata: Metadata | None = None


class HttpUri(Message):
    """``core.v3.HttpUri``."""

    envoy = "envoy.config.core.v3.HttpUri"

    uri: Name
    cluster: Name
    timeout: Seconds


class HttpService(Message):
    """``core.v3.HttpService``."""

    envoy = "envoy.config.core.v3.HttpService"

    http_uri: HttpUri
    request_headers_to_add: list[HeaderValueOption] = Field(default_factory=list)


class OpenTelemetryConfig(Typed):
    """``trace.v3.OpenTelemetryConfig``, over HTTP."""

    envoy = OPEN_TELEMETRY
    one_of = (OneOf(("http_service",), ("grpc_service", "exporter"), "nothing says where spans go"),)

    http_service: HttpService | None = None
    service_name: Text = ""
    max_cache_size: UInt32 | None = None


class HttpProvider(Message):
    """``trace.v3.Tracing.Http``."""

    envoy = "envoy.config.trace.v3.Tracing.Http"

    name: Name
    typed_config: OpenTelemetryConfig


class Tracing(Message):
    """``HttpConnectionManager.Tracing``."""

    envoy = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing"

    client_sampling: Percent | None = None
    random_sampling: Percent | None = None
    overall_sampling: Percent | None = None
    verbose: Ignored = None
    max_path_tag_length: UInt32 | None = None
    custom_tags: list[CustomTag] = Field(default_factory=list)
    provider: HttpProvider | None = None
    spawn_upstream_span: Bool = False
    no_context_propagation: Bool = False


class RouteTracing(Message):
    """``route.v3.Tracing``."""

    envoy = "envoy.config.route.v3.Tracing"

    client_sampling: FractionalPercent | None = None
    random_sampling: FractionalPercent | None = None
    overall_sampling: FractionalPercent | None = None
    custom_tags: list[CustomTag] = Field(default_factory=list)


class Decorator(Message):
    """``route.v3.Decorator``."""

    envoy = "envoy.config.route.v3.Decorator"

    operation: Name
    propagate: Bool = True
