"""Tracing, from the checked schema to the frozen model."""

from shifter.config.build_common import fractional_percent, given
from shifter.config.schema import tracing as schema
from shifter.config.schema.core import Percent
from shifter.model.route import FractionalPercent
from shifter.model.tracing import CustomTag, OpenTelemetry, RouteTracing, TagSource, Tracing


def tracing(config: schema.Tracing | None) -> Tracing | None:
    """Return the tracing of a connection manager as the model; ``None`` where there is none."""
    if config is None:
        return None
    return Tracing(
        custom_tags=_tags(config.custom_tags),
        provider=_provider(config.provider.typed_config) if config.provider is not None else None,
        propagates=not config.no_context_propagation,
        spawn_upstream_span=config.spawn_upstream_span,
        **given(
            client_sampling=_share(config.client_sampling, 100),
            random_sampling=_share(config.random_sampling, 10_000),
            overall_sampling=_share(config.overall_sampling, 10_000),
            max_path_tag_length=config.max_path_tag_length,
        ),
    )


def route_tracing(config: schema.RouteTracing | None, decorator: schema.Decorator | None) -> RouteTracing | None:
    """Return what a route says of tracing as the model; ``None`` where it says nothing."""
    if config is None and decorator is None:
        return None
    said = config or schema.RouteTracing.model_construct(custom_tags=[])
    shares = {name: getattr(said, name) for name in ("client_sampling", "random_sampling", "overall_sampling")}
    if config is not None:
        # as in Envoy: a route that says something of tracing says everything, and what it leaves out is always
        shares = {name: fractional_percent(share) if share is not None else FractionalPercent(100) for name, share in shares.items()}
    return RouteTracing(
        **shares,
        custom_tags=_tags(said.custom_tags),
        operation=decorator.operation if decorator is not None else "",
        propagates_operation=decorator is not None and decorator.propagate,
    )


def _share(config: Percent | None, denominator: int) -> FractionalPercent | None:
    """Envoy rounds the percentage to what its denominator can say."""
    return FractionalPercent(round(config.value * denominator / 100), denominator) if config is not None else None


def _tags(config: list[schema.CustomTag]) -> tuple[CustomTag, ...]:
    return tuple(map(_tag, config))


def _tag(config: schema.CustomTag) -> CustomTag:
    if config.environment is not None:
        return CustomTag(config.tag, TagSource.ENVIRONMENT, (config.environment.name,), config.environment.default_value)
    if config.request_header is not None:
        return CustomTag(config.tag, TagSource.HEADER, (config.request_header.name.lower(),), config.request_header.default_value)
    if config.metadata is not None:
        key = config.metadata.metadata_key
        source = TagSource.REQUEST if config.metadata.kind.request is not None else TagSource.ROUTE
        return CustomTag(config.tag, source, (key.key, *(one.key or "" for one in key.path)), config.metadata.default_value)
    assert config.literal is not None
    return CustomTag(config.tag, TagSource.LITERAL, default=config.literal.value)


def _provider(config: schema.OpenTelemetryConfig) -> OpenTelemetry:
    service = config.http_service
    assert service is not None
    authority, _, path = service.http_uri.uri.partition("://")[2].partition("/")
    headers = [one.header for one in service.request_headers_to_add]
    return OpenTelemetry(
        cluster=service.http_uri.cluster,
        authority=authority.encode(),
        path=f"/{path}".encode(),
        timeout=service.http_uri.timeout,
        headers=tuple((one.key.lower().encode(), one.value.encode()) for one in headers),
        **given(service_name=config.service_name or None, max_cache_size=config.max_cache_size),
    )
