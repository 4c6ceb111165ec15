"""The routes of one virtual host, in order (``route.v3.VirtualHost.routes``): the first that fits wins.

Short lists are tried one after the other. Most routes fail by their prefix alone, so neighbours whose prefixes say something
are kept together behind one ``bytes.startswith`` with all their prefixes: a path that has none of them passes eight routes at
the price of two. Order is kept, for only neighbours share a guard. Long lists are looked up (`route_index`).
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Generic, TypeVar

from shifter.model.route import RouteMatch
from shifter.model.steps import Steps, at_once, emptying
from shifter.routing.match import Matcher, all_of, compile_conditions, never
from shifter.routing.match_path import compile_path, path_matcher
from shifter.routing.route_index import FEW, Indexed, RouteIndex
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead

T = TypeVar("T")

_Compiled = tuple[bytes, Matcher | None, T]

_GUARDED = 8
_WORTH_A_GUARD = 3
_NO_RUNTIME = Runtime()


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


class RouteScan(Generic[T]):
    """Routes that are tried one after the other."""

    __slots__ = ("_groups",)

    def __init__(self, routes: Iterable[_Compiled[T]]) -> None:
        self._groups = tuple(_behind_guards(list(routes)))

    def locate(self, head: RequestHead) -> T | None:
        """Return the entry of the first route that *head* fits, or ``None``."""
        path = head.path
        for guard, routes in self._groups:
            if guard is None or path.startswith(guard):
                for prefix, condition, entry in routes:
                    if path.startswith(prefix) and (condition is None or condition(head)):
                        return entry
        return None


class RouteList(Generic[T]):
    """Matches and what they lead to. ``locate(head)`` returns the entry of the first match that *head* fits, or ``None``.

    *conditions* are further ones, one for each entry, where there are any. Raises `RoutingError` for what cannot be compiled.
    """

    __slots__ = ("_size", "locate")

    def __init__(
        self,
        entries: Iterable[tuple[RouteMatch, T]],
        runtime: Runtime = _NO_RUNTIME,
        ignore_path_parameters: bool = False,
        conditions: Sequence[Matcher | None] = (),
    ) -> None:
        at_once(self._fill(entries, runtime, ignore_path_parameters, conditions))

    @classmethod
    def in_steps(
        cls,
        entries: Iterable[tuple[RouteMatch, T]],
        runtime: Runtime = _NO_RUNTIME,
        ignore_path_parameters: bool = False,
        conditions: Iterable[Matcher | None] = (),
    ) -> "Steps[RouteList[T]]":
        """Return the same, made one route a step; *entries* and *conditions* are asked for one by one."""
        routes = cls.__new__(cls)
        yield from routes._fill(entries, runtime, ignore_path_parameters, conditions)
        return routes

    def _fill(
        self,
        entries: Iterable[tuple[RouteMatch, T]],
        runtime: Runtime,
        ignore_path_parameters: bool,
        conditions: Iterable[Matcher | None],
    ) -> Steps[None]:
        self._size = 0
        routes: list[Indexed[T]] = []
        for (match, entry), further in zip_longest(entries, conditions):
            yield
            self._size += 1
            path = compile_path(match, ignore_path_parameters)
            rest = all_of([compile_conditions(match, runtime), further])
            if path is not None and rest is not never:
                routes.append(Indexed(match, path, rest, entry))
        table: RouteScan[T] | RouteIndex[T]
        if len(routes) <= FEW:
            table = RouteScan([_as_compiled(route, ignore_path_parameters) for route in routes])
        else:
            table = yield from RouteIndex.in_steps(routes, ignore_path_parameters)
        self.locate: Callable[[RequestHead], T | None] = table.locate
        yield from emptying(routes)

    def __len__(self) -> int:
        return self._size


def _as_compiled(route: Indexed[T], ignore_path_parameters: bool) -> _Compiled[T]:
    prefix, on_path = path_matcher(route.path, ignore_path_parameters)
    return prefix, all_of([on_path, route.rest]), route.entry
