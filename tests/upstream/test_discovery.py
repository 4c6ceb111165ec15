"""What every discovery has in common, and the one that has nothing to find."""

from dataclasses import replace

import pytest
from twisted.internet.defer import CancelledError, Deferred

from shifter.model.address import Pipe, SocketAddress
from shifter.model.cluster import AssignmentPolicy, Cluster, DiscoveryType, LbEndpoint
from shifter.upstream.discovery import Discovery, Finding, StaticDiscovery

ONE, TWO = (LbEndpoint(SocketAddress(f"10.0.0.{number}", 80)) for number in (1, 2))
_: Discovery = StaticDiscovery(Cluster("fixed"))


class Found(Finding):
    """Finds what the test says."""

    def __init__(self, wait: bool = True) -> None:
        super().__init__(Cluster("c", DiscoveryType.EDS, wait_for_warm_on_init=wait))
        self.seen: list[tuple[LbEndpoint, ...]] = []
        self.find = self._have
        self.begin = self._begin
        self.warm = self._warm
        self.end = self._end


def test_static_endpoints_are_there_at_once() -> None:
    seen: list[tuple[LbEndpoint, ...]] = []
    endpoints = (replace(ONE, weight=2, hostname="a.test"), LbEndpoint(Pipe("/run/web")))
    discovery = StaticDiscovery(Cluster("fixed", endpoints=endpoints))
    discovery.inherit(StaticDiscovery(Cluster("fixed", endpoints=(TWO,))))
    assert discovery.start(seen.append).called
    assert seen == [endpoints]
    assert (discovery.endpoints, discovery.policy) == (endpoints, None)
    discovery.stop()


def test_only_a_change_is_told() -> None:
    found = Found()
    found.begin(found.seen.append)
    for endpoints in ((ONE, TWO), (TWO, ONE), (ONE, ONE), (ONE,), (replace(ONE, metadata={"envoy.lb": {"a": 1}}),)):
        found.find(endpoints)
    assert [len(endpoints) for endpoints in found.seen] == [2, 2, 1, 1]
    assert found.stats.update_no_rebuild == 1


def test_another_policy_is_a_change() -> None:
    found = Found()
    found.begin(found.seen.append)
    for percent in (140, 140, 200):
        found.find((ONE,), AssignmentPolicy(percent))
    assert len(found.seen) == 2
    assert found.policy == AssignmentPolicy(200)


@pytest.mark.parametrize("wait", [True, False])
def test_who_need_not_wait_does_not(wait: bool) -> None:
    found = Found(wait)
    assert found.begin(found.seen.append).called is not wait
    found.warm()


def test_whoever_stops_waiting_is_told_nothing_more() -> None:
    found = Found()
    ends: list[object] = []
    warming: Deferred[None] = found.begin(found.seen.append)
    warming.addErrback(lambda failure: ends.append(failure.type))
    warming.cancel()
    found.warm()
    assert ends == [CancelledError]


def test_after_the_end_nobody_is_told() -> None:
    found = Found()
    warming = found.begin(found.seen.append)
    found.end()
    assert warming.called
    found.find((ONE,))
    assert not found.seen


def test_the_log_tells_what_is_new_gone_and_another(logged: list[str]) -> None:
    found = Found()
    found.find((ONE,))
    found.find((replace(ONE, weight=3), TWO))
    found.find((TWO,))
    assert logged == [
        "cluster c: endpoints now 1, new: 10.0.0.1:80",
        "cluster c: endpoints now 2, new: 10.0.0.2:80, described otherwise: 10.0.0.1:80",
        "cluster c: endpoints now 1, gone: 10.0.0.1:80",
    ]
    assert repr(found) == "<Found c endpoints=1>"
