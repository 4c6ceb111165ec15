"""Which class makes the filters that a configuration describes."""

from typing import Any

from shifter.filters.api import FactoryContext, FilterFactory
from shifter.filters.custom import custom_factory
from shifter.filters.header_mutation import HeaderMutationFactory
from shifter.model import http_filter as model
from shifter.model.filters import CustomFilterConfig

FACTORIES: dict[type, type[FilterFactory[Any]]] = {
    model.HeaderMutation: HeaderMutationFactory,
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
