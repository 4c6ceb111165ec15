"""What a route's requests ask of their cluster's load balancer (Envoy's ``LoadBalancerContext``), compiled.

Rule 1. Only what the cluster's policy looks at is asked: a hash where hosts are found by one, criteria where there are subsets.
        Routes that ask nothing of it have no `Picking`.
Rule 2. What filters say of a request (its dynamic metadata ``envoy.lb``) is asked besides what the route says, and before it.
Rule 3. What a retry asks besides (`Tried`) is not asked of a first try, as in Envoy.
"""

from shifter.model.cluster import Cluster
from shifter.model.load_balancing import LbPolicy
from shifter.model.retry import RetryPolicy
from shifter.model.route import RouteAction, WeightedCluster
from shifter.proxy.downstream import Downstream, client_of
from shifter.routing.hash_policy import Newcomer, asks_for_client, compile_hash
from shifter.upstream.host import Host
from shifter.upstream.interfaces import PickContext
from shifter.upstream.load_balancer.criteria import criteria_of, merged
from shifter.upstream.pool import EndpointPool
from shifter.wire.events import RequestHead

_HASHING = (LbPolicy.RING_HASH, LbPolicy.MAGLEV)
_LB = "envoy.lb"


class Picking:
    """What requests for one entry of a route ask."""

    __slots__ = ("_criteria", "_hash", "_needs_client", "_selects")

    def __init__(self, action: RouteAction, entry: WeightedCluster, cluster: Cluster) -> None:
        hashes = cluster.lb_policy in _HASHING and action.hash_policy
        self._hash = compile_hash(action.hash_policy) if hashes else None
        self._needs_client = asks_for_client(action.hash_policy)
        wanted = entry.metadata_match if action.clusters else action.metadata_match
        self._criteria = criteria_of(wanted) if wanted is not None else None
        self._selects = cluster.subsets is not None

    @property
    def asks(self) -> bool:
        """Whether anything is asked."""
        return self._hash is not None or self._selects

    def context(self, head: RequestHead, downstream: Downstream) -> tuple[PickContext, bytes]:
        """Return what *head* asks, and the ``set-cookie`` lines that its answer then has to carry."""
        context = PickContext()
        if self._selects:
            context.criteria = self._criteria
            said = head.metadata.get(_LB) if head.metadata is not None else None
            if said:
                context.criteria = merged(self._criteria or (), criteria_of(said))
        newcomer = Newcomer(downstream.runtime.worker.random)
        if self._hash is not None:
            client = client_of(head, downstream) if self._needs_client else b""
            context.hash = self._hash(head, client, newcomer)
        return context, newcomer.lines


class Tried:
    """The hosts that a request has been to, and what its next try asks because of them (``retry_host_predicate``,
    ``retry_priority``)."""

    __slots__ = ("_avoids", "_hosts", "_policy", "_priorities")

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._avoids = policy.previous_hosts or policy.omit_canary_hosts or bool(policy.omit_host_metadata)
        self._hosts: list[Host] = []
        self._priorities: frozenset[int] = frozenset()

    @property
    def matter(self) -> bool:
        """Whether the policy asks anything because of them."""
        return self._avoids or bool(self._policy.previous_priorities)

    def add(self, host: Host) -> None:
        """A try went to *host*."""
        self._hosts.append(host)
        every = self._policy.previous_priorities
        if every and not len(self._hosts) % every:
            self._priorities = frozenset(host.endpoint.priority for host in self._hosts)

    def ask(self, context: PickContext) -> None:
        """Write into *context* what is asked of the next try."""
        policy = self._policy
        context.priorities_tried = self._priorities
        if self._avoids:
            context.avoid = self.avoids
            context.host_selection_attempts = policy.host_selection_attempts

    def avoids(self, pool: EndpointPool) -> bool:
        """Say whether another endpoint than this one should be looked for."""
        policy = self._policy
        host = pool.host
        if policy.previous_hosts and host in self._hosts:
            return True
        if policy.omit_canary_hosts and host.canary:
            return True
        if not policy.omit_host_metadata:
            return False
        known = host.endpoint.metadata.get(_LB, {})
        return all(key in known and known[key] == value for key, value in policy.omit_host_metadata.items())
