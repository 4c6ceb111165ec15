"""What the live page draws its picture of: listeners, the routes of each, the clusters these lead to.                  (pure)

Rule 1. It says of a configuration what requests can see of it: weights and shares are those in force, with the runtime's values.
Rule 2. It comes in pieces of JSON text, so that a large one can be made a little at a time.
"""

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction

from shifter.model.bootstrap import Bootstrap, Snapshot
from shifter.model.listener import FilterChain, Listener
from shifter.model.route import Route, RouteAction, VirtualHost
from shifter.model.tcp_proxy import TcpProxy
from shifter.routing.explain_text import action_words
from shifter.routing.match_text import described
from shifter.routing.runtime import Runtime
from shifter.routing.weighted_clusters import is_sticky
from shifter.routing.weights import have_weight, weights_now


def topology(snapshot: Snapshot, taken: float) -> Iterator[str]:
    """Iterate over pieces of the JSON object that describes *snapshot*, in force since *taken* (wall clock); one for each route or so."""
    bootstrap = snapshot.bootstrap
    head = {"version": snapshot.version, "source": snapshot.source, "taken": taken, "node": bootstrap.node_id}
    yield json.dumps(head)[:-1] + ', "listeners": ['
    yield from _separated(_listener(listener, bootstrap) for listener in bootstrap.listeners)
    yield '], "clusters": {'
    for number, cluster in enumerate(bootstrap.clusters):
        about = {
            "type": cluster.type.value,
            "lb_policy": cluster.lb_policy.value,
            "checked": bool(cluster.health_checks),
            "outliers": cluster.outlier_detection is not None,
            "place": cluster.place,
        }
        yield f"{', ' if number else ''}{json.dumps(cluster.name)}: {json.dumps(about)}"
    yield "}}"


def _separated(parts: Iterator[Iterator[str]]) -> Iterator[str]:
    """The pieces of each part, with commas between parts."""
    for number, part in enumerate(parts):
        if number:
            yield ", "
        yield from part


def _listener(listener: Listener, bootstrap: Bootstrap) -> Iterator[str]:
    yield json.dumps({"name": listener.name, "address": str(listener.address), "place": listener.place})[:-1] + ', "chains": ['
    runtime = Runtime(bootstrap.runtime)
    yield from _separated(_chain(listener, chain, runtime) for chain in listener.chains)
    yield "]}"


def _chain(listener: Listener, chain: FilterChain, runtime: Runtime) -> Iterator[str]:
    head = {
        "name": chain.name,
        "server_names": list(chain.match.server_names),
        "default": chain is listener.default_filter_chain,
        "tls": chain.tls is not None,
        "stat_prefix": chain.filter.stat_prefix,
    }
    if isinstance(chain.filter, TcpProxy):
        weights = [entry.weight for entry in chain.filter.clusters]
        entries = [entry.name for entry in chain.filter.clusters]
        yield json.dumps({**head, "kind": "tcp", "to": _entries(entries, weights)})
        return
    yield json.dumps({**head, "kind": "http"})[:-1] + ', "hosts": ['
    yield from _separated(_host(host, runtime) for host in chain.filter.route_config.virtual_hosts)
    yield "]}"


def _host(host: VirtualHost, runtime: Runtime) -> Iterator[str]:
    domains = [domain.decode("utf-8", "replace") for domain in host.domains]
    yield json.dumps({"name": host.name, "domains": domains, "place": host.place})[:-1] + ', "routes": ['
    yield from _separated(iter([json.dumps(_route(number, route, runtime))]) for number, route in enumerate(host.routes, 1))
    yield "]}"


def _route(number: int, route: Route, runtime: Runtime) -> dict[str, object]:
    about: dict[str, object] = {"number": number, "name": route.name, "match": described(route.match), "place": route.place}
    action = route.action
    if not isinstance(action, RouteAction) or not action.clusters:
        return {**about, "answer": action_words(route, runtime), "to": []}
    names = [entry.name or f"named by {(entry.cluster_header or b'').decode('utf-8', 'replace')}" for entry in action.clusters]
    copies = [policy.cluster for policy in action.mirrors if policy.cluster]
    more = {**({"sticky": True} if is_sticky(action) else {}), **({"copies": copies} if copies else {})}
    return {**about, "to": _entries(names, weights_now(action, runtime)), **more}


def _entries(names: Sequence[str], weights: Sequence[int]) -> list[dict[str, object]]:
    """Each entry with its share: 0 to 1 of what comes, while nothing is unwell."""
    total = sum(weights) if have_weight(weights) else 1
    return [
        {"cluster": name, "weight": weight, "share": float(Fraction(weight, total))} for name, weight in zip(names, weights, strict=True)
    ]
