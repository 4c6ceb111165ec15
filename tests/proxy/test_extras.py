"""What a route asks for besides being forwarded, from all that has a say in it."""

import pytest

from shifter.model.cluster import Cluster, UpstreamProtocol
from shifter.model.route import RouteAction, UpgradeConfig, WeightedCluster
from shifter.proxy.extras import Extras, Inherited, compile_extras
from shifter.routing.runtime import Runtime

WEBSOCKET = UpgradeConfig(b"WebSocket")
OFF = UpgradeConfig(b"websocket", False)


def extras_of(inherited: Inherited, protocol: UpstreamProtocol = UpstreamProtocol.HTTP1, **action: object) -> Extras | None:
    entry = WeightedCluster("c", 1)
    route = RouteAction((entry,), **action)  # type: ignore[arg-type]  # its fields
    return compile_extras(route, entry, Cluster("c", protocol=protocol), inherited, {}.__getitem__, Runtime())


def test_nothing_is_none() -> None:
    assert extras_of(Inherited()) is None
    assert extras_of(Inherited(), append_x_forwarded_host=True) is None


@pytest.mark.parametrize(
    ("manager", "route", "allowed"),
    [
        (None, (), None),
        ((), (), frozenset()),
        ((WEBSOCKET,), (), frozenset([b"websocket"])),
        ((WEBSOCKET,), (OFF,), frozenset()),
        ((OFF,), (WEBSOCKET,), frozenset([b"websocket"])),
        ((WEBSOCKET,), (UpgradeConfig(b"chat"),), frozenset([b"websocket", b"chat"])),
    ],
)
def test_upgrades(manager: tuple[UpgradeConfig, ...] | None, route: tuple[UpgradeConfig, ...], allowed: frozenset[bytes] | None) -> None:
    extras = extras_of(Inherited(upgrades=manager), upgrades=route)
    assert (None if extras is None else extras.upgrades) == allowed


def test_http2_endpoints_can_switch_too() -> None:
    extras = extras_of(Inherited(upgrades=(WEBSOCKET,)), UpstreamProtocol.HTTP2)
    assert extras is not None
    assert extras.upgrades == frozenset((b"websocket",))
