"""The routes of one virtual host, in order (``route.v3.VirtualHost.routes``): the first that fits wins.

Most routes fail by their prefix alone. So neighbours whose prefixes say something are kept together behind one
``bytes.startswith`` with all their prefixes: a path that has none of them passes eight routes at the price of two.
Order is kept, for only neighbours share a guard.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

from shifter.model.route import RouteMatch
from shifter.routing.match import Matcher, compile_parts
from shifter.wire.events import RequestHead

T = TypeVar("T")

_Compiled = tuple[bytes, Matcher | None, T]

_GUARDED = 8
_WORTH_A_GUARD = 3


def _behind_guards(routes: list[_Compiled[T]]) -> list[tuple[tuple[bytes, ...] | None, tuple[_Compiled[T], ...]]]:
    groups: list[tuple[tuple[bytes, ...] | None, tuple[_Compiled[T], ...]]] = []
    run: list[_Compiled[T]] = []

    def close() -> None:
        if run:
            guard = tuple(prefix for prefix, _, _ in run) if len(run) >= _WORTH_A_GUARD else None
            groups.append((guard, tuple(run)))
            run.clear()

    for route in routes:
        if len(route[0]) <= 1:  # "/" and "" let every path through
            close()
            groups.append((None, (route,)))
            continue
        run.append(route)
        if len(run) == _GUARDED:
            close()
    close()
    return groups


class RouteList(Generic[T]):
    """Matches and what they lead to. Raises `RoutingError` for a regex that is no good."""

    __slots__ = ("_groups",)

    def __init__(self, entries: Iterable[tuple[RouteMatch, T]]) -> None:
        self._groups = tuple(_behind_guards([(*compile_parts(match), entry) for match, entry in entries]))

    def locate(self, head: RequestHead) -> T | None:
        """Return the entry of the first match that *head* fits, or ``None``."""
        path = head.path
        for guard, routes in self._groups:
            if guard is None or path.startswith(guard):
                for prefix, condition, entry in routes:
                    if path.startswith(prefix) and (condition is None or condition(head)):
                        return entry
        return None

    def __len__(self) -> int:
        return sum(len(routes) for _, routes in self._groups)
