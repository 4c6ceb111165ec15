"""Which class makes the filters that a configuration describes."""

from typing import Any

from shifter.filters.api import FactoryContext, FilterFactory
from shifter.filters.basic_auth import BasicAuthFactory
from shifter.filters.buffer import BufferFactory
from shifter.filters.compressor import CompressorFactory
from shifter.filters.cors import CorsFactory
from shifter.filters.csrf import CsrfFactory
from shifter.filters.custom import custom_factory
from shifter.filters.fault import FaultFactory
from shifter.filters.header_mutation import HeaderMutationFactory
from shifter.filters.header_to_metadata import HeaderToMetadataFactory
from shifter.filters.health_check import HealthCheckFactory
from shifter.filters.jwt_authn import JwtAuthnFactory
from shifter.filters.local_ratelimit import LocalRateLimitFactory
from shifter.filters.rbac import RbacFactory
from shifter.model import http_filter as model
from shifter.model.filters import CustomFilterConfig
from shifter.model.rbac import Rbac
from shifter.routing.runtime import Runtime

FACTORIES: dict[type, type[FilterFactory[Any]]] = {
    model.BasicAuth: BasicAuthFactory,
    model.Buffer: BufferFactory,
    model.Compressor: CompressorFactory,
    model.Cors: CorsFactory,
    model.CsrfPolicy: CsrfFactory,
    model.Fault: FaultFactory,
    model.HeaderMutation: HeaderMutationFactory,
    model.HeaderToMetadata: HeaderToMetadataFactory,
    model.JwtAuthentication: JwtAuthnFactory,
    model.LocalRateLimit: LocalRateLimitFactory,
    Rbac: RbacFactory,
    model.HealthCheck: HealthCheckFactory,
}
"""By the dataclass of ``model.http_filter`` that is the filter's configuration."""


def make_factory(config: object, context: FactoryContext) -> FilterFactory[Any]:
    """Return the factory for one entry of ``http_filters``. Raises ``ValueError`` when it cannot be made."""
    if not isinstance(config, CustomFilterConfig):
        return FACTORIES[type(config)](config, context)
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
    kind = FACTORIES.get(type(config))
    if kind is None:
        return None
    try:
        kind(config, _TRIAL)
    except ValueError as error:
        return str(error)
    return None


def _nothing(*_: object) -> None: ...


_TRIAL = FactoryContext("", "", lambda: 0.0, lambda: 0.0, _nothing, lambda: 0, Runtime(), _nothing, _nothing)
