"""Clusters whose hosts Envoy 1.40.0 was asked to choose from, and endpoints that are hosts and nothing else.

Nobody listens at the addresses: which host was chosen stands in the access log. ``envoy_1_40_balancing.json`` holds what was chosen
(``PYTHONPATH=. python -m tests.support.balancing FILE`` writes it anew; it needs Envoy).
"""

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shifter.model.address import Address, Pipe, SocketAddress
from shifter.model.cluster import Cluster, HealthStatus, LbEndpoint, Locality
from shifter.model.load_balancing import (
    CommonLbConfig,
    ConsistentHashingLbConfig,
    LbPolicy,
    LbSubsetConfig,
    LbSubsetSelector,
    MaglevLbConfig,
    RingHashFunction,
    RingHashLbConfig,
    SubsetFallback,
    ZoneAwareLbConfig,
)
from shifter.upstream.host import Host
from tests.support.envoy import running_envoy
from tests.support.programs import PATIENCE
from tests.support.wireclient import Wire

_ROUNDS = 12
KEYS = [f"user-{number}" for number in range(60)]


class Pool:
    """What is balanced over, without connections."""

    def __init__(self, endpoint: LbEndpoint, now: float = 0.0) -> None:
        self.host = Host(endpoint.address, now)
        self.host.describe(endpoint, endpoint.weight, now)
        self.active = 0

    @property
    def weight(self) -> int:
        return self.host.weight

    @property
    def name(self) -> str:
        return str(self.host.address)

    def __repr__(self) -> str:
        return self.name


def pools(endpoints: Iterable[LbEndpoint]) -> list[Pool]:
    """A pool for each endpoint."""
    return [Pool(endpoint) for endpoint in endpoints]


def at(last: int, **rest: Any) -> LbEndpoint:
    """An endpoint on this machine where nobody listens."""
    return LbEndpoint(SocketAddress(f"127.9.9.{last}", 9), **rest)


def lb(**values: object) -> dict[str, dict[str, object]]:
    """Metadata for the load balancer."""
    return {"envoy.lb": values}


_EQUAL = tuple(at(last) for last in range(1, 8))
_WEIGHED = tuple(at(last, weight=weight) for last, weight in enumerate((1, 2, 5, 1, 3), 1))
_UNEQUAL = tuple(at(last, weight=weight) for last, weight in enumerate((3, 100, 17), 1))
_NAMED = (
    at(1, hostname="one.example"),
    at(2, hostname="two.example"),
    at(3, hostname="three.example", metadata=lb(hash_key="the third")),
    at(4, hostname="four.example", metadata=lb(hash_key=4)),
)
_ADDRESSES: Sequence[Address] = (Pipe("/tmp/nobody.sock"), SocketAddress("::1", 9), SocketAddress("127.0.0.1", 9))
_ILL = HealthStatus.UNHEALTHY
_PRIORITIES = (
    *(at(last, health_status=_ILL if last % 2 else HealthStatus.UNKNOWN) for last in range(1, 5)),
    *(at(last, priority=1) for last in range(5, 8)),
)
_FAR, _NEAR = Locality("far", "b"), Locality("near", "a")
_LOCALITIES = (
    *(at(last, locality=_NEAR, locality_weight=3) for last in range(1, 4)),
    *(at(last, locality=_FAR, locality_weight=1, weight=last) for last in range(4, 7)),
    at(7, locality=Locality("none")),
)
_PANIC = tuple(at(last, health_status=HealthStatus.UNKNOWN if last < 3 else _ILL) for last in range(1, 8))
_BY_LOCALITY = CommonLbConfig(locality_weighted=True)
_BY_NAME = CommonLbConfig(consistent_hashing=ConsistentHashingLbConfig(use_hostname_for_hashing=True))
_RING, _MAGLEV = LbPolicy.RING_HASH, LbPolicy.MAGLEV

HASHING = {
    cluster.name: cluster
    for cluster in (
        Cluster("ring", endpoints=_EQUAL, lb_policy=_RING),
        Cluster("ring-weights", endpoints=_WEIGHED, lb_policy=_RING, ring_hash=RingHashLbConfig(64)),
        Cluster("ring-small", endpoints=_WEIGHED, lb_policy=_RING, ring_hash=RingHashLbConfig(5, 17)),
        Cluster("ring-murmur", endpoints=_EQUAL, lb_policy=_RING, ring_hash=RingHashLbConfig(hash_function=RingHashFunction.MURMUR_HASH_2)),
        Cluster("ring-names", endpoints=_NAMED, lb_policy=_RING, common_lb=_BY_NAME),
        Cluster("ring-addresses", endpoints=tuple(LbEndpoint(address) for address in _ADDRESSES), lb_policy=_RING),
        Cluster("ring-priorities", endpoints=_PRIORITIES, lb_policy=_RING),
        Cluster("ring-localities", endpoints=_LOCALITIES, lb_policy=_RING, common_lb=_BY_LOCALITY),
        Cluster("ring-panic", endpoints=_PANIC, lb_policy=_RING),
        Cluster("maglev", endpoints=_EQUAL, lb_policy=_MAGLEV),
        Cluster("maglev-weights", endpoints=_UNEQUAL, lb_policy=_MAGLEV, maglev=MaglevLbConfig(1009)),
        Cluster("maglev-names", endpoints=_NAMED, lb_policy=_MAGLEV, common_lb=_BY_NAME, maglev=MaglevLbConfig(251)),
        Cluster("maglev-localities", endpoints=_LOCALITIES, lb_policy=_MAGLEV, common_lb=_BY_LOCALITY, maglev=MaglevLbConfig(1009)),
    )
}
"""Clusters where a key meets one host."""

_STAGES = (
    at(1, metadata=lb(stage="prod", version="1.0", size=1)),
    at(2, metadata=lb(stage="prod", version="1.0", size=True)),
    at(3, metadata=lb(stage="prod", version="1.1")),
    at(4, metadata=lb(stage="dev", version="1.2")),
    at(5, metadata=lb(stage="dev", version=["1.3", "1.4"])),
    at(6),
)


def _selector(
    *keys: str, policy: SubsetFallback = SubsetFallback.NOT_DEFINED, fallback: Sequence[str] = (), single: bool = False
) -> LbSubsetSelector:
    return LbSubsetSelector(frozenset(keys), single, policy, frozenset(fallback))


_SELECTORS = (
    _selector("stage", "version", policy=SubsetFallback.KEYS_SUBSET, fallback=["stage"]),
    _selector("stage", policy=SubsetFallback.DEFAULT_SUBSET),
    _selector("version", policy=SubsetFallback.NO_FALLBACK),
    _selector("size", policy=SubsetFallback.ANY_ENDPOINT),
)
SUBSETS = {
    "none": LbSubsetConfig(_SELECTORS),
    "default": LbSubsetConfig(_SELECTORS, SubsetFallback.DEFAULT_SUBSET, {"stage": "dev"}),
    "any": LbSubsetConfig(_SELECTORS, SubsetFallback.ANY_ENDPOINT, list_as_any=True),
    "panic": LbSubsetConfig(_SELECTORS, SubsetFallback.DEFAULT_SUBSET, {"stage": "gone"}, panic_mode_any=True),
    "single": LbSubsetConfig((_selector("stage", single=True),), SubsetFallback.NO_FALLBACK),
    "list": LbSubsetConfig(_SELECTORS, SubsetFallback.NO_FALLBACK, metadata_fallback=True),
}
"""Subsets of `SUBSET_HOSTS`."""
SUBSET_HOSTS = _STAGES
CRITERIA: Sequence[dict[str, object] | None] = (
    None,
    {"stage": "prod"},
    {"stage": "test"},
    {"stage": "prod", "version": "1.0"},
    {"stage": "prod", "version": "9"},
    {"stage": "test", "version": "9"},
    {"version": "1.1"},
    {"version": "1.3"},
    {"version": ["1.3", "1.4"]},
    {"version": "9"},
    {"size": 1},
    {"size": 1.0},
    {"size": True},
    {"size": "1"},
    {"color": "blue"},
    {"stage": "prod", "color": "blue"},
    {"fallback_list": [{"version": "9"}, {"version": "1.2"}]},
    {"stage": "prod", "fallback_list": [{"version": "9"}, {"version": "1.1"}, {}]},
    {"stage": "prod", "fallback_list": []},
)
"""What routes ask of subsets."""

_DEGRADED = HealthStatus.DEGRADED
_NO_PANIC = CommonLbConfig(healthy_panic_threshold=0)
_HALF_ILL = tuple(
    at(last, locality=_NEAR, locality_weight=1, health_status=_ILL if last < 3 else HealthStatus.UNKNOWN) for last in range(1, 5)
)

SHARES = {
    cluster.name: cluster
    for cluster in (
        Cluster("weights", endpoints=_UNEQUAL),
        Cluster("least-weights", endpoints=_WEIGHED, lb_policy=LbPolicy.LEAST_REQUEST),
        Cluster("priorities", endpoints=_PRIORITIES),
        Cluster("third-priority", endpoints=(*_PRIORITIES[:4], at(8, priority=1, health_status=_ILL), at(9, priority=2))),
        Cluster("localities", endpoints=_LOCALITIES, common_lb=_BY_LOCALITY),
        Cluster("ill-locality", endpoints=(*_HALF_ILL, at(5, locality=_FAR, locality_weight=1)), common_lb=_BY_LOCALITY),
        Cluster(
            "unweighed-localities", endpoints=(at(1, locality=_NEAR), at(2, locality=_NEAR), at(3, locality=_FAR)), common_lb=_BY_LOCALITY
        ),
        Cluster("degraded", endpoints=(at(1), at(2), at(3, health_status=_DEGRADED), at(4, health_status=_DEGRADED))),
        Cluster("all-degraded", endpoints=tuple(at(last, health_status=_DEGRADED) for last in (1, 2))),
        Cluster("panic", endpoints=_PANIC),
        Cluster("no-panic", endpoints=_PANIC, common_lb=_NO_PANIC),
        Cluster("nobody", endpoints=tuple(at(last, health_status=_ILL) for last in (1, 2)), common_lb=_NO_PANIC),
        Cluster("total-panic", endpoints=tuple(at(last, priority=int(last > 2), health_status=_ILL) for last in range(1, 6))),
        Cluster("failing-panic", endpoints=_PANIC, common_lb=CommonLbConfig(zone_aware=ZoneAwareLbConfig(fail_traffic_on_panic=True))),
    )
}
"""Clusters that share requests in a certain proportion."""
REQUESTS = 240
"""So many are shared."""


def recorded() -> dict[str, Any]:
    """What Envoy chose: for each of `HASHING` the hosts for `KEYS`; for each of `SUBSETS` the hosts for each of `CRITERIA`; for each of
    `SHARES` how many of `REQUESTS` each host got."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "envoy_1_40_balancing.json").read_text())
    return found


def alike(counts: Mapping[str, int], others: Mapping[str, int]) -> bool:
    """Whether both say the same of `REQUESTS`, as far as chance allows: the same hosts, and shares within a sixth of all."""
    return counts.keys() == others.keys() and all(abs(counts[name] - others[name]) <= REQUESTS / 6 for name in counts)


def ask_envoy(program: str, listener: int, admin: int, directory: Path) -> dict[str, Any]:
    """Have Envoy choose, on ports *listener* and *admin*."""
    log = directory / "access.log"
    config = _configuration(listener, admin, log)
    with running_envoy(program, json.dumps(config), admin, directory), Wire(listener) as wire:
        for name in HASHING:
            for key in KEYS:
                wire.ask("GET", f"/hash/{name}/", f"x-key: {key}")
        for name in SUBSETS:
            for number in range(len(CRITERIA)):
                for _ in range(_ROUNDS):
                    wire.ask("GET", f"/subset/{name}/{number}/")
        for name in SHARES:
            for _ in range(REQUESTS):
                wire.ask("GET", f"/share/{name}/")
        asked = len(HASHING) * len(KEYS) + len(SUBSETS) * len(CRITERIA) * _ROUNDS + len(SHARES) * REQUESTS
        deadline = time.monotonic() + PATIENCE
        while log.read_text().count("\n") < asked and time.monotonic() < deadline:
            time.sleep(0.02)
    hashing: dict[str, list[str]] = {name: [] for name in HASHING}
    subsets: dict[str, list[list[str]]] = {name: [[] for _ in CRITERIA] for name in SUBSETS}
    shares: dict[str, Counter[str]] = {name: Counter() for name in SHARES}
    for line in log.read_text().splitlines():
        path, host = line.split(" ")
        _, kind, name, *number = path.rstrip("/").split("/")
        if kind == "hash":
            hashing[name].append(host)
        elif kind == "share":
            shares[name][host] += 1
        else:
            subsets[name][int(number[0])].append(host)
    return {
        "hashing": hashing,
        "subsets": {name: [sorted({*hosts} - {"-"}) for hosts in chosen] for name, chosen in subsets.items()},
        "shares": {name: dict(sorted(counts.items())) for name, counts in shares.items()},
    }


def _configuration(listener: int, admin: int, log: Path) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions."
    hashed = [
        {
            "match": {"prefix": f"/hash/{name}/"},
            "route": {"cluster": name, "hash_policy": [{"header": {"header_name": "x-key"}}]},
        }
        for name in HASHING
    ]
    selected = [
        {
            "match": {"prefix": f"/subset/{name}/{number}/"},
            "route": {
                "cluster": f"subset-{name}",
                **({} if criteria is None else {"metadata_match": {"filter_metadata": {"envoy.lb": criteria}}}),
            },
        }
        for name in SUBSETS
        for number, criteria in enumerate(CRITERIA)
    ]
    shared = [{"match": {"prefix": f"/share/{name}/"}, "route": {"cluster": name}} for name in SHARES]
    line = {"text_format_source": {"inline_string": "%REQ(:PATH)% %UPSTREAM_HOST%\n"}}
    manager = {
        "@type": f"{kind}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "s",
        "access_log": [
            {
                "name": "file",
                "typed_config": {"@type": f"{kind}access_loggers.file.v3.FileAccessLog", "path": str(log), "log_format": line},
            }
        ],
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{kind}filters.http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": hashed + selected + shared}]},
    }
    subset_clusters = [Cluster(f"subset-{name}", endpoints=SUBSET_HOSTS, subsets=subsets) for name, subsets in SUBSETS.items()]
    return {
        "admin": {"address": _address(SocketAddress("127.0.0.1", admin))},
        "static_resources": {
            "listeners": [
                {
                    "address": _address(SocketAddress("127.0.0.1", listener)),
                    "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
                }
            ],
            "clusters": [_cluster(cluster) for cluster in (*HASHING.values(), *SHARES.values(), *subset_clusters)],
        },
    }


def _cluster(cluster: Cluster) -> dict[str, Any]:
    """*cluster* as Envoy reads it, as far as it is used here."""
    groups: dict[tuple[int, Locality], list[LbEndpoint]] = {}
    for endpoint in cluster.endpoints:
        groups.setdefault((endpoint.priority, endpoint.locality), []).append(endpoint)
    common: dict[str, Any] = {}
    if cluster.common_lb.consistent_hashing.use_hostname_for_hashing:
        common["consistent_hashing_lb_config"] = {"use_hostname_for_hashing": True}
    if cluster.common_lb.healthy_panic_threshold != 50:
        common["healthy_panic_threshold"] = {"value": cluster.common_lb.healthy_panic_threshold}
    if cluster.common_lb.zone_aware is not None:
        common["zone_aware_lb_config"] = {"fail_traffic_on_panic": cluster.common_lb.zone_aware.fail_traffic_on_panic}
    if cluster.common_lb.locality_weighted:
        common["locality_weighted_lb_config"] = {}
    written: dict[str, Any] = {
        "name": cluster.name,
        # Envoy wants names where it is to go by names; addresses will do.
        "type": "STRICT_DNS" if cluster.common_lb is _BY_NAME else "STATIC",
        "lb_policy": cluster.lb_policy.value,
        "common_lb_config": common,
        "load_assignment": {
            "cluster_name": cluster.name,
            "endpoints": [
                {
                    "priority": priority,
                    "locality": {"region": locality.region, "zone": locality.zone},
                    **({"load_balancing_weight": hosts[0].locality_weight} if hosts[0].locality_weight else {}),
                    "lb_endpoints": [_lb_endpoint(host) for host in hosts],
                }
                for (priority, locality), hosts in groups.items()
            ],
        },
    }
    if cluster.lb_policy is LbPolicy.RING_HASH:
        ring = cluster.ring_hash
        written["ring_hash_lb_config"] = {
            "minimum_ring_size": ring.minimum_ring_size,
            "maximum_ring_size": ring.maximum_ring_size,
            "hash_function": ring.hash_function.value,
        }
    if cluster.lb_policy is LbPolicy.MAGLEV:
        written["maglev_lb_config"] = {"table_size": cluster.maglev.table_size}
    if cluster.subsets is not None:
        written["lb_subset_config"] = _subsets(cluster.subsets)
    return written


def _lb_endpoint(host: LbEndpoint) -> dict[str, Any]:
    return {
        "endpoint": {"address": _address(host.address), "hostname": host.hostname},
        "load_balancing_weight": host.weight,
        "health_status": host.health_status.value,
        "metadata": {"filter_metadata": host.metadata},
    }


def _subsets(subsets: LbSubsetConfig) -> dict[str, Any]:
    return {
        "fallback_policy": subsets.fallback_policy.value,
        "default_subset": subsets.default_subset,
        "list_as_any": subsets.list_as_any,
        "panic_mode_any": subsets.panic_mode_any,
        "metadata_fallback_policy": "FALLBACK_LIST" if subsets.metadata_fallback else "METADATA_NO_FALLBACK",
        "subset_selectors": [
            {
                "keys": sorted(selector.keys),
                "single_host_per_subset": selector.single_host_per_subset,
                "fallback_policy": selector.fallback_policy.value,
                "fallback_keys_subset": sorted(selector.fallback_keys_subset),
            }
            for selector in subsets.selectors
        ],
    }


def _address(address: Address) -> dict[str, Any]:
    if isinstance(address, Pipe):
        return {"pipe": {"path": address.path}}
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def main(target: str) -> None:
    """Write what Envoy chooses into the file *target*."""
    from bench.candidates import envoy_program
    from tests.support.backend import ReservedPort

    with tempfile.TemporaryDirectory() as directory, ReservedPort() as listener, ReservedPort() as admin:
        found = ask_envoy(envoy_program(), listener.port, admin.port, Path(directory))
    Path(target).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
