"""How requests are shared among endpoints: ``Cluster.*LbConfig``, and ``extensions.load_balancing_policies``, which say the same anew.

Rule 1. Where the extension has the fields of the older message, one class stands for both of them.
"""

from enum import Enum
from typing import Annotated

from pydantic import Field, SerializeAsAny

from shifter.config.schema.base import Bool, Choice, Message, Name, OneOf, Seconds, Struct, Text, Typed, UInt64, Variants, whole, word
from shifter.config.schema.core import Percent, RuntimeDouble
from shifter.model.load_balancing import RingHashFunction, SubsetFallback

POLICIES = "envoy.extensions.load_balancing_policies."
_LARGEST_RING = 8 * 1024 * 1024
_LARGEST_TABLE = 5000011

RingSize = Annotated[int, Field(ge=0, le=_LARGEST_RING), whole]
TableSize = Annotated[int, Field(ge=0, le=_LARGEST_TABLE), whole]
ChoiceCount = Annotated[int, Field(ge=2, le=2**32 - 1), whole]
BalanceFactor = Annotated[int, Field(ge=100, le=2**32 - 1), whole]


class ClusterLbPolicy(Enum):
    """``Cluster.LbPolicy``."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_REQUEST = "LEAST_REQUEST"
    RANDOM = "RANDOM"
    RING_HASH = "RING_HASH"
    MAGLEV = "MAGLEV"
    LOAD_BALANCING_POLICY_CONFIG = "LOAD_BALANCING_POLICY_CONFIG"


class SlowStartConfig(Message):
    """``Cluster.SlowStartConfig``. Without a window there is no slow start."""

    envoy = "envoy.config.cluster.v3.Cluster.SlowStartConfig"

    slow_start_window: Seconds | None = None
    aggression: RuntimeDouble | None = None
    min_weight_percent: Percent | None = None


class RoundRobinLbConfig(Message):
    """``Cluster.RoundRobinLbConfig``."""

    envoy = "envoy.config.cluster.v3.Cluster.RoundRobinLbConfig"

    slow_start_config: SlowStartConfig | None = None


class LeastRequestLbConfig(Message):
    """``Cluster.LeastRequestLbConfig``."""

    envoy = "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig"

    choice_count: ChoiceCount | None = None
    active_request_bias: RuntimeDouble | None = None
    slow_start_config: SlowStartConfig | None = None


class RingHashLbConfig(Message):
    """``Cluster.RingHashLbConfig``."""

    envoy = "envoy.config.cluster.v3.Cluster.RingHashLbConfig"

    minimum_ring_size: RingSize | None = None
    hash_function: Annotated[RingHashFunction, word(RingHashFunction)] = RingHashFunction.XX_HASH
    maximum_ring_size: RingSize | None = None


class MaglevLbConfig(Message):
    """``Cluster.MaglevLbConfig``. ``check`` wants a prime number."""

    envoy = "envoy.config.cluster.v3.Cluster.MaglevLbConfig"

    table_size: TableSize | None = None


class ZoneAwareLbConfig(Message):
    """``CommonLbConfig.ZoneAwareLbConfig``."""

    envoy = "envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig"

    routing_enabled: Percent | None = None
    min_cluster_size: UInt64 | None = None
    fail_traffic_on_panic: Bool = False


class LocalityWeightedLbConfig(Message):
    """``CommonLbConfig.LocalityWeightedLbConfig``."""

    envoy = "envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig"


class ConsistentHashingLbConfig(Message):
    """``CommonLbConfig.ConsistentHashingLbConfig``."""

    envoy = "envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig"

    use_hostname_for_hashing: Bool = False
    hash_balance_factor: BalanceFactor | None = None


class CommonLbConfig(Choice):
    """``Cluster.CommonLbConfig``. Changes of health are never gathered, so ``update_merge_window`` means nothing."""

    envoy = "envoy.config.cluster.v3.Cluster.CommonLbConfig"
    one_of = (OneOf(("zone_aware_lb_config", "locality_weighted_lb_config")),)

    healthy_panic_threshold: Percent | None = None
    zone_aware_lb_config: ZoneAwareLbConfig | None = None
    locality_weighted_lb_config: LocalityWeightedLbConfig | None = None
    update_merge_window: Seconds | None = None
    ignore_new_hosts_until_first_hc: Bool = False
    close_connections_on_host_set_change: Bool = False
    consistent_hashing_lb_config: ConsistentHashingLbConfig | None = None


class FallbackPolicy(Enum):
    """``LbSubsetConfig.LbSubsetFallbackPolicy``."""

    NO_FALLBACK = "NO_FALLBACK"
    ANY_ENDPOINT = "ANY_ENDPOINT"
    DEFAULT_SUBSET = "DEFAULT_SUBSET"


class MetadataFallbackPolicy(Enum):
    """``LbSubsetConfig.LbSubsetMetadataFallbackPolicy``."""

    METADATA_NO_FALLBACK = "METADATA_NO_FALLBACK"
    FALLBACK_LIST = "FALLBACK_LIST"


class LbSubsetSelector(Message):
    """``LbSubsetConfig.LbSubsetSelector``."""

    envoy = "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector"

    keys: list[Text] = Field(default_factory=list)
    single_host_per_subset: Bool = False
    fallback_policy: Annotated[SubsetFallback, word(SubsetFallback)] = SubsetFallback.NOT_DEFINED
    fallback_keys_subset: list[Text] = Field(default_factory=list)


class LbSubsetConfig(Message):
    """``Cluster.LbSubsetConfig``."""

    envoy = "envoy.config.cluster.v3.Cluster.LbSubsetConfig"

    fallback_policy: Annotated[FallbackPolicy, word(FallbackPolicy)] = FallbackPolicy.NO_FALLBACK
    default_subset: Struct | None = None
    subset_selectors: list[LbSubsetSelector] = Field(default_factory=list)
    locality_weight_aware: Bool = False
    scale_locality_weight: Bool = False
    panic_mode_any: Bool = False
    list_as_any: Bool = False
    metadata_fallback_policy: Annotated[MetadataFallbackPolicy, word(MetadataFallbackPolicy)] = MetadataFallbackPolicy.METADATA_NO_FALLBACK


class LocalityLbConfig(Choice):
    """``load_balancing_policies.common.v3.LocalityLbConfig``."""

    envoy = f"{POLICIES}common.v3.LocalityLbConfig"
    one_of = (OneOf(("zone_aware_lb_config", "locality_weighted_lb_config")),)

    zone_aware_lb_config: ZoneAwareLbConfig | None = None
    locality_weighted_lb_config: LocalityWeightedLbConfig | None = None


class RoundRobin(RoundRobinLbConfig, Typed):
    """``load_balancing_policies.round_robin.v3.RoundRobin``."""

    envoy = f"{POLICIES}round_robin.v3.RoundRobin"

    locality_lb_config: LocalityLbConfig | None = None


class SelectionMethod(Enum):
    """``LeastRequest.SelectionMethod``."""

    N_CHOICES = "N_CHOICES"
    FULL_SCAN = "FULL_SCAN"


class LeastRequest(LeastRequestLbConfig, Typed):
    """``load_balancing_policies.least_request.v3.LeastRequest``."""

    envoy = f"{POLICIES}least_request.v3.LeastRequest"

    locality_lb_config: LocalityLbConfig | None = None
    enable_full_scan: Bool = False
    selection_method: Annotated[SelectionMethod, word(SelectionMethod)] = SelectionMethod.N_CHOICES


class Random(Typed):
    """``load_balancing_policies.random.v3.Random``."""

    envoy = f"{POLICIES}random.v3.Random"

    locality_lb_config: LocalityLbConfig | None = None


class HashFunction(Enum):
    """``RingHash.HashFunction``."""

    DEFAULT_HASH = "DEFAULT_HASH"
    XX_HASH = "XX_HASH"
    MURMUR_HASH_2 = "MURMUR_HASH_2"


class RingHash(Typed):
    """``load_balancing_policies.ring_hash.v3.RingHash``."""

    envoy = f"{POLICIES}ring_hash.v3.RingHash"

    minimum_ring_size: RingSize | None = None
    hash_function: Annotated[HashFunction, word(HashFunction)] = HashFunction.DEFAULT_HASH
    maximum_ring_size: RingSize | None = None
    use_hostname_for_hashing: Bool = False
    hash_balance_factor: BalanceFactor | None = None
    consistent_hashing_lb_config: ConsistentHashingLbConfig | None = None
    locality_weighted_lb_config: LocalityWeightedLbConfig | None = None


class Maglev(MaglevLbConfig, Typed):
    """``load_balancing_policies.maglev.v3.Maglev``."""

    envoy = f"{POLICIES}maglev.v3.Maglev"

    consistent_hashing_lb_config: ConsistentHashingLbConfig | None = None
    locality_weighted_lb_config: LocalityWeightedLbConfig | None = None


class PickingPolicyConfig(Variants):
    """What chooses among the endpoints of a subset."""

    envoy = f"{POLICIES}round_robin.v3.RoundRobin"
    variants = (RoundRobin, LeastRequest, Random, RingHash, Maglev)


class PickingPolicyExtension(Message):
    """``core.v3.TypedExtensionConfig`` with one of these in it."""

    envoy = "envoy.config.core.v3.TypedExtensionConfig"

    name: Name
    typed_config: SerializeAsAny[PickingPolicyConfig]


class PickingPolicyItem(Message):
    """``LoadBalancingPolicy.Policy``, in a subset."""

    envoy = "envoy.config.cluster.v3.LoadBalancingPolicy.Policy"

    typed_extension_config: PickingPolicyExtension


class PickingPolicy(Message):
    """``cluster.v3.LoadBalancingPolicy``, in a subset."""

    envoy = "envoy.config.cluster.v3.LoadBalancingPolicy"

    policies: list[PickingPolicyItem] = Field(min_length=1)


class Subset(LbSubsetConfig, Typed):
    """``load_balancing_policies.subset.v3.Subset``."""

    envoy = f"{POLICIES}subset.v3.Subset"

    subset_lb_policy: PickingPolicy


class PolicyConfig(Variants):
    """What chooses among the endpoints of a cluster."""

    envoy = f"{POLICIES}round_robin.v3.RoundRobin"
    variants = (RoundRobin, LeastRequest, Random, RingHash, Maglev, Subset)


class PolicyExtension(Message):
    """``core.v3.TypedExtensionConfig`` with one of these in it."""

    envoy = "envoy.config.core.v3.TypedExtensionConfig"

    name: Name
    typed_config: SerializeAsAny[PolicyConfig]


class Policy(Message):
    """``LoadBalancingPolicy.Policy``."""

    envoy = "envoy.config.cluster.v3.LoadBalancingPolicy.Policy"

    typed_extension_config: PolicyExtension


class LoadBalancingPolicy(Message):
    """``cluster.v3.LoadBalancingPolicy``. Envoy takes the first that it knows; here that is the first."""

    envoy = "envoy.config.cluster.v3.LoadBalancingPolicy"

    policies: list[Policy] = Field(min_length=1)
