"""What a change of configuration amounts to."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap
from shifter.model.cluster import Cluster
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import Listener
from shifter.model.load_balancing import LbPolicy
from shifter.model.route import RouteConfiguration
from shifter.service.plan import diff
from tests.support.listeners import http_listener

MANAGER = HttpConnectionManager("ingress", RouteConfiguration())


def listener(port: int, name: str = "front") -> Listener:
    return http_listener(name, SocketAddress("127.0.0.1", port), MANAGER)


def test_the_first_configuration_adds_everything() -> None:
    plan = diff(None, Bootstrap((listener(1),), (Cluster("a"),)))
    assert plan.clusters_added == (Cluster("a"),)
    assert plan.listeners_added == (listener(1),)


def test_the_same_configuration_changes_nothing_even_on_other_lines() -> None:
    old = Bootstrap((listener(1),), (Cluster("a", place="x.yaml:3:5"),))
    new = Bootstrap((listener(1),), (Cluster("a", place="x.yaml:9:5"),))
    plan = diff(old, new)
    assert (plan.clusters_added, plan.clusters_kept, plan.clusters_removed) == ((), ("a",), ())
    assert (plan.listeners_added, plan.listeners_kept, plan.listeners_removed) == ((), (listener(1),), ())


def test_a_cluster_that_changed_is_exchanged() -> None:
    changed = Cluster("a", lb_policy=LbPolicy.RANDOM)
    plan = diff(Bootstrap(clusters=(Cluster("a"), Cluster("b"))), Bootstrap(clusters=(changed,)))
    assert plan.clusters_added == (changed,)
    assert plan.clusters_removed == ("a", "b")


def test_listeners_go_by_address_whatever_they_are_called() -> None:
    plan = diff(Bootstrap((listener(1), listener(2, "two"))), Bootstrap((listener(1, "renamed"), listener(3, "three"))))
    assert plan.listeners_kept == (listener(1, "renamed"),)
    assert plan.listeners_added == (listener(3, "three"),)
    assert plan.listeners_removed == (SocketAddress("127.0.0.1", 2),)


clusters = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 3), max_size=5).map(
    lambda chosen: tuple(replace(Cluster(name), max_requests_per_connection=limit) for name, limit in chosen.items())
)


@given(clusters, clusters)
def test_carrying_a_plan_out_ends_at_the_new_configuration(old: tuple[Cluster, ...], new: tuple[Cluster, ...]) -> None:
    plan = diff(Bootstrap(clusters=old), Bootstrap(clusters=new))
    served = {cluster.name: cluster for cluster in old if cluster.name in plan.clusters_kept}
    served |= {cluster.name: cluster for cluster in plan.clusters_added}
    assert served == {cluster.name: cluster for cluster in new}
    assert {cluster.name for cluster in old} == set(plan.clusters_kept) | set(plan.clusters_removed)
