"""What is told about a route table is what happens in it."""

from typing import Any

from hypothesis import given

from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.route import RouteAction, RouteConfiguration
from shifter.proxy.tree import ListenerResource
from shifter.routing.dry_run import Table, copy_of
from shifter.routing.hash_policy import Newcomer
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead
from tests.support.routes import requests, route_configurations


def no_cluster(name: str) -> Any:
    raise KeyError(name)


@given(route_configurations(), requests())
def test_the_route_is_the_one_that_traffic_takes(config: RouteConfiguration, head: RequestHead) -> None:
    leaf: Any = ListenerResource(HttpConnectionManager("http", config), no_cluster).locate(copy_of(head))
    table = Table(config, Runtime())
    found = table.find(head)
    route = None if found is None else table.locate(found.host, head)
    assert (None if leaf is None else leaf.config) is route
    if route is not None and isinstance(route.action, RouteAction):
        entry = table.choose(route.action, head, b"127.0.0.1", Newcomer(lambda: 0))
        assert entry in route.action.clusters
        assert entry.weight


@given(requests())
def test_a_copy_is_a_request_of_its_own(head: RequestHead) -> None:
    copy = copy_of(head)
    assert all(getattr(copy, name, None) == getattr(head, name, None) for name in RequestHead.__slots__)
    copy.block += b"\r\nx: 1"
    copy.path = b"/elsewhere"
    assert copy.block != head.block
    assert copy.path != head.path
