"""What a cluster says of balancing arrives in the model, in Envoy's older and in its newer spelling."""

from dataclasses import replace

import pytest

from shifter.config import load
from shifter.model.load_balancing import (
    CommonLbConfig,
    ConsistentHashingLbConfig,
    LbPolicy,
    LbSubsetConfig,
    LbSubsetSelector,
    LeastRequestLbConfig,
    MaglevLbConfig,
    RingHashFunction,
    RingHashLbConfig,
    SlowStart,
    SubsetFallback,
    ZoneAwareLbConfig,
)
from tests.config.test_build_cluster import PLAIN, cluster
from tests.support.configs import NAME, with_cluster

TYPES = "type.googleapis.com/envoy.extensions.load_balancing_policies."
SUBSETS = (
    "fallback_policy: DEFAULT_SUBSET, default_subset: {stage: prod}, list_as_any: true, panic_mode_any: true, scale_locality_weight: true, "
    "metadata_fallback_policy: FALLBACK_LIST, subset_selectors: [{keys: [version, stage], fallback_policy: KEYS_SUBSET, "
    "fallback_keys_subset: [stage]}, {keys: [zone], single_host_per_subset: true}, {keys: []}]"
)
SUBSET_CONFIG = LbSubsetConfig(
    selectors=(
        LbSubsetSelector(frozenset(("version", "stage")), False, SubsetFallback.KEYS_SUBSET, frozenset(("stage",))),
        LbSubsetSelector(frozenset(("zone",)), True),
    ),
    fallback_policy=SubsetFallback.DEFAULT_SUBSET,
    default_subset={"stage": "prod"},
    scale_locality_weight=True,
    panic_mode_any=True,
    list_as_any=True,
    metadata_fallback=True,
)


def policy(name: str, fields: str = "") -> str:
    kind = f"{TYPES}{name}"
    return f'{{policies: [{{typed_extension_config: {{name: a, typed_config: {{"@type": {kind}{", " + fields if fields else ""}}}}}}}]}}'


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ("lb_policy: least_request", {"lb_policy": LbPolicy.LEAST_REQUEST}),
        (
            "lb_policy: LEAST_REQUEST, "
            "least_request_lb_config: {choice_count: 3, active_request_bias: {default_value: 0.5, runtime_key: k}}",
            {"lb_policy": LbPolicy.LEAST_REQUEST, "least_request": LeastRequestLbConfig(3, 0.5, "k")},
        ),
        (
            "lb_policy: LEAST_REQUEST, least_request_lb_config: {active_request_bias: {default_value: -2}, "
            "slow_start_config: {slow_start_window: 9s, aggression: {default_value: 0, runtime_key: k}}}",
            {"lb_policy": LbPolicy.LEAST_REQUEST, "slow_start": SlowStart(9.0, runtime_key="k")},
        ),
        (
            "round_robin_lb_config: {slow_start_config: {slow_start_window: 60s, aggression: {default_value: 2}, "
            "min_weight_percent: {value: 25}}}",
            {"slow_start": SlowStart(60.0, 2.0, "", 25.0)},
        ),
        ("round_robin_lb_config: {slow_start_config: {slow_start_window: 0s}}", {}),
        ("lb_policy: RANDOM, round_robin_lb_config: {slow_start_config: {slow_start_window: 60s}}", {"lb_policy": LbPolicy.RANDOM}),
        (
            "lb_policy: RING_HASH, ring_hash_lb_config: {minimum_ring_size: 7, maximum_ring_size: 9, hash_function: murmur_hash_2}",
            {"lb_policy": LbPolicy.RING_HASH, "ring_hash": RingHashLbConfig(7, 9, RingHashFunction.MURMUR_HASH_2)},
        ),
        ("lb_policy: MAGLEV, maglev_lb_config: {table_size: 7}", {"lb_policy": LbPolicy.MAGLEV, "maglev": MaglevLbConfig(7)}),
        (
            "common_lb_config: {healthy_panic_threshold: {value: 12.5}, locality_weighted_lb_config: {}, "
            "ignore_new_hosts_until_first_hc: true, close_connections_on_host_set_change: true, "
            "consistent_hashing_lb_config: {hash_balance_factor: 120}}",
            {"common_lb": CommonLbConfig(12.5, True, None, True, True, ConsistentHashingLbConfig(False, 120))},
        ),
        ("common_lb_config: {healthy_panic_threshold: {}}", {"common_lb": CommonLbConfig(0.0)}),
        (
            "common_lb_config: {zone_aware_lb_config: {routing_enabled: {value: 5}, min_cluster_size: 2, fail_traffic_on_panic: true}}",
            {"common_lb": CommonLbConfig(zone_aware=ZoneAwareLbConfig(fail_traffic_on_panic=True))},
        ),
        ("common_lb_config: {zone_aware_lb_config: {}}", {"common_lb": CommonLbConfig(zone_aware=ZoneAwareLbConfig())}),
        (f"lb_subset_config: {{{SUBSETS}}}", {"subsets": SUBSET_CONFIG}),
        ("lb_subset_config: {fallback_policy: ANY_ENDPOINT}", {}),
        (f"lb_policy: RANDOM, load_balancing_policy: {policy('round_robin.v3.RoundRobin')}", {}),
        (
            "common_lb_config: {healthy_panic_threshold: {value: 3}}, load_balancing_policy: "
            + policy("random.v3.Random", "locality_lb_config: {locality_weighted_lb_config: {}}"),
            {"lb_policy": LbPolicy.RANDOM, "common_lb": CommonLbConfig(3.0, True)},
        ),
        (
            "load_balancing_policy: " + policy("round_robin.v3.RoundRobin", "slow_start_config: {slow_start_window: 5s}"),
            {"slow_start": SlowStart(5.0)},
        ),
        (
            "load_balancing_policy: "
            + policy(
                "least_request.v3.LeastRequest",
                "choice_count: 4, selection_method: FULL_SCAN, locality_lb_config: {zone_aware_lb_config: {fail_traffic_on_panic: true}}",
            ),
            {
                "lb_policy": LbPolicy.LEAST_REQUEST,
                "least_request": LeastRequestLbConfig(4, full_scan=True),
                "common_lb": CommonLbConfig(zone_aware=ZoneAwareLbConfig(fail_traffic_on_panic=True)),
            },
        ),
        (
            "load_balancing_policy: " + policy("least_request.v3.LeastRequest", "enable_full_scan: true"),
            {"lb_policy": LbPolicy.LEAST_REQUEST, "least_request": LeastRequestLbConfig(full_scan=True)},
        ),
        (
            "load_balancing_policy: "
            + policy("ring_hash.v3.RingHash", "maximum_ring_size: 2000, hash_function: MURMUR_HASH_2, locality_weighted_lb_config: {}"),
            {
                "lb_policy": LbPolicy.RING_HASH,
                "ring_hash": RingHashLbConfig(maximum_ring_size=2000, hash_function=RingHashFunction.MURMUR_HASH_2),
                "common_lb": CommonLbConfig(locality_weighted=True),
            },
        ),
        (
            "load_balancing_policy: " + policy("ring_hash.v3.RingHash", "hash_balance_factor: 150, use_hostname_for_hashing: true"),
            {"lb_policy": LbPolicy.RING_HASH, "common_lb": CommonLbConfig(consistent_hashing=ConsistentHashingLbConfig(True, 150))},
        ),
        (
            "load_balancing_policy: "
            + policy("maglev.v3.Maglev", "table_size: 11, consistent_hashing_lb_config: {hash_balance_factor: 150}"),
            {
                "lb_policy": LbPolicy.MAGLEV,
                "maglev": MaglevLbConfig(11),
                "common_lb": CommonLbConfig(consistent_hashing=ConsistentHashingLbConfig(False, 150)),
            },
        ),
        (
            "load_balancing_policy: " + policy("subset.v3.Subset", f"{SUBSETS}, subset_lb_policy: {policy('random.v3.Random')}"),
            {"lb_policy": LbPolicy.RANDOM, "subsets": SUBSET_CONFIG},
        ),
    ],
)
def test_fields(written: str, fields: dict[str, object]) -> None:
    assert cluster(written) == replace(PLAIN, **fields)  # type: ignore[arg-type]  # names and types are the table's


def test_a_policy_is_kept_whole_in_what_the_admin_pages_show() -> None:
    document = load(with_cluster("load_balancing_policy: " + policy("maglev.v3.Maglev", "table_size: 11")), NAME).document
    shown = document["static_resources"]["clusters"][2]["load_balancing_policy"]["policies"][0]["typed_extension_config"]
    assert shown["typed_config"] == {"@type": f"{TYPES}maglev.v3.Maglev", "table_size": 11}
