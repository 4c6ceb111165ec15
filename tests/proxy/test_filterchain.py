"""Which filters a request passes, and with what; and that a chain of filters that do nothing changes nothing."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter
from shifter.model.filters import CustomFilterConfig, FilterOverride
from shifter.model.filters import HttpFilter as HttpFilterConfig
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.http_filter import HeaderMutation
from shifter.model.route import PathMatchKind, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from shifter.proxy.filterchain import FilterChain, FilterError, make_chain
from shifter.proxy.tree import ListenerResource
from shifter.wire.events import RequestHead
from tests.support.proxies import Proxy, get
from tests.support.scripted import ScriptedFactory

OFF = FilterOverride(disabled=True)


class Factory(ScriptedFactory):
    """One that refuses what it does not like."""

    def compile_override(self, config: object) -> object:
        self.overrides.append(config)
        if config == "bad":
            raise ValueError("bad is not good")
        return f"compiled {config}"


def route(prefix: bytes, *entries: WeightedCluster, **filters: FilterOverride) -> Route:
    return Route(RouteMatch(PathMatchKind.PREFIX, prefix), RouteAction(entries or (WeightedCluster("one", 1),)), filters=filters)


def chain_of(config: RouteConfiguration, *names: str, disabled: tuple[str, ...] = ()) -> tuple[FilterChain, list[Factory]]:
    context = Proxy().context()
    factories = [Factory(name, context, [], {}) for name in names]
    filters = [HttpFilterConfig(name, None, name in disabled) for name in names]
    return FilterChain(filters, factories, config), factories


def plans(config: RouteConfiguration, *names: str, disabled: tuple[str, ...] = ()) -> dict[str, list[tuple[str, object]]]:
    """The plan of every route, or of each entry, by path."""
    chain, _ = chain_of(config, *names, disabled=disabled)
    proxy = Proxy()
    tree = ListenerResource(HttpConnectionManager("http", config), proxy.clusters.__getitem__)
    found = {}
    for one in config.virtual_hosts[0].routes:
        head = RequestHead(b"GET", one.match.text, b"a")
        leaf = tree.locate(head)
        assert leaf is not None
        plan = chain.plan(leaf.choose(head, proxy.connect().handler))  # type: ignore[arg-type]  # a door is a downstream
        found[one.match.text.decode()] = [(factory.config, override) for factory, override in plan]
    return found


def test_the_most_specific_level_says() -> None:
    config = RouteConfiguration(
        filters={"a": FilterOverride("table"), "b": OFF},
        virtual_hosts=(
            VirtualHost(
                "all",
                (b"*",),
                (
                    route(b"/nothing"),
                    route(b"/route", a=FilterOverride("route"), b=FilterOverride("on again")),
                    route(b"/off", a=OFF),
                    route(b"/entry", WeightedCluster("one", 1, filters={"a": FilterOverride("entry")}), a=OFF),
                    route(b"/two", WeightedCluster("one", 1, filters={"a": OFF}), WeightedCluster("two", 0), a=FilterOverride("route")),
                ),
                filters={"a": FilterOverride("host")},
            ),
        ),
    )
    assert plans(config, "a", "b", "c", disabled=("c",)) == {
        "/nothing": [("a", "compiled host")],
        "/route": [("a", "compiled route"), ("b", "compiled on again")],
        "/off": [],
        "/entry": [("a", "compiled entry")],
        "/two": [],
    }


def test_a_filter_that_is_disabled_runs_where_a_route_says_something_to_it() -> None:
    routes = (route(b"/x", a=FilterOverride("said")), route(b"/y"))
    config = RouteConfiguration(virtual_hosts=(VirtualHost("all", (b"*",), routes),))
    assert plans(config, "a", disabled=("a",)) == {"/x": [("a", "compiled said")], "/y": []}


def test_without_a_route_the_filters_of_the_listener_run() -> None:
    config = RouteConfiguration(filters={"a": OFF})
    chain, factories = chain_of(config, "a", "b", disabled=("b",))
    assert chain.plan(None) == ((factories[0], None),)


def test_what_several_routes_say_alike_is_compiled_once() -> None:
    said = FilterOverride("host")
    routes = tuple(route(b"/%d" % number) for number in range(10))
    _, [factory] = chain_of(RouteConfiguration(virtual_hosts=(VirtualHost("all", (b"*",), routes, filters={"a": said}),)), "a")
    assert factory.overrides == ["host"]


def test_what_a_factory_does_not_take_is_said() -> None:
    config = RouteConfiguration(virtual_hosts=(VirtualHost("all", (b"*",), (route(b"/x", a=FilterOverride("bad")),)),))
    with pytest.raises(FilterError, match="what a route says to the filter '' cannot be used: bad is not good"):
        chain_of(config, "a")
    manager = replace(Proxy().runtime.settings, http_filters=(HttpFilterConfig("mine", CustomFilterConfig("nobody.Knows")),))
    with pytest.raises(FilterError, match="the filter 'mine' cannot be used: its package cannot be imported"):
        make_chain(manager, Proxy().context())


def test_factories_know_their_names() -> None:
    manager = replace(Proxy().runtime.settings, http_filters=(HttpFilterConfig("mine", HeaderMutation()),))
    [(factory, override)] = make_chain(manager, Proxy().context()).default
    assert (factory.context.name, override) == ("mine", None)


# a chain of filters that do nothing


class Idle(HttpFilter):
    """Passes everything on, sometimes later."""

    def __init__(self, factory: "IdleFactory") -> None:
        self.factory = factory

    def on_request_head(self, head: RequestHead, end: bool) -> Any:
        return self.factory.now_or_later(None)

    def on_request_data(self, data: bytes, end: bool) -> Any:
        return self.factory.now_or_later(data)

    def on_response_data(self, data: bytes, end: bool) -> Any:
        return self.factory.now_or_later(data)


class IdleFactory(FilterFactory[list[int]]):
    """*config* says how long each thing takes, in turn: 0 is at once, 1 a Deferred that has fired, more is a wait."""

    def __init__(self, config: list[int], context: FactoryContext) -> None:
        super().__init__(config, context)
        self.turn = 0

    def now_or_later(self, value: object) -> object:
        pause = self.config[self.turn % len(self.config)]
        self.turn += 1
        if pause == 0:
            return value
        waits: Deferred[object] = Deferred()
        if pause == 1:
            waits.callback(value)
        else:
            self.context.call_later(pause / 10, waits.callback, value)
        return waits

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter:
        return Idle(self)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    points = sorted({point % (len(data) + 1) for point in at})
    return [data[start:end] for start, end in zip([0, *points], [*points, len(data)], strict=True) if start < end]


def dechunked(message: bytes) -> tuple[bytes, bytes]:
    """Head and body, however that was cut into chunks; a piece of time in the head is left out."""
    head, _, rest = message.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head:
        return head, rest
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return head, body


def carried(proxy: Proxy, asked: list[bytes], answered: list[bytes]) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """What the backend was asked, and the client answered."""

    def settle() -> None:
        for _ in range(30):  # more than pieces times filters
            proxy.network.run()
            proxy.clock.advance(0.5)

    client = proxy.connect()
    client.arrive(*asked)
    settle()
    proxy.backend.arrive(*answered)
    settle()
    assert not proxy.worker.streams
    assert dict(proxy.stats.codes) == {200: 1}
    assert len(proxy.lines) == 1
    return dechunked(proxy.backend.take()), dechunked(client.take().replace(b"x-envoy-upstream-service-time: ", b"took: ", 1))


BODIES = st.binary(max_size=40)
CUTS = st.lists(st.integers(0, 400), max_size=6)
PAUSES = st.lists(st.integers(0, 4), min_size=1, max_size=5)


@given(st.lists(PAUSES, min_size=1, max_size=3), BODIES, BODIES, st.booleans(), st.booleans(), CUTS, CUTS)
def test_filters_that_do_nothing_change_nothing(
    pauses: list[list[int]], body: bytes, answer: bytes, in_chunks: bool, answer_in_chunks: bool, cuts: list[int], answer_cuts: list[int]
) -> None:
    asked = message(b"POST /forever HTTP/1.1\r\nhost: a", body, in_chunks)
    answered = message(b"HTTP/1.1 200 OK", answer, answer_in_chunks)
    plain = carried(Proxy(stream_idle_timeout=0.0), [asked], [answered])
    proxy = Proxy(stream_idle_timeout=0.0)
    factories = [IdleFactory(one, proxy.context()) for one in pauses]
    filters = [HttpFilterConfig(str(number), None) for number in range(len(factories))]
    proxy.runtime.filters = FilterChain(filters, factories, proxy.runtime.settings.route_config)
    (asked_head, asked_body), (head, got) = carried(proxy, cut(asked, cuts), cut(answered, answer_cuts))
    assert (asked_head, asked_body) == plain[0]
    assert got == plain[1][1] == answer
    assert head.split(b"\r\ntook: ")[0] == plain[1][0].split(b"\r\ntook: ")[0]


def message(head: bytes, body: bytes, in_chunks: bool) -> bytes:
    if not in_chunks:
        return b"%b\r\ncontent-length: %d\r\n\r\n%b" % (head, len(body), body)
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return head + b"\r\ntransfer-encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"


def test_no_filter_no_chain() -> None:
    proxy = Proxy()
    assert proxy.runtime.filters is None
    proxy.connect(get(b"/direct"))
    proxy.settled(c403=1)
