"""What becomes of a cluster's endpoints while somebody writes them down, well and not so well."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from shifter.model.address import SocketAddress
from shifter.model.cluster import Assignment, AssignmentPolicy, Cluster, DiscoveryType, EdsSource, LbEndpoint
from shifter.observe.stats import ClusterStats
from shifter.upstream.discovery import Discovery, StaticDiscovery
from shifter.upstream.discovery_eds import AssignmentSource, EdsDiscovery, Lack, NoAssignment, Said

CLUSTER = Cluster("web", DiscoveryType.EDS, eds=EdsSource("/eds.yaml"))
ONE, TWO = (LbEndpoint(SocketAddress(f"10.0.0.{number}", 80)) for number in (1, 2))
MISSING = NoAssignment(Lack.MISSING, ("/eds.yaml: there is no such file",))
BROKEN = NoAssignment(Lack.REJECTED, ("/eds.yaml:3:5: error: this is wrong", "/eds.yaml:4:5: error: this, too"))


class Written:
    """A source that says what the test says."""

    def __init__(self, said: Said = MISSING) -> None:
        self.said = said
        self.readers: list[Callable[[Said], object]] = []

    def watch(self, told: Callable[[Said], object]) -> Callable[[], None]:
        self.readers.append(told)
        told(self.said)
        return lambda: self.readers.remove(told)

    def say(self, said: Said) -> None:
        self.said = said
        for told in list(self.readers):
            told(said)


_: AssignmentSource = Written()


class Lab:
    def __init__(self, said: Said = MISSING, cluster: Cluster = CLUSTER) -> None:
        self.source = Written(said)
        self.say = self.source.say
        self.stats = ClusterStats()
        self.discovery = EdsDiscovery(cluster, self.source, self.stats)
        self.seen: list[list[str]] = []

    def start(self) -> Deferred[None]:
        return self.discovery.start(lambda endpoints: self.seen.append([str(endpoint.address) for endpoint in endpoints]))

    @property
    def counted(self) -> dict[str, int]:
        names = ("attempt", "success", "failure", "rejected", "empty", "no_rebuild")
        all_ = {name: getattr(self.stats, f"update_{name}", 0) for name in names} | {"rejected": self.stats.more["update_rejected"]}
        return {name: count for name, count in all_.items() if count}


_discovery: Discovery = Lab().discovery


def test_what_is_written_down_is_there_at_once() -> None:
    lab = Lab(Assignment((ONE, TWO), AssignmentPolicy(200)))
    assert lab.start().called
    assert lab.seen == [["10.0.0.1:80", "10.0.0.2:80"]]
    assert lab.discovery.policy == AssignmentPolicy(200)
    assert lab.counted == {"attempt": 1, "success": 1}


def test_a_change_is_told_and_the_same_again_is_not() -> None:
    lab = Lab(Assignment((ONE,)))
    lab.start()
    lab.say(Assignment((ONE,)))
    lab.say(Assignment((TWO,)))
    lab.say(Assignment())
    assert lab.seen == [["10.0.0.1:80"], ["10.0.0.2:80"], []]
    assert lab.counted == {"attempt": 4, "success": 4, "no_rebuild": 1}


def test_of_endpoints_with_one_address_the_first_counts() -> None:
    lab = Lab(Assignment((replace(ONE, priority=1, weight=3), replace(ONE, weight=5), TWO)))
    lab.start()
    assert lab.discovery.endpoints == (replace(ONE, priority=1, weight=3), TWO)


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        (BROKEN, {"rejected": 1}),
        (NoAssignment(Lack.UNREADABLE), {"failure": 1}),
        (MISSING, {"failure": 1}),
        (NoAssignment(Lack.EMPTY), {"success": 2, "empty": 1}),
    ],
)
def test_what_cannot_be_used_changes_nothing(said: NoAssignment, counted: dict[str, int]) -> None:
    lab = Lab(Assignment((ONE,)))
    lab.start()
    lab.say(said)
    assert len(lab.seen) == 1
    assert lab.discovery.endpoints == (ONE,)
    assert lab.counted == {"attempt": 2, "success": 1, **counted}


def test_what_is_not_there_yet_is_waited_for() -> None:
    lab = Lab(MISSING)
    warming = lab.start()
    assert not warming.called
    lab.say(MISSING)
    assert not warming.called
    lab.say(Assignment((ONE,)))
    assert warming.called
    assert lab.seen == [["10.0.0.1:80"]]


@pytest.mark.parametrize("lack", [Lack.UNREADABLE, Lack.REJECTED, Lack.EMPTY])
def test_what_is_wrong_is_not_waited_for(lack: Lack) -> None:
    lab = Lab(NoAssignment(lack))
    assert lab.start().called
    assert not lab.seen


def test_one_that_need_not_be_waited_for() -> None:
    lab = Lab(MISSING, replace(CLUSTER, wait_for_warm_on_init=False))
    assert lab.start().called
    lab.say(Assignment((ONE,)))
    assert len(lab.seen) == 1


def test_after_stop_nobody_reads() -> None:
    lab = Lab(MISSING)
    warming = lab.start()
    lab.discovery.stop()
    assert warming.called
    assert not lab.source.readers
    lab.discovery.stop()


def test_stopping_because_of_what_is_written() -> None:
    source = Written(Assignment((ONE,)))
    discovery = EdsDiscovery(CLUSTER, source)
    discovery.start(lambda endpoints: discovery.stop())
    assert not source.readers


def test_a_change_that_is_not_taken_does_not_end_discovery(logged_failures: list[Failure]) -> None:
    source = Written(Assignment((ONE,)))

    def refuse(endpoints: tuple[LbEndpoint, ...]) -> None:
        raise LookupError(endpoints)

    assert EdsDiscovery(CLUSTER, source).start(refuse).called
    assert [failure.type for failure in logged_failures] == [LookupError]
    logged_failures.clear()


def test_a_new_configuration_begins_with_what_the_old_one_knew() -> None:
    before = Lab(Assignment((ONE,), AssignmentPolicy(200)))
    before.start()
    after = Lab(MISSING, replace(CLUSTER, connect_timeout=1.0))
    after.discovery.inherit(before.discovery)
    assert after.start().called
    assert after.seen == [["10.0.0.1:80"]]
    assert after.discovery.policy == AssignmentPolicy(200)


@pytest.mark.parametrize("service", ["web", "other"])
def test_endpoints_of_another_service_are_not_inherited(service: str) -> None:
    before = Lab(Assignment((ONE,)))
    before.start()
    after = Lab(MISSING, replace(CLUSTER, eds=EdsSource("/other.yaml", service)))
    after.discovery.inherit(before.discovery)
    after.discovery.inherit(StaticDiscovery(Cluster("web", endpoints=(TWO,))))
    assert after.start().called is (service == "web")


def test_the_log_has_every_problem_with_its_place(logged: list[str]) -> None:
    lab = Lab(MISSING)
    lab.start()
    lab.say(Assignment((ONE,)))
    lab.say(BROKEN)
    assert logged == [
        "cluster web: /eds.yaml: there is no such file",
        "cluster web has no endpoints",
        "cluster web: endpoints now 1, new: 10.0.0.1:80",
        "cluster web: /eds.yaml:3:5: error: this is wrong",
        "cluster web: /eds.yaml:4:5: error: this, too",
        "cluster web keeps the endpoints it has",
    ]
