"""How a cluster's requests are shared among its endpoints (``Cluster.*LbConfig``). Durations are seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class LbPolicy(Enum):
    """``Cluster.LbPolicy``."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_REQUEST = "LEAST_REQUEST"
    RANDOM = "RANDOM"
    RING_HASH = "RING_HASH"
    MAGLEV = "MAGLEV"


@dataclass(frozen=True, slots=True)
class SlowStart:
    """``Cluster.SlowStartConfig``: a new host's weight grows over ``window`` seconds, by ``(age / window) ** (1 / aggression)``, from
    ``min_weight_percent`` of it. ``runtime_key`` may name another aggression."""

    window: float
    aggression: float = 1.0
    runtime_key: str = ""
    min_weight_percent: float = 10.0


@dataclass(frozen=True, slots=True)
class LeastRequestLbConfig:
    """``Cluster.LeastRequestLbConfig``: with unequal weights, a weight counts as ``weight / (active + 1) ** active_request_bias``.

    ``full_scan``: all hosts are compared, not ``choice_count`` of them (``SelectionMethod.FULL_SCAN``).
    """

    choice_count: int = 2
    active_request_bias: float = 1.0
    active_request_bias_key: str = ""
    full_scan: bool = False


class RingHashFunction(Enum):
    """``Cluster.RingHashLbConfig.HashFunction``."""

    XX_HASH = "XX_HASH"
    MURMUR_HASH_2 = "MURMUR_HASH_2"


@dataclass(frozen=True, slots=True)
class RingHashLbConfig:
    """``Cluster.RingHashLbConfig``."""

    minimum_ring_size: int = 1024
    maximum_ring_size: int = 8 * 1024 * 1024
    hash_function: RingHashFunction = RingHashFunction.XX_HASH


@dataclass(frozen=True, slots=True)
class MaglevLbConfig:
    """``Cluster.MaglevLbConfig``: ``table_size`` is a prime number of at most 5000011."""

    table_size: int = 65537


@dataclass(frozen=True, slots=True)
class ConsistentHashingLbConfig:
    """``CommonLbConfig.ConsistentHashingLbConfig``. ``hash_balance_factor`` 0 is no bound; from 100 on, no host gets more than that
    percentage of the average load."""

    use_hostname_for_hashing: bool = False
    hash_balance_factor: int = 0


@dataclass(frozen=True, slots=True)
class ZoneAwareLbConfig:
    """``CommonLbConfig.ZoneAwareLbConfig``. Its other fields are for zones that are preferred, and none is here."""

    fail_traffic_on_panic: bool = False


@dataclass(frozen=True, slots=True)
class CommonLbConfig:
    """``Cluster.CommonLbConfig``. Below ``healthy_panic_threshold`` percent of healthy hosts, all hosts are used (0: never).
    ``locality_weighted``: localities are chosen by their weights first."""

    healthy_panic_threshold: float = 50.0
    locality_weighted: bool = False
    zone_aware: ZoneAwareLbConfig | None = None
    ignore_new_hosts_until_first_hc: bool = False
    close_connections_on_host_set_change: bool = False
    consistent_hashing: ConsistentHashingLbConfig = ConsistentHashingLbConfig()


class SubsetFallback(Enum):
    """``LbSubsetConfig.LbSubsetFallbackPolicy`` and that of a selector (which adds ``NOT_DEFINED`` and ``KEYS_SUBSET``)."""

    NOT_DEFINED = "NOT_DEFINED"
    NO_FALLBACK = "NO_FALLBACK"
    ANY_ENDPOINT = "ANY_ENDPOINT"
    DEFAULT_SUBSET = "DEFAULT_SUBSET"
    KEYS_SUBSET = "KEYS_SUBSET"


@dataclass(frozen=True, slots=True)
class LbSubsetSelector:
    """``LbSubsetConfig.LbSubsetSelector``: hosts that have all of ``keys`` in their ``envoy.lb`` metadata form subsets by the values."""

    keys: frozenset[str]
    single_host_per_subset: bool = False
    fallback_policy: SubsetFallback = SubsetFallback.NOT_DEFINED
    fallback_keys_subset: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LbSubsetConfig:
    """``Cluster.LbSubsetConfig``. ``metadata_fallback``: ``metadata_match`` may hold ``fallback_list``, a list of other criteria to try
    (``FALLBACK_LIST``)."""

    selectors: tuple[LbSubsetSelector, ...] = ()
    fallback_policy: SubsetFallback = SubsetFallback.NO_FALLBACK
    default_subset: Mapping[str, object] = field(default_factory=dict, hash=False)
    locality_weight_aware: bool = False
    scale_locality_weight: bool = False
    panic_mode_any: bool = False
    list_as_any: bool = False
    metadata_fallback: bool = False
