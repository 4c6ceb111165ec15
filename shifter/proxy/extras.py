"""What a route asks for besides being forwarded, compiled from the route and from what is around it.

A route that asks for nothing has no `Extras`, and its exchanges know nothing of them (`stream.ProxyStream`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from shifter.model.cluster import Cluster, RoutingPriority
from shifter.model.route import ConnectConfig, RequestMirrorPolicy, RouteAction, UpgradeConfig, WeightedCluster
from shifter.proxy.cluster_refresh import ClusterRefresh
from shifter.proxy.connection_choice import ConnectionChoice
from shifter.proxy.internal_redirect import Redirects
from shifter.proxy.max_stream_duration import Limit, compile_duration, compile_grpc_timeout
from shifter.proxy.mirror import Copying, Mirror
from shifter.proxy.picking import Picking
from shifter.proxy.virtual_clusters import VirtualClusters
from shifter.routing.retry_policy import RetryRules
from shifter.routing.runtime import Runtime
from shifter.upstream.cluster import LiveCluster
from shifter.wire.events import RequestHead


@dataclass(frozen=True, slots=True)
class Inherited:
    """What routes get from their virtual host, their route configuration and their connection manager.

    ``upgrades`` are the connection manager's; ``None`` when neither it nor any route of it names one. ``has_internal_callers``: some
    clients may ask for things themselves (`routing.caller_wishes`). ``spans``: each try of a request has one (``spawn_upstream_span``),
    ``traced``: there is tracing. ``of_release`` copies what a release wants copied, besides.
    """

    mirrors: tuple[RequestMirrorPolicy, ...] = ()
    count_attempts: bool = False
    tell_attempts: bool = False
    virtual_clusters: VirtualClusters | None = None
    max_stream_duration: float = 0.0
    upgrades: tuple[UpgradeConfig, ...] | None = None
    has_internal_callers: bool = False
    spans: bool = False
    traced: bool = False
    of_release: Copying | None = None


@dataclass(frozen=True, slots=True)
class Extras:
    """See the module.

    ``mirrors`` get copies. ``duration`` bounds the whole exchange, and with ``tell_duration`` endpoints of gRPC learn of it.
    ``auto_host_rewrite`` makes the endpoint's name the host, and ``append_forwarded_host`` tells the former one. ``count_attempts``
    and ``tell_attempts`` write ``x-envoy-attempt-count`` upstream and downstream. ``redirects`` are followed here.
    ``virtual_clusters`` are the virtual host's. ``upgrades`` are the protocols that may be switched to (lower case); ``None`` where
    the whole listener has none. ``connect`` says how a CONNECT ends here.
    ``retry`` has tries made again, ``hedge`` with ``hedge_on_per_try_timeout``, and with ``refresh`` by another entry of the route.
    ``picking`` is what is asked of the load balancer. ``hears_wishes``: internal callers may ask for retries and times themselves.
    ``body_limit`` is how much of a body is kept for another try (bytes; ``None``: what the listener says). ``connections`` says which of
    its cluster's connections a request may use. ``grpc_timeout`` is the route's timeout for a gRPC request. ``spans``: each try has one.
    """

    mirrors: tuple[Copying, ...] = ()
    duration: Limit | None = None
    tell_duration: bool = False
    auto_host_rewrite: bool = False
    append_forwarded_host: bool = False
    count_attempts: bool = False
    tell_attempts: bool = False
    redirects: Redirects | None = None
    virtual_clusters: VirtualClusters | None = None
    upgrades: frozenset[bytes] | None = None
    connect: ConnectConfig | None = None
    retry: RetryRules | None = None
    hedge: bool = False
    refresh: ClusterRefresh | None = None
    picking: Picking | None = None
    hears_wishes: bool = False
    body_limit: int | None = None
    connections: ConnectionChoice | None = None
    grpc_timeout: Callable[[RequestHead], float] | None = None
    spans: bool = False


_NOTHING = Extras()
_ONLY_WISHES = Extras(hears_wishes=True)


def compile_extras(
    action: RouteAction,
    entry: WeightedCluster,
    cluster: Cluster,
    inherited: Inherited,
    find_cluster: Callable[[str], LiveCluster],
    runtime: Runtime,
    refresh: ClusterRefresh | None = None,
) -> Extras | None:
    """Return what a route with *action* asks for when its *entry* forwards to *cluster*; ``None`` for nothing."""
    picking = Picking(action, entry, cluster)
    connections = ConnectionChoice(cluster)
    retries = action.retry is not None
    mirrors: tuple[Copying, ...] = tuple(Mirror(policy, find_cluster, runtime) for policy in action.mirrors or inherited.mirrors)
    extras = Extras(
        mirrors if inherited.of_release is None else (*mirrors, inherited.of_release),
        compile_duration(action.max_stream_duration, inherited.max_stream_duration),
        action.max_stream_duration is not None,
        action.auto_host_rewrite,
        action.auto_host_rewrite and action.append_x_forwarded_host,
        inherited.count_attempts,
        inherited.tell_attempts,
        Redirects(action.internal_redirect) if action.internal_redirect is not None else None,
        inherited.virtual_clusters,
        _allowed(action, inherited.upgrades),
        next((one.connect for one in action.upgrades if one.connect is not None), None),
        RetryRules(action.retry, runtime) if action.retry is not None else None,
        retries and action.hedge is not None and action.hedge.hedge_on_per_try_timeout,
        refresh,
        picking if picking.asks else None,
        inherited.has_internal_callers,
        action.request_body_buffer_limit,
        connections if connections.asks else None,
        compile_grpc_timeout(action),
        inherited.spans,
    )
    nothing = replace(extras, body_limit=None) == _NOTHING
    return None if nothing else extras


def priority_of(action: RouteAction) -> RoutingPriority:
    """Return the priority of requests with *action*."""
    return RoutingPriority.HIGH if action.high_priority else RoutingPriority.DEFAULT


def asks_by_itself(extras: Extras) -> bool:
    """Say whether the route asks for anything before its client does."""
    return replace(extras, body_limit=None) != _ONLY_WISHES


def _allowed(action: RouteAction, upgrades: tuple[UpgradeConfig, ...] | None) -> frozenset[bytes] | None:
    """What the route says of a type beats what the connection manager does."""
    if upgrades is None:
        return None
    enabled = {one.type.lower(): one.enabled for one in (*upgrades, *action.upgrades)}
    return frozenset(kind for kind, on in enabled.items() if on)
