"""Which form of the host a request is routed by, and forwarded with (``strip_matching_host_port``, ``strip_any_host_port``,
``strip_trailing_host_dot``)."""

from collections.abc import Callable

from shifter.model.http_connection_manager import StripPort
from shifter.routing.hosts import without_port

HostForm = Callable[[bytes], bytes]


def compile_host_form(strip: StripPort, port: int, strip_dot: bool) -> HostForm | None:
    """Return what takes from an authority what *strip*, at a listener on *port*, and *strip_dot* say; ``None`` for nothing."""
    if strip is StripPort.NONE and not strip_dot:
        return None
    only = b"%d" % port if strip is StripPort.MATCHING else None

    def formed(authority: bytes) -> bytes:
        host = without_port(authority)
        tail = authority[len(host) :]
        if not tail[1:].isdigit():
            host, tail = authority, b""  # no port, or what cannot be one
        if strip_dot and host.endswith(b"."):
            host = host[:-1]
        if strip is StripPort.ANY or (tail and tail[1:] == only):
            return host
        return host + tail

    return formed
