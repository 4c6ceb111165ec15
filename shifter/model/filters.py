"""HTTP filters: what stands in ``http_filters`` before the router, and what routes say about them.

Each kind of filter has a frozen dataclass of its own in ``model.http_filter`` (its configuration, and where it differs the one of
a route); this module holds what all have in common.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CustomFilterConfig:
    """A filter from somebody's own package: the entry point ``type`` of the group ``shifter.filters``, and what stands beside
    ``@type`` as plain data."""

    type: str
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpFilter:
    """``HttpConnectionManager.http_filters``, without the router. ``config`` is a dataclass of ``model.http_filter`` or a
    `CustomFilterConfig`. ``disabled`` ones run only where a route says so."""

    name: str
    config: object
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class FilterOverride:
    """An entry of ``typed_per_filter_config``. ``config`` ``None`` leaves the filter's own in force."""

    config: object | None = None
    disabled: bool = False
