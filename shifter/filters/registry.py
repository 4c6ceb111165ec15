"""Which class makes the filters that a configuration describes."""

from importlib import import_module
from typing import Any, cast

from shifter.filters.api import FactoryContext, FilterFactory
from shifter.filters.custom import custom_factory
from shifter.model.filters import CustomFilterConfig
from shifter.routing.runtime import Runtime

FACTORIES = {
    "BasicAuth": "basic_auth.BasicAuthFactory",
    "Buffer": "buffer.BufferFactory",
    "Compressor": "compressor.CompressorFactory",
    "Cors": "cors.CorsFactory",
    "CsrfPolicy": "csrf.CsrfFactory",
    "Fault": "fault.FaultFactory",
    "GrpcWeb": "grpc_web.GrpcWebFactory",
    "HeaderMutation": "header_mutation.HeaderMutationFactory",
    "HeaderToMetadata": "header_to_metadata.HeaderToMetadataFactory",
    "JwtAuthentication": "jwt_authn.JwtAuthnFactory",
    "LocalRateLimit": "local_ratelimit.LocalRateLimitFactory",
    "Rbac": "rbac.RbacFactory",
    "HealthCheck": "health_check.HealthCheckFactory",
}
"""By the name of the dataclass (of ``model.http_filter``, ``model.rbac``) that is the filter's configuration. A module is imported
for a configuration that names its filter, before that is served: `filter_problem` looks at each."""


def _built_in(config: object) -> type[FilterFactory[Any]] | None:
    """Return the factory for *config*; ``None`` for what only routes say."""
    name = FACTORIES.get(type(config).__name__)
    if name is None:
        return None
    module, factory = name.split(".")
    return cast(type[FilterFactory[Any]], getattr(import_module(f"shifter.filters.{module}"), factory))


def make_factory(config: object, context: FactoryContext) -> FilterFactory[Any]:
    """Return the factory for one entry of ``http_filters``. Raises ``ValueError`` when it cannot be made."""
    if not isinstance(config, CustomFilterConfig):
        built_in = _built_in(config)
        assert built_in is not None
        return built_in(config, context)
    kind = custom_factory(config.type)
    try:
        made: FilterFactory[Any] = kind(kind.parse(config.fields), context)
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"it fails on what it is told: {error!r}") from error
    return made


def override_config(factory: FilterFactory[Any], config: object) -> object:
    """Return what `FilterFactory.compile_override` is to get for what a route says. Raises ``ValueError``."""
    return factory.parse_override(config.fields) if isinstance(config, CustomFilterConfig) else config


def filter_problem(config: object) -> str | None:
    """Say why no factory can be made for *config*, a dataclass of ``model.http_filter``; ``None`` when one can. What only routes say
    is nothing to make one of."""
    kind = _built_in(config)
    if kind is None:
        return None
    try:
        kind(config, _TRIAL)
    except ValueError as error:
        return str(error)
    return None


def _nothing(*_: object) -> None: ...


_TRIAL = FactoryContext("", "", lambda: 0.0, lambda: 0.0, _nothing, lambda: 0, Runtime(), _nothing, _nothing)
