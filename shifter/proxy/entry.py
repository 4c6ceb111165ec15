"""From a request's head to the exchange that serves it, whichever door it came by.

The order is Envoy's: the target is made canonical, the fields of this hop are written, and only then is a route looked for,
so that what is matched is what is forwarded.
"""

from shifter.proxy.downstream import Downstream, Exchange
from shifter.proxy.outcome import LocalReply
from shifter.routing.errors import RequestRefused
from shifter.routing.path import PathRedirect, make_canonical
from shifter.wire.events import CLOSE, ODD_PATH, RequestHead


def exchange_for(head: RequestHead, downstream: Downstream, host: bytes) -> Exchange:
    """Return the exchange for *head*, which came from the client at *host*; nothing has been sent yet."""
    runtime = downstream.runtime
    head.random = runtime.worker.random()
    try:
        if head.flags & ODD_PATH:
            make_canonical(head, runtime.settings.path_normalization)
        runtime.forwarding.prepare(head, host, runtime.worker.request_id)
    except RequestRefused as refused:
        head.flags |= CLOSE
        if refused.status == 400:
            runtime.stats.downstream_rq_failed_path_normalization += bool(head.flags & ODD_PATH)
        flags = {400: b"DPE", 404: b"NR"}.get(refused.status, b"")
        return LocalReply(head, downstream, refused.status, flags=flags, details=refused.detail)
    except PathRedirect as redirect:
        runtime.stats.downstream_rq_redirected_with_normalized_path += 1
        return LocalReply(head, downstream, 307, fields=b"\r\nlocation: " + redirect.location, details="path_normalization_redirect")
    leaf = runtime.tree.locate(head)
    if leaf is None:
        runtime.stats.no_route += 1
        return LocalReply(head, downstream, 404, flags=b"NR", details="route_not_found")
    return leaf.start(head, downstream)
