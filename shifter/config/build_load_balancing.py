"""How requests are shared among endpoints, from the checked schema to the frozen model.

Rule 1. A ``load_balancing_policy`` says all of it (its first policy does, as ``check`` has made sure); ``lb_policy`` and its like say
        nothing beside one, but for what ``common_lb_config`` says about health.
"""

from dataclasses import replace
from typing import Any

from shifter.config.build_common import given
from shifter.config.schema import load_balancing as schema
from shifter.config.schema.cluster import Cluster
from shifter.config.schema.core import RuntimeDouble
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


def load_balancing(config: Cluster) -> dict[str, Any]:
    """Return the fields of the model's ``Cluster`` that are about balancing."""
    common = _common(config.common_lb_config)
    if config.load_balancing_policy is not None:
        return _extension(config.load_balancing_policy.policies[0].typed_extension_config.typed_config, common)
    policy = LbPolicy(config.lb_policy.value)
    least, ring, maglev, subsets = (
        config.least_request_lb_config,
        config.ring_hash_lb_config,
        config.maglev_lb_config,
        config.lb_subset_config,
    )
    rotating = {LbPolicy.ROUND_ROBIN: config.round_robin_lb_config, LbPolicy.LEAST_REQUEST: least}.get(policy)
    return {
        "lb_policy": policy,
        "common_lb": common,
        "slow_start": _slow_start(rotating.slow_start_config) if rotating is not None else None,
        # Without a selector, Envoy makes no subsets at all.
        "subsets": _subsets(subsets) if subsets is not None and subsets.subset_selectors else None,
        **given(
            least_request=_least_request(least) if least is not None else None,
            ring_hash=_ring_hash(ring, ring.hash_function) if ring is not None else None,
            maglev=_maglev(maglev) if maglev is not None else None,
        ),
    }


def _extension(config: object, common: CommonLbConfig) -> dict[str, Any]:
    """Return the same for one of ``extensions.load_balancing_policies``."""
    if isinstance(config, schema.Subset):
        inner = _extension(config.subset_lb_policy.policies[0].typed_extension_config.typed_config, common)
        return {**inner, "subsets": _subsets(config)}
    if isinstance(config, schema.RingHash):
        found = RingHashFunction.MURMUR_HASH_2 if config.hash_function is schema.HashFunction.MURMUR_HASH_2 else RingHashFunction.XX_HASH
        older = schema.ConsistentHashingLbConfig.model_construct(
            use_hostname_for_hashing=config.use_hostname_for_hashing, hash_balance_factor=config.hash_balance_factor
        )
        hashing = config.consistent_hashing_lb_config or older
        return {
            "lb_policy": LbPolicy.RING_HASH,
            "ring_hash": _ring_hash(config, found),
            "common_lb": _hashing(common, hashing, config.locality_weighted_lb_config),
        }
    if isinstance(config, schema.Maglev):
        hashed = _hashing(common, config.consistent_hashing_lb_config, config.locality_weighted_lb_config)
        return {"lb_policy": LbPolicy.MAGLEV, "maglev": _maglev(config), "common_lb": hashed}
    assert isinstance(config, schema.RoundRobin | schema.LeastRequest | schema.Random)
    fields: dict[str, Any] = {"common_lb": _localities(common, config.locality_lb_config)}
    if isinstance(config, schema.Random):
        return {**fields, "lb_policy": LbPolicy.RANDOM}
    fields["slow_start"] = _slow_start(config.slow_start_config)
    if isinstance(config, schema.RoundRobin):
        return {**fields, "lb_policy": LbPolicy.ROUND_ROBIN}
    full = config.enable_full_scan or config.selection_method is schema.SelectionMethod.FULL_SCAN
    return {**fields, "lb_policy": LbPolicy.LEAST_REQUEST, "least_request": replace(_least_request(config), full_scan=full)}


def _common(config: schema.CommonLbConfig | None) -> CommonLbConfig:
    if config is None:
        return CommonLbConfig()
    hashing, threshold = config.consistent_hashing_lb_config, config.healthy_panic_threshold
    return CommonLbConfig(
        locality_weighted=config.locality_weighted_lb_config is not None,
        zone_aware=_zone_aware(config.zone_aware_lb_config),
        ignore_new_hosts_until_first_hc=config.ignore_new_hosts_until_first_hc,
        close_connections_on_host_set_change=config.close_connections_on_host_set_change,
        **given(
            healthy_panic_threshold=threshold.value if threshold is not None else None,
            consistent_hashing=_consistent(hashing) if hashing is not None else None,
        ),
    )


def _localities(common: CommonLbConfig, config: schema.LocalityLbConfig | None) -> CommonLbConfig:
    if config is None:
        return common
    weighted = config.locality_weighted_lb_config is not None
    return replace(common, locality_weighted=weighted, zone_aware=_zone_aware(config.zone_aware_lb_config))


def _hashing(
    common: CommonLbConfig, hashing: schema.ConsistentHashingLbConfig | None, weighted: schema.LocalityWeightedLbConfig | None
) -> CommonLbConfig:
    consistent = _consistent(hashing) if hashing is not None else common.consistent_hashing
    return replace(common, locality_weighted=weighted is not None, consistent_hashing=consistent)


def _zone_aware(config: schema.ZoneAwareLbConfig | None) -> ZoneAwareLbConfig | None:
    return ZoneAwareLbConfig(config.fail_traffic_on_panic) if config is not None else None


def _consistent(config: schema.ConsistentHashingLbConfig) -> ConsistentHashingLbConfig:
    return ConsistentHashingLbConfig(config.use_hostname_for_hashing, config.hash_balance_factor or 0)


def _slow_start(config: schema.SlowStartConfig | None) -> SlowStart | None:
    if config is None or not config.slow_start_window:
        return None
    aggression, least = config.aggression, config.min_weight_percent
    return SlowStart(
        config.slow_start_window,
        **given(
            aggression=_at_least(aggression, above=0.0),
            runtime_key=aggression.runtime_key if aggression is not None else None,
            min_weight_percent=least.value if least is not None else None,
        ),
    )


def _at_least(config: RuntimeDouble | None, above: float | None = None) -> float | None:
    """Return the value of *config*; ``None`` for one that Envoy passes over, being negative or not *above* something."""
    if config is None or config.default_value < 0 or config.default_value == above:
        return None
    return config.default_value


def _least_request(config: schema.LeastRequestLbConfig) -> LeastRequestLbConfig:
    bias = config.active_request_bias
    return LeastRequestLbConfig(
        **given(
            choice_count=config.choice_count,
            active_request_bias=_at_least(bias),
            active_request_bias_key=bias.runtime_key if bias is not None else None,
        )
    )


def _ring_hash(config: schema.RingHashLbConfig | schema.RingHash, function: RingHashFunction) -> RingHashLbConfig:
    return RingHashLbConfig(
        hash_function=function, **given(minimum_ring_size=config.minimum_ring_size, maximum_ring_size=config.maximum_ring_size)
    )


def _maglev(config: schema.MaglevLbConfig) -> MaglevLbConfig:
    return MaglevLbConfig(**given(table_size=config.table_size))


def _subsets(config: schema.LbSubsetConfig) -> LbSubsetConfig:
    return LbSubsetConfig(
        selectors=tuple(
            LbSubsetSelector(
                keys=frozenset(selector.keys),
                single_host_per_subset=selector.single_host_per_subset,
                fallback_policy=selector.fallback_policy,
                fallback_keys_subset=frozenset(selector.fallback_keys_subset),
            )
            for selector in config.subset_selectors
            if selector.keys
        ),
        fallback_policy=SubsetFallback(config.fallback_policy.value),
        default_subset=config.default_subset or {},
        locality_weight_aware=config.locality_weight_aware,
        scale_locality_weight=config.scale_locality_weight,
        panic_mode_any=config.panic_mode_any,
        list_as_any=config.list_as_any,
        metadata_fallback=config.metadata_fallback_policy is schema.MetadataFallbackPolicy.FALLBACK_LIST,
    )
