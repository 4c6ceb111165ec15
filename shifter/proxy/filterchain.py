"""The HTTP filters of one connection manager: which of them a request passes, and with what its route says to each.

Rule 1. A manager without filters has no chain, and its requests never come here.
Rule 2. What the levels of a route say (weighted entry, route, virtual host, route configuration) is put together when the
        configuration is; the most specific level that names a filter says whether it is on.
Rule 3. The route is located before the filters run, since it says what they are told. A request that no filter wants goes on as if
        there were none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shifter.filters.api import FactoryContext, FilterFactory, Reply
from shifter.filters.registry import make_factory, override_config
from shifter.model.filters import FilterOverride, HttpFilter
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.route import RouteAction, RouteConfiguration
from shifter.model.steps import Steps, at_once
from shifter.proxy.downstream import ChosenLeaf, Downstream, Exchange
from shifter.proxy.entry import not_found
from shifter.proxy.filtered import FilteredExchange
from shifter.proxy.local_reply import LocalReply
from shifter.wire.events import RequestHead

Plan = tuple[tuple[FilterFactory[Any], object | None], ...]
"""The filters that are on, in their order, each with what the route says to it."""
Levels = Sequence[Mapping[str, FilterOverride]]


class FilterError(Exception):
    """A filter cannot be made as it is configured."""


def make_chain(manager: HttpConnectionManager, context: FactoryContext) -> "FilterChain":
    """Return the chain of *manager*, which has filters; *context* is what each factory gets, but for its name.

    Raises `FilterError`.
    """
    return at_once(making_chain(manager, context))


def making_chain(manager: HttpConnectionManager, context: FactoryContext) -> Steps["FilterChain"]:
    """`make_chain`, one route a step."""
    factories = []
    context = replace(context, ignore_path_parameters=manager.route_config.ignore_path_parameters_in_path_matching)
    for one in manager.http_filters:
        try:
            factories.append(make_factory(one.config, replace(context, name=one.name)))
        except ValueError as error:
            raise FilterError(f"the filter {one.name!r} cannot be used: {error}") from error
    chain = FilterChain.__new__(FilterChain)
    yield from chain.fill(manager.http_filters, factories, manager.route_config)
    return chain


class FilterChain:
    """See the module. *factories* are those of *filters*, one each; *config* has the routes that the chain's requests take.

    Raises `FilterError` when a factory does not take what a route says.
    """

    __slots__ = ("_compiled", "_config", "_factories", "_filters", "_plans", "default")

    def __init__(self, filters: Sequence[HttpFilter], factories: Sequence[FilterFactory[Any]], config: RouteConfiguration) -> None:
        at_once(self.fill(filters, factories, config))

    def fill(self, filters: Sequence[HttpFilter], factories: Sequence[FilterFactory[Any]], config: RouteConfiguration) -> Steps[None]:
        """Become what the class says: the constructor, one route a step."""
        self._filters = tuple(filters)
        self._factories = tuple(factories)
        self._config = config  # keeps alive what `_plans` knows by identity
        self._compiled: dict[tuple[int, ...], object] = {}
        self.default = self._plan(())
        self._plans: dict[int, Plan] = {}
        for host in config.virtual_hosts:
            around = [level for level in (host.filters, config.filters) if level]
            of_host = self._plan(around) if around else None
            for route in host.routes:
                yield
                if route.filters:
                    self._plans[id(route)] = self._plan((route.filters, *around))
                elif of_host is not None:
                    self._plans[id(route)] = of_host
                for entry in route.action.clusters if isinstance(route.action, RouteAction) else ():
                    if entry.filters:
                        self._plans[id(entry)] = self._plan((entry.filters, route.filters, *around))

    def _plan(self, levels: Levels) -> Plan:
        plan = []
        for one, factory in zip(self._filters, self._factories, strict=True):
            said = [level[one.name] for level in levels if one.name in level]
            if said[0].disabled if said else one.disabled:
                continue
            configs = [override.config for override in said if override.config is not None]
            plan.append((factory, self._override(factory, configs) if configs else None))
        return tuple(plan)

    def _override(self, factory: FilterFactory[Any], configs: Sequence[object]) -> object:
        key = (id(factory), *map(id, configs))
        if key not in self._compiled:
            try:
                self._compiled[key] = factory.compile_overrides([override_config(factory, config) for config in configs])
            except ValueError as error:
                raise FilterError(f"what a route says to the filter {factory.context.name!r} cannot be used: {error}") from error
        return self._compiled[key]

    def plan(self, leaf: ChosenLeaf | None) -> Plan:
        """Return what a request passes that *leaf* (chosen already; ``None``: no route fits) is to serve."""
        if leaf is None or not self._plans:
            return self.default
        found = self._plans.get(id(leaf.entry)) if leaf.entry is not None else None
        return found if found is not None else self._plans.get(id(leaf.config), self.default)

    def exchange_for(self, head: RequestHead, downstream: Downstream) -> Exchange:
        """Return the exchange for *head*, which is to pass the filters before it is routed; nothing has been sent yet."""
        found = downstream.runtime.tree.locate(head)
        leaf = found.choose(head, downstream) if found is not None else None
        exchange = FilteredExchange(head, downstream, leaf)
        if exchange.pass_through(self.plan(leaf)):
            return exchange
        downstream.runtime.stats.rq_total += 1
        return leaf.start(head, downstream) if leaf is not None else not_found(head, downstream)

    def refused(self, head: RequestHead, downstream: Downstream, reply: Reply) -> Exchange:
        """Return the exchange for a request that is answered (with *reply*) before it can be routed: the answer passes the
        filters, as in Envoy."""
        exchange = FilteredExchange(head, downstream, None)
        if exchange.pass_through(self.default):
            exchange.refuse(reply)
            return exchange
        return LocalReply(head, downstream, reply)
