"""From a request's head to the exchange that serves it, whichever door it came by.

The order is Envoy's: the target is made canonical, the fields of this hop are written, and only then is a route looked for,
so that what is matched is what is forwarded.
"""

from shifter.filters.api import Reply
from shifter.proxy.downstream import Downstream, Exchange
from shifter.proxy.local_reply import LocalReply
from shifter.proxy.outcome import blank, cluster_of, local_entry
from shifter.routing.errors import RequestRefused
from shifter.routing.forwarded import UNDERSCORE
from shifter.routing.path import PathRedirect, make_canonical
from shifter.wire.events import CLOSE, ODD_PATH, RequestHead
from shifter.wire.h1 import REASONS

_NOT_FOUND = Reply(404, flags=b"NR", details="route_not_found")


def exchange_for(head: RequestHead, downstream: Downstream, host: bytes) -> Exchange:
    """Return the exchange for *head*, which came from the client at *host*; nothing has been sent yet."""
    runtime = downstream.runtime
    head.random = runtime.worker.random()
    try:
        if head.flags & ODD_PATH:
            make_canonical(head, runtime.settings.path_normalization, runtime.tree.connects)
        runtime.forwarding.prepare(head, host, runtime.worker.request_id)
    except RequestRefused as refused:
        head.flags |= CLOSE
        if refused.status == 400:
            runtime.stats.downstream_rq_failed_path_normalization += bool(head.flags & ODD_PATH)
        return _refused(head, downstream, refused)
    except PathRedirect as redirect:
        return _redirected(head, downstream, redirect.location)
    if runtime.client_certificates is not None:
        runtime.client_certificates.tell(head, downstream.transport)
    if runtime.tracer is not None:
        runtime.tracer.begin(head, runtime.tree.locate)
    if runtime.start_logs:
        _log_start(head, downstream)
    if runtime.filters is not None:
        return runtime.filters.exchange_for(head, downstream)
    runtime.stats.rq_total += 1
    leaf = runtime.tree.locate(head)
    return leaf.start(head, downstream) if leaf is not None else not_found(head, downstream)


def _log_start(head: RequestHead, downstream: Downstream) -> None:
    """Write down that a request begins, with the route that it fits now (``flush_access_log_on_new_request``)."""
    runtime = downstream.runtime
    entry = local_entry(downstream, head, 0, b"", "", 0.0, blank())
    route = getattr(runtime.tree.locate(head), "config", None)  # not which entry of it: that is drawn once
    if route is not None:
        entry.route = route.name
        entry.route_metadata = route.metadata
        entry.cluster = cluster_of(route)
    for access_log in runtime.start_logs:
        access_log.write(entry)


def not_found(head: RequestHead, downstream: Downstream) -> Exchange:
    """Return the exchange for a request that no route fits."""
    downstream.runtime.stats.no_route += 1
    return LocalReply(head, downstream, _NOT_FOUND)


def _refused(head: RequestHead, downstream: Downstream, refused: RequestRefused) -> Exchange:
    flags = {400: b"DPE", 404: b"NR"}.get(refused.status, b"")
    # Envoy's codec says no, and words it; what the connection manager refuses has no body.
    body = REASONS[400] if refused.detail == UNDERSCORE else b""
    return _early(head, downstream, Reply(refused.status, body, flags=flags, details=refused.detail))


def _redirected(head: RequestHead, downstream: Downstream, location: bytes) -> Exchange:
    downstream.runtime.stats.downstream_rq_redirected_with_normalized_path += 1
    return _early(head, downstream, Reply(307, fields=b"\r\nlocation: " + location, details="path_normalization_failed"))


def _early(head: RequestHead, downstream: Downstream, reply: Reply) -> Exchange:
    """Return the exchange for a request that is answered before it is routed."""
    filters = downstream.runtime.filters
    return LocalReply(head, downstream, reply) if filters is None else filters.refused(head, downstream, reply)
