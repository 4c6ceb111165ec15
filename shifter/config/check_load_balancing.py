"""What no single field can tell about balancing: sizes, subsets, and what is said twice.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
Rule 2. Envoy does not look at the settings of balancers that are not used; here they get a warning.
"""

from shifter.config.document import ListNode, MapNode, Node, TextNode, is_true, map_in, maps, text_in, value_of
from shifter.config.judge import number
from shifter.config.report import Report, shown
from shifter.config.schema.load_balancing import Maglev, RingHash, Subset
from shifter.model.cluster import DiscoveryType
from shifter.model.load_balancing import MaglevLbConfig, RingHashLbConfig

_CONFIGS = {
    "round_robin_lb_config": "ROUND_ROBIN",
    "least_request_lb_config": "LEAST_REQUEST",
    "ring_hash_lb_config": "RING_HASH",
    "maglev_lb_config": "MAGLEV",
}
_BESIDE = ("zone_aware_lb_config", "locality_weighted_lb_config", "consistent_hashing_lb_config")


class LoadBalancing:
    """Checks what clusters say about balancing."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def check(self, node: MapNode, discovery: DiscoveryType) -> None:
        """Check the cluster *node*, whose hosts are found by *discovery*."""
        chosen = (text_in(node, "lb_policy") or "ROUND_ROBIN").upper()
        extension = map_in(node, "load_balancing_policy")
        common = map_in(node, "common_lb_config")
        if extension is not None:
            self._extension(node, extension, common)
        elif chosen == "LOAD_BALANCING_POLICY_CONFIG" and "load_balancing_policy" not in node:
            self._report.error(text_in(node, "lb_policy") or node, "this needs a `load_balancing_policy`, which says the policy")
        given = [name for name in _CONFIGS if name in node]
        for name, policy in _CONFIGS.items():
            config = map_in(node, name)
            if config is None or len(given) > 1:
                continue  # of several, that has been said
            if extension is not None or policy != chosen:
                why = "beside `load_balancing_policy`" if extension is not None else f"unless `lb_policy` is {policy}"
                self._report.warn(node.key(name), f"`{name}` has no effect {why}")
            else:
                self._sizes(config, name)
        subsets = map_in(node, "lb_subset_config")
        if subsets is not None and extension is None:
            self._subsets(subsets)
            if is_true(subsets, "locality_weight_aware") and not (common is not None and "locality_weighted_lb_config" in common):
                hint = "write common_lb_config: {locality_weighted_lb_config: {}}"
                self._report.error(subsets.key("locality_weight_aware"), "`locality_weight_aware` needs weighted localities", hint)
        hashing = map_in(common, "consistent_hashing_lb_config") if common is not None else None
        if hashing is not None and is_true(hashing, "use_hostname_for_hashing") and discovery is not DiscoveryType.STRICT_DNS:
            message = f"`use_hostname_for_hashing` cannot be used in a {discovery.value} cluster"
            self._report.error(hashing.key("use_hostname_for_hashing"), message, "its endpoints have no names that tell them apart")

    def _extension(self, cluster: MapNode, node: MapNode, common: MapNode | None) -> None:
        if "lb_subset_config" in cluster:
            key = cluster.key("lb_subset_config")
            self._report.error(key, "`lb_subset_config` cannot stand beside `load_balancing_policy`", f"put a {Subset.envoy} in there")
        for name in _BESIDE if common is not None else ():
            if common is not None and name in common:
                self._report.error(common.key(name), f"`{name}` cannot stand beside `load_balancing_policy`", "put it in there")
        self._policy(node)

    def _policy(self, node: MapNode) -> None:
        """Check a ``LoadBalancingPolicy``, which may be in another one."""
        policies = node.get("policies")
        if isinstance(policies, ListNode) and len(policies) > 1:
            self._report.warn(policies[1], "this policy is never used: the first one is known")
        policy = _first(node)
        if policy is None:
            return
        kind = (text_in(policy, "@type") or "").rpartition("/")[2]
        if kind in (RingHash.envoy, Maglev.envoy):
            self._sizes(policy, "ring_hash_lb_config" if kind == RingHash.envoy else "maglev_lb_config")
        elif kind == Subset.envoy:
            self._subsets(policy)
            inner = map_in(policy, "subset_lb_policy")
            if inner is not None:
                self._policy(inner)
        for owner in (policy, map_in(policy, "slow_start_config")):
            self._doubles(owner)

    def _sizes(self, node: MapNode, name: str) -> None:
        """Check the settings of the balancer in use."""
        if name == "ring_hash_lb_config":
            least, most = number(node, "minimum_ring_size"), number(node, "maximum_ring_size")
            least = RingHashLbConfig().minimum_ring_size if least is None else least
            most = RingHashLbConfig().maximum_ring_size if most is None else most
            if least > most:
                spot = text_in(node, "minimum_ring_size") or text_in(node, "maximum_ring_size") or node
                self._report.error(spot, f"`minimum_ring_size` {least} is larger than `maximum_ring_size` {most}")
        elif name == "maglev_lb_config":
            size = number(node, "table_size")
            if size is not None and size <= 5000011 and not _is_prime(size):
                hint = f"the default is {MaglevLbConfig().table_size}" if size < 2 else f"{_prime_after(size)} is one"
                self._report.error(text_in(node, "table_size") or node, f"`table_size` must be a prime number, and {size} is none", hint)
        else:
            for owner in (node, map_in(node, "slow_start_config")):
                self._doubles(owner)

    def _doubles(self, node: MapNode | None) -> None:
        for name in ("active_request_bias", "aggression"):
            one = map_in(node, name) if node is not None else None
            value = (_float(one.get("default_value")) or 0.0) if one is not None else 1.0
            if one is not None and node is not None and (value < 0 or (value == 0 and name == "aggression")):
                self._report.warn(text_in(one, "default_value") or node.key(name), f"`{name}` is taken for 1: it must be positive")

    def _subsets(self, node: MapNode) -> None:
        selectors = list(maps(node.get("subset_selectors")))
        if not selectors:
            self._report.warn(node, "there are no `subset_selectors`, so there are no subsets")
        default = map_in(node, "default_subset")
        wants = [node, *selectors]
        if not default and any((text_in(one, "fallback_policy") or "").upper() == "DEFAULT_SUBSET" for one in wants):
            self._report.warn(node, "`default_subset` is empty: falling back to it means to any endpoint")
        for selector in selectors:
            self._selector(selector)

    def _selector(self, node: MapNode) -> None:
        keys, fallback = _texts(node.get("keys")), _texts(node.get("fallback_keys_subset"))
        policy = (text_in(node, "fallback_policy") or "").upper()
        if not keys:
            self._report.warn(node, "this selector has no `keys`, so it makes no subsets")
        if policy != "KEYS_SUBSET":
            if fallback:
                self._report.error(node.key("fallback_keys_subset"), "`fallback_keys_subset` is for `fallback_policy: KEYS_SUBSET` only")
        elif not fallback:
            self._report.error(node.key("fallback_policy"), "KEYS_SUBSET needs `fallback_keys_subset`", "some of the `keys`")
        elif set(fallback) == set(keys):
            self._report.error(node.key("fallback_keys_subset"), "`fallback_keys_subset` must not be all of the `keys`")
        for key in fallback:
            if policy == "KEYS_SUBSET" and key not in keys:
                self._report.error(key, f"`{shown(key)}` is none of the `keys`", self._report.did_you_mean(key, keys))


def _first(node: MapNode) -> MapNode | None:
    """Return the configuration of the first policy in *node*."""
    policy = next(maps(node.get("policies")), None)
    extension = map_in(policy, "typed_extension_config") if policy is not None else None
    return map_in(extension, "typed_config") if extension is not None else None


def _texts(node: Node | None) -> list[TextNode]:
    return [one for one in node if isinstance(one, TextNode)] if isinstance(node, ListNode) else []


def _float(node: Node | None) -> float | None:
    meant = value_of(TextNode(node, 0, 0, plain=True)) if isinstance(node, TextNode) else None
    return float(meant) if isinstance(meant, int | float) and not isinstance(meant, bool) else None


def _is_prime(value: int) -> bool:
    # Envoy takes 1 for a prime number.
    return value == 1 or (value > 1 and all(value % divisor for divisor in range(2, int(value**0.5) + 1)))


def _prime_after(value: int) -> int:
    while not _is_prime(value):
        value += 1
    return value
