"""The same key meets the same host as with Envoy, and the same criteria meet the same hosts."""

from collections import Counter
from random import Random

import pytest
from xxhash import xxh64_intdigest

from shifter.model.cluster import Cluster
from shifter.upstream.interfaces import PickContext
from shifter.upstream.load_balancer import Balancer, criteria_of, make_balancer
from tests.support.balancing import CRITERIA, HASHING, KEYS, REQUESTS, SHARES, SUBSET_HOSTS, SUBSETS, Pool, alike, pools, recorded

RECORDED = recorded()


@pytest.mark.parametrize("name", HASHING)
def test_a_key_meets_the_host_that_it_meets_with_envoy(name: str) -> None:
    balancer: Balancer[Pool] = make_balancer(HASHING[name])
    balancer.update(pools(HASHING[name].endpoints))
    chosen = []
    for key in KEYS:
        context = PickContext()
        context.hash = xxh64_intdigest(key.encode())
        picked = balancer.pick_for(context)
        chosen.append("-" if picked is None else picked.name)
    assert chosen == RECORDED["hashing"][name]


@pytest.mark.parametrize("number", range(len(CRITERIA)))
@pytest.mark.parametrize("name", SUBSETS)
def test_criteria_meet_the_hosts_that_they_meet_with_envoy(name: str, number: int) -> None:
    balancer: Balancer[Pool] = make_balancer(Cluster("c", subsets=SUBSETS[name]), random=Random(1))
    balancer.update(pools(SUBSET_HOSTS))
    context = PickContext()
    wanted = CRITERIA[number]
    context.criteria = None if wanted is None else criteria_of(wanted)
    chosen = {picked.name for _ in range(24) if (picked := balancer.pick_for(context)) is not None}
    assert sorted(chosen) == RECORDED["subsets"][name][number]


@pytest.mark.parametrize("name", SHARES)
def test_requests_are_shared_as_with_envoy(name: str) -> None:
    balancer: Balancer[Pool] = make_balancer(SHARES[name], random=Random(1))
    balancer.update(pools(SHARES[name].endpoints))
    picked = (balancer.pick() for _ in range(REQUESTS))
    counts = Counter("-" if pool is None else pool.name for pool in picked)
    assert alike(counts, RECORDED["shares"][name]), (counts, RECORDED["shares"][name])
