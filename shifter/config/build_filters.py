"""Filters and what routes say about them, as ``http_filters`` (the module) found them, for those who build the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shifter.config.schema.listener import HttpFilter as HttpFilterSchema
from shifter.config.schema.listener import Router
from shifter.model.filters import FilterOverride, HttpFilter


@dataclass(frozen=True, slots=True)
class FoundFilters:
    """What nodes were found to mean, by the identity of the node: the tree outlives this object."""

    configs: dict[int, object] = field(default_factory=dict)
    route_configs: dict[int, FilterOverride] = field(default_factory=dict)

    def chain(self, written: list[HttpFilterSchema]) -> tuple[HttpFilter, ...]:
        """Return the model of *written*, without the router and without what is optional and not known."""
        found = [(item, self.configs.get(id(item.typed_config))) for item in written]
        return tuple(
            HttpFilter(item.name, config, item.disabled) for item, config in found if config is not None and not isinstance(config, Router)
        )

    def suppresses_envoy_headers(self, written: list[HttpFilterSchema]) -> bool:
        """Say whether the router among *written* has ``suppress_envoy_headers``."""
        routers = [self.configs.get(id(item.typed_config)) for item in written]
        return any(isinstance(router, Router) and router.suppress_envoy_headers for router in routers)

    def overrides(self, written: Mapping[str, object]) -> dict[str, FilterOverride]:
        """Return the model of a ``typed_per_filter_config``."""
        return {str(name): self.route_configs[id(node)] for name, node in written.items() if id(node) in self.route_configs}
