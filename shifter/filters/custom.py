"""Filters from other packages: the entry points of the group ``shifter.filters``.

Rule 1. Which there are is looked up once; a package is imported when a configuration names one of its filters.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from shifter.filters.api import FilterFactory

GROUP = "shifter.filters"


@cache
def _found() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def custom_filters() -> frozenset[str]:
    """Return the names of all filters from other packages: what stands behind the last ``/`` of an ``@type``."""
    return frozenset(_found())


def custom_factory(name: str) -> type[FilterFactory[Any]]:
    """Return the factory of the filter called *name*. Raises ``ValueError`` when its package cannot be used."""
    try:
        found = _found()[name].load()
    except Exception as error:  # of its own code, too, which runs when it is imported
        raise ValueError(f"its package cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, FilterFactory)):
        raise ValueError("its entry point is no FilterFactory")
    return found


def custom_problem(name: str, fields: Mapping[str, object], for_a_route: bool) -> str | None:
    """Say what is wrong with *fields*, which a configuration says to the filter called *name*; ``None`` if nothing."""
    try:
        factory = custom_factory(name)
        factory.parse_override(fields) if for_a_route else factory.parse(fields)
    except ValueError as error:
        return str(error) or "it does not say why"
    except Exception as error:
        return f"it fails on what it is told: {error!r}"
    return None
