"""What becomes of a cluster's endpoints while its names change, fail and come back. Time is a Clock."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, DiscoveryType, DnsFailureRefreshRate, DnsLookupFamily, LbEndpoint
from shifter.observe.stats import ClusterStats
from shifter.upstream.discovery_dns import BackOff, DnsDiscovery, LogicalDnsDiscovery, Lookup, StrictDnsDiscovery
from shifter.upstream.dns import Answer, NameNotFound, ResolutionFailed


class Names:
    """A resolver that says what the test has told it, at once or when the test lets go of it."""

    def __init__(self) -> None:
        self.said: dict[str, Answer | Exception] = {}
        self.asked: list[tuple[str, DnsLookupFamily]] = []
        self.waiting: dict[str, Deferred[Answer]] = {}
        self.hold = False

    def lookup(self, name: str, family: DnsLookupFamily) -> Deferred[Answer]:
        self.asked.append((name, family))
        lookup = self.waiting[name] = Deferred()
        if not self.hold:
            self.answer(name)
        return lookup

    def answer(self, name: str) -> None:
        said = self.said.get(name, NameNotFound(f"{name!r} does not exist"))
        lookup = self.waiting.pop(name)
        if isinstance(said, Answer):
            lookup.callback(said)
        else:
            lookup.errback(said)


_: Lookup = Names()


class Lab:
    """A cluster's discovery with everything around it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.names = Names()
        self.stats = ClusterStats()
        self.drawn = 0
        self.seen: list[set[str]] = []
        self.warm: list[object] = []
        self.discovery: DnsDiscovery | None = None

    def random(self) -> int:
        return self.drawn

    def start(self, cluster: Cluster) -> Deferred[None]:
        kind = LogicalDnsDiscovery if cluster.type is DiscoveryType.LOGICAL_DNS else StrictDnsDiscovery
        self.discovery = kind(cluster, self.names, self.clock, self.random, self.stats)
        start = self.discovery.start(self.changed)
        start.addCallbacks(self.warm.append, lambda failure: self.warm.append(failure.type))
        return start

    def changed(self, endpoints: tuple[LbEndpoint, ...]) -> None:
        self.seen.append({str(endpoint.address) for endpoint in endpoints})

    @property
    def counted(self) -> dict[str, int]:
        names = ("attempt", "success", "failure", "empty", "no_rebuild")
        return {name: count for name in names if (count := getattr(self.stats, f"update_{name}"))}


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    if lab.discovery is not None:
        lab.discovery.stop()
    assert not lab.clock.getDelayedCalls()


def host(name: str, port: int = 80, weight: int = 1, hostname: str = "") -> LbEndpoint:
    return LbEndpoint(SocketAddress(name, port), weight, hostname)


WEB = Cluster("web", DiscoveryType.STRICT_DNS, (host("web"),))
ONE, TWO = Answer(("10.0.0.1",), 600.0), Answer(("10.0.0.1", "10.0.0.2"), 600.0)
SERVFAIL = ResolutionFailed("name server 10.0.0.53 says SERVFAIL")


def test_every_address_of_every_name_is_an_endpoint(lab: Lab) -> None:
    lab.names.said = {"web": TWO, "old": Answer(("fd00::1",))}
    cluster = replace(WEB, endpoints=(host("web", 80, 3), host("web", 81, 1), host("old", 80, 1, "other.test")))
    lab.start(cluster)
    assert lab.discovery is not None
    assert set(lab.discovery.endpoints) == {
        LbEndpoint(SocketAddress("10.0.0.1", 80), 3, "web"),
        LbEndpoint(SocketAddress("10.0.0.2", 80), 3, "web"),
        LbEndpoint(SocketAddress("10.0.0.1", 81), 1, "web"),
        LbEndpoint(SocketAddress("10.0.0.2", 81), 1, "web"),
        LbEndpoint(SocketAddress("fd00::1", 80), 1, "other.test"),
    }
    assert [name for name, _ in lab.names.asked] == ["web", "old"]


def test_a_host_of_strict_dns_has_one_address(lab: Lab) -> None:
    lab.names.said["web"] = ONE
    endpoint = replace(host("web"), additional_addresses=(SocketAddress("10.0.0.9", 80),))
    lab.start(replace(WEB, endpoints=(endpoint,)))
    assert lab.discovery is not None
    assert lab.discovery.endpoints == (LbEndpoint(SocketAddress("10.0.0.1", 80), hostname="web"),)


def test_a_new_configuration_begins_with_what_the_old_one_knew(lab: Lab) -> None:
    lab.names.said = {"web": ONE, "old": TWO}
    lab.start(replace(WEB, endpoints=(host("web"), host("old"))))
    before = lab.discovery
    assert before is not None
    lab.names.said = {"web": SERVFAIL}
    after = StrictDnsDiscovery(replace(WEB, endpoints=(host("web", 81), host("new"))), lab.names, lab.clock, lab.random)
    after.inherit(before)
    seen: list[tuple[LbEndpoint, ...]] = []
    after.start(seen.append)
    assert seen == [(LbEndpoint(SocketAddress("10.0.0.1", 81), 1, "web"),)]
    after.stop()


def test_addresses_of_another_family_are_not_inherited(lab: Lab) -> None:
    lab.names.said = {"web": ONE}
    lab.start(WEB)
    assert lab.discovery is not None
    lab.names.said = {"web": SERVFAIL}
    after = StrictDnsDiscovery(replace(WEB, dns_lookup_family=DnsLookupFamily.V6_ONLY), lab.names, lab.clock, lab.random)
    after.inherit(lab.discovery)
    after.start(lab.changed)
    assert after.endpoints == ()
    after.stop()


@pytest.mark.parametrize("family", DnsLookupFamily)
def test_the_family_is_the_clusters(lab: Lab, family: DnsLookupFamily) -> None:
    lab.start(replace(WEB, dns_lookup_family=family))
    assert lab.names.asked == [("web", family)]


# What Envoy 1.40 does: TTL ignored, SERVFAIL keeps, NXDOMAIN empties, the name comes back.


def test_a_name_is_asked_for_again_whatever_its_ttl(lab: Lab) -> None:
    lab.names.said["web"] = ONE
    lab.start(WEB)
    lab.names.said["web"] = TWO
    lab.clock.advance(4.99)
    assert lab.seen == [{"10.0.0.1:80"}]
    lab.clock.advance(0.01)
    assert lab.seen == [{"10.0.0.1:80"}, {"10.0.0.1:80", "10.0.0.2:80"}]
    assert lab.counted == {"attempt": 2, "success": 2}


def test_a_failure_keeps_the_endpoints(lab: Lab) -> None:
    lab.names.said["web"] = ONE
    lab.start(WEB)
    lab.names.said["web"] = SERVFAIL
    lab.clock.advance(5)
    assert lab.seen == [{"10.0.0.1:80"}]
    assert lab.counted == {"attempt": 2, "success": 1, "failure": 1}


def test_a_name_that_is_gone_empties_the_cluster_until_it_is_back(lab: Lab) -> None:
    lab.names.said["web"] = ONE
    lab.start(WEB)
    del lab.names.said["web"]
    lab.clock.advance(5)
    lab.names.said["web"] = ONE
    lab.clock.advance(5)
    assert lab.seen == [{"10.0.0.1:80"}, set(), {"10.0.0.1:80"}]
    assert lab.counted == {"attempt": 3, "success": 3, "empty": 1}


def test_the_same_addresses_in_another_order_are_no_change(lab: Lab) -> None:
    lab.names.said["web"] = TWO
    lab.start(WEB)
    lab.names.said["web"] = Answer(TWO.addresses[::-1])
    lab.clock.advance(5)
    assert len(lab.seen) == 1
    assert lab.counted == {"attempt": 2, "success": 2, "no_rebuild": 1}


def test_one_name_of_two_fails(lab: Lab) -> None:
    lab.names.said = {"web": ONE, "old": Answer(("10.0.0.9",))}
    lab.start(replace(WEB, endpoints=(host("web"), host("old"))))
    lab.names.said = {"web": SERVFAIL}
    lab.clock.advance(5)
    assert lab.seen[-1] == {"10.0.0.1:80"}


@pytest.mark.parametrize(
    ("ttl", "after"),
    [(30.0, 30.0), (1.0, 1.0), (0.5, 1.0), (0.0, 5.0)],
)
def test_a_respected_ttl_is_the_refresh_rate(lab: Lab, ttl: float, after: float) -> None:
    """At least a second; 0, and an answer from a file, say nothing about it."""
    lab.names.said["web"] = Answer(("10.0.0.1",), ttl)
    lab.start(replace(WEB, respect_dns_ttl=True))
    [call] = lab.clock.getDelayedCalls()
    assert call.getTime() == after


def next_look(lab: Lab) -> float:
    """Return how many seconds it is to the next question."""
    [call] = lab.clock.getDelayedCalls()
    return round(call.getTime() - lab.clock.seconds(), 6)


def test_after_a_failure_the_refresh_rate_is_the_usual_one(lab: Lab) -> None:
    lab.names.said["web"] = SERVFAIL
    lab.start(replace(WEB, respect_dns_ttl=True))
    assert next_look(lab) == 5.0


def test_failures_in_a_row_are_asked_about_less_and_less_often(lab: Lab) -> None:
    """A random part of an interval that doubles: here the longest part there is."""
    lab.names.said["web"] = SERVFAIL
    lab.drawn = -1
    lab.start(replace(WEB, dns_failure_refresh_rate=DnsFailureRefreshRate(0.5, 3.0)))
    waits = []
    for _ in range(5):
        waits.append(next_look(lab))
        lab.clock.advance(next_look(lab))
    assert waits == [0.499, 0.999, 1.999, 2.999, 2.999]
    lab.names.said["web"] = ONE
    lab.clock.advance(3)
    assert next_look(lab) == 5.0
    lab.names.said["web"] = SERVFAIL
    lab.clock.advance(5)
    assert next_look(lab) == 0.499


@given(base=st.floats(0.001, 100), times=st.floats(1, 100) | st.none(), drawn=st.integers(0, 2**63), failures=st.integers(1, 40))
def test_back_off_stays_within_its_interval(base: float, times: float | None, drawn: int, failures: int) -> None:
    longest = base * (10 if times is None else times)
    back_off = BackOff(DnsFailureRefreshRate(base, None if times is None else longest), lambda: drawn)
    for number in range(failures):
        assert 0 <= back_off.interval() <= min(base * 2**number, longest) + 0.001
    back_off.reset()
    assert back_off.interval() <= base + 0.001


@pytest.mark.parametrize(("drawn", "after"), [(0, 5.0), (700, 5.7), (2_300, 5.3)])
def test_jitter_is_added_after_an_answer(lab: Lab, drawn: int, after: float) -> None:
    lab.names.said["web"] = ONE
    lab.drawn = drawn
    lab.start(replace(WEB, dns_jitter=1.0))
    assert next_look(lab) == after
    lab.names.said["web"] = SERVFAIL
    lab.clock.advance(after)
    assert next_look(lab) == 5.0


def test_a_name_that_does_not_exist_is_not_a_failure(lab: Lab) -> None:
    lab.start(replace(WEB, dns_failure_refresh_rate=DnsFailureRefreshRate(0.5)))
    [call] = lab.clock.getDelayedCalls()
    assert call.getTime() == 5.0


def test_the_next_question_waits_for_the_answer(lab: Lab) -> None:
    lab.names.hold = True
    lab.start(WEB)
    lab.clock.advance(60)
    assert len(lab.names.asked) == 1
    lab.names.answer("web")
    [call] = lab.clock.getDelayedCalls()
    assert call.getTime() == 65.0


def test_start_waits_for_the_first_answer_about_every_name(lab: Lab) -> None:
    lab.names.hold = True
    lab.names.said = {"web": ONE, "old": SERVFAIL}
    lab.start(replace(WEB, endpoints=(host("web"), host("old"), host("gone"))))
    for name in ("gone", "web"):
        lab.names.answer(name)
        assert not lab.warm
    assert lab.seen == [{"10.0.0.1:80"}]
    lab.names.answer("old")
    assert lab.warm == [None]


def test_a_second_answer_about_one_name_is_not_a_first_about_another(lab: Lab) -> None:
    lab.names.said["web"] = ONE
    lab.names.hold = True
    lab.start(replace(WEB, endpoints=(host("web"), host("old"))))
    lab.names.answer("web")
    lab.clock.advance(5)
    lab.names.answer("web")
    assert not lab.warm


def test_no_names_is_nothing_to_wait_for(lab: Lab) -> None:
    lab.start(replace(WEB, endpoints=()))
    assert lab.warm == [None]


def test_whoever_stops_waiting_still_gets_the_endpoints(lab: Lab) -> None:
    lab.names.hold = True
    lab.names.said["web"] = ONE
    lab.start(WEB).cancel()
    assert lab.warm == [CancelledError]
    lab.names.answer("web")
    assert lab.seen == [{"10.0.0.1:80"}]
    assert lab.warm == [CancelledError]


def test_stop_ends_waiting_lookups_and_timers(lab: Lab) -> None:
    lab.names.hold = True
    lab.names.said = {"web": ONE}
    lab.start(replace(WEB, endpoints=(host("web"), host("old"))))
    lab.names.answer("web")
    waiting = lab.names.waiting["old"]
    assert lab.discovery is not None
    lab.discovery.stop()
    assert waiting.called
    assert lab.warm == [None]
    assert not lab.clock.getDelayedCalls()
    assert lab.counted == {"attempt": 2, "success": 1}
    lab.discovery.stop()


def test_stopping_because_of_a_change(lab: Lab) -> None:
    lab.names.said = {"web": ONE, "old": TWO}
    discovery = StrictDnsDiscovery(replace(WEB, endpoints=(host("web"), host("old"))), lab.names, lab.clock, lab.random)
    assert discovery.start(lambda endpoints: discovery.stop()).called
    assert [name for name, _ in lab.names.asked] == ["web"]
    assert not lab.clock.getDelayedCalls()


def test_a_change_that_is_not_taken_does_not_end_discovery(lab: Lab, logged_failures: list[Failure]) -> None:
    lab.names.said["web"] = ONE
    discovery = lab.discovery = StrictDnsDiscovery(WEB, lab.names, lab.clock, lab.random)

    def refuse(endpoints: tuple[LbEndpoint, ...]) -> None:
        raise LookupError(endpoints)

    assert discovery.start(refuse).called
    lab.names.said["web"] = TWO
    lab.clock.advance(5)
    assert len(lab.names.asked) == 2
    assert [failure.type for failure in logged_failures] == [LookupError, LookupError]
    logged_failures.clear()


def test_a_broken_resolver_is_a_failure_like_any(lab: Lab) -> None:
    lab.names.said["web"] = ONE
    lab.start(WEB)
    lab.names.said["web"] = ZeroDivisionError("oops")
    lab.clock.advance(5)
    assert lab.counted == {"attempt": 2, "success": 1, "failure": 1}


def test_the_log_has_changes_not_refreshes(lab: Lab, logged: list[str]) -> None:
    lab.names.said["web"] = ONE
    lab.start(WEB)
    for said in (ONE, TWO, TWO, SERVFAIL, SERVFAIL, TWO, None, None, Answer(("fd00::1",))):
        lab.names.said = {} if said is None else {"web": said}
        lab.clock.advance(5)
    assert logged == [
        "cluster web: endpoints now 1, new: 10.0.0.1:80",
        "cluster web: endpoints now 2, new: 10.0.0.2:80",
        "cluster web: web keeps the addresses it has: name server 10.0.0.53 says SERVFAIL",
        "cluster web: web resolves again",
        "cluster web: web has no addresses: 'web' does not exist",
        "cluster web: endpoints now 0, gone: 10.0.0.1:80, 10.0.0.2:80",
        "cluster web: web resolves again",
        "cluster web: endpoints now 1, new: [fd00::1]:80",
    ]


def test_one_whose_names_need_not_be_waited_for(lab: Lab) -> None:
    lab.names.hold = True
    lab.names.said["web"] = ONE
    assert lab.start(replace(WEB, wait_for_warm_on_init=False)).called
    lab.names.answer("web")
    assert lab.seen == [{"10.0.0.1:80"}]


# One host, whatever its addresses.

LOGICAL = replace(WEB, type=DiscoveryType.LOGICAL_DNS)


def logical(first: str, *others: str, port: int = 80) -> tuple[LbEndpoint, ...]:
    additional = tuple(SocketAddress(one, port) for one in others)
    return (LbEndpoint(SocketAddress(first, port), hostname="web", additional_addresses=additional),)


def test_a_logical_name_is_one_host_at_one_address_while_the_name_has_it(lab: Lab) -> None:
    lab.names.said["web"] = TWO
    lab.start(LOGICAL)
    assert lab.discovery is not None
    assert lab.discovery.endpoints == logical("10.0.0.1", "10.0.0.2")
    for addresses, expected in (
        (("10.0.0.2", "10.0.0.1"), ("10.0.0.1", "10.0.0.2")),
        (("10.0.0.7", "10.0.0.1"), ("10.0.0.1", "10.0.0.7")),
        (("10.0.0.8", "10.0.0.7"), ("10.0.0.7", "10.0.0.8")),
        (("10.0.0.9",), ("10.0.0.9",)),
    ):
        lab.names.said["web"] = Answer(addresses)
        lab.clock.advance(5)
        assert lab.discovery.endpoints == logical(*expected)
    assert lab.counted == {"attempt": 5, "success": 5, "no_rebuild": 1}
    assert repr(lab.discovery) == "<LogicalDnsDiscovery web endpoints=1>"


@given(answers=st.lists(st.lists(st.integers(1, 6), min_size=1, unique=True), min_size=1))
def test_an_address_in_use_is_given_up_only_when_it_is_gone(answers: list[list[int]]) -> None:
    lab = Lab()
    used: LbEndpoint | None = None
    for number, answer in enumerate(answers):
        hosts = tuple(f"10.0.0.{one}" for one in answer)
        lab.names.said["web"] = Answer(hosts)
        if number:
            lab.clock.advance(5)
        else:
            lab.start(LOGICAL)
        assert lab.discovery is not None
        (endpoint,) = lab.discovery.endpoints
        assert {str(one)[:-3] for one in (endpoint.address, *endpoint.additional_addresses)} == {*hosts}
        if used is not None and str(used.address)[:-3] in hosts:
            assert endpoint.address == used.address
        used = endpoint


@pytest.mark.parametrize("said", [SERVFAIL, NameNotFound("'web' does not exist")])
def test_a_logical_name_keeps_its_addresses_whatever_happens(lab: Lab, said: Exception) -> None:
    lab.names.said["web"] = ONE
    lab.start(replace(LOGICAL, dns_failure_refresh_rate=DnsFailureRefreshRate(1.0)))
    lab.drawn = 300
    lab.names.said["web"] = said
    lab.clock.advance(5)
    assert lab.discovery is not None
    assert lab.discovery.endpoints == logical("10.0.0.1")
    assert lab.counted == {"attempt": 2, "success": 1, "failure": 1}
    assert next_look(lab) == 0.3


def test_a_logical_name_without_addresses_is_no_host(lab: Lab) -> None:
    lab.start(LOGICAL)
    assert lab.warm == [None]
    assert lab.discovery is not None
    assert lab.discovery.endpoints == ()
    assert lab.counted == {"attempt": 1, "failure": 1}


def test_a_name_that_becomes_logical_keeps_its_addresses(lab: Lab) -> None:
    lab.names.said["web"] = TWO
    lab.start(WEB)
    assert lab.discovery is not None
    lab.names.said["web"] = SERVFAIL
    after = LogicalDnsDiscovery(replace(LOGICAL, endpoints=(replace(host("web", 81), priority=3),)), lab.names, lab.clock, lab.random)
    after.inherit(lab.discovery)
    after.start(lab.changed)
    assert after.endpoints == logical("10.0.0.1", "10.0.0.2", port=81)
    after.stop()


def test_the_log_does_not_follow_a_logical_name_around(lab: Lab, logged: list[str]) -> None:
    lab.names.said["web"] = ONE
    lab.start(LOGICAL)
    for addresses in (("10.0.1.1", "10.0.0.1"), ("10.0.0.1", "10.0.1.2"), ("10.0.1.3",)):
        lab.names.said["web"] = Answer(addresses)
        lab.clock.advance(5)
    lab.names.said = {}
    lab.clock.advance(5)
    assert logged == [
        "cluster web: endpoints now 1, new: 10.0.0.1:80",
        "cluster web: endpoints now 1, new: 10.0.1.3:80, gone: 10.0.0.1:80",
        "cluster web: web keeps the addresses it has: 'web' does not exist",
    ]
