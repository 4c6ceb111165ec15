"""What is compared where endpoints are selected by metadata: plain data, made comparable.

Rule 1. A number is no truth value and no text, and lists are equal item by item. A number with a point is a text, as it is for Envoy
        in a file (so that ``version: 1.0`` is what a request that says ``1.0`` asks for).
"""

from collections.abc import Collection, Mapping
from itertools import product
from typing import TypeAlias

from shifter.upstream.interfaces import Criteria

Value: TypeAlias = "str | tuple[str, object]"
"""A text is itself; everything else is its kind and what it holds."""

FALLBACK_LIST = "fallback_list"
_LIST = "list"
_STRUCT = "struct"


def criteria_of(metadata: Mapping[str, object]) -> Criteria:
    """Return the ``envoy.lb`` values of a route's ``metadata_match`` as the load balancer wants them (``PickContext.criteria``)."""
    return tuple((key, comparable(metadata[key])) for key in sorted(metadata))


def comparable(value: object) -> Value:
    """Return *value*, plain data, so that it can be compared and looked up."""
    match value:
        case str():
            return value
        case bool():
            return "bool", value
        case int():
            return "number", value
        case float():
            return str(value)
        case Mapping():
            return _STRUCT, criteria_of(value)
        case list() | tuple():
            return _LIST, tuple(comparable(item) for item in value)
        case _:
            return "null", None


def only(criteria: Criteria, keys: Collection[str]) -> Criteria:
    """Return the criteria that have one of *keys*."""
    return tuple((key, value) for key, value in criteria if key in keys)


def merged(criteria: Criteria, others: Criteria) -> Criteria:
    """Return both; of a key that both have, the value of *others*."""
    return tuple(sorted((dict(criteria) | dict(others)).items(), key=lambda criterion: criterion[0]))


def fallback_list(criteria: Criteria) -> list[Criteria] | None:
    """Return the other criteria that the ``fallback_list`` among *criteria* names; ``None`` when there is none."""
    for key, value in criteria:
        if key == FALLBACK_LIST and isinstance(value, tuple) and value[0] == _LIST:
            return [item[1] for item in value[1] if isinstance(item, tuple) and item[0] == _STRUCT]
    return None


def combinations(metadata: Mapping[str, Value], keys: Collection[str], list_as_any: bool) -> list[Criteria]:
    """Return the criteria with exactly *keys* that an endpoint with *metadata* fits; with *list_as_any*, each item of a list is a
    value of its key."""
    ordered = sorted(keys)
    if not ordered or any(key not in metadata for key in ordered):
        return []
    return [tuple(zip(ordered, values, strict=True)) for values in product(*(_values(metadata[key], list_as_any) for key in ordered))]


def fits(metadata: Mapping[str, Value], criteria: Criteria, list_as_any: bool) -> bool:
    """Say whether an endpoint with *metadata* has all that *criteria* ask for."""
    return all(key in metadata and value in _values(metadata[key], list_as_any) for key, value in criteria)


def _values(value: Value, list_as_any: bool) -> tuple[Value, ...]:
    if list_as_any and isinstance(value, tuple) and value[0] == _LIST:
        items: tuple[Value, ...] = value[1]  # type: ignore[assignment]
        return items
    return (value,)
