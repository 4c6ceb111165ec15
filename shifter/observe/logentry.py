"""What access logs, header values and local replies can tell about one exchange."""

from collections.abc import Mapping

from shifter.observe.tls_operands import TlsFacts
from shifter.observe.tracing import Trace


class LogEntry:
    """What formats can tell about one request.

    ``start`` is the wall clock at the request's first byte, in seconds since the epoch. ``path`` is the target as forwarded
    and ``original_path`` what ``x-envoy-original-path`` says when a route rewrote it. ``status`` is 0 when the client got no
    answer. ``flags`` are Envoy's response flags joined by commas. Bytes count bodies, not heads. ``request_block`` holds the
    fields of the request as forwarded (as received, when it was not), ``response_block`` those of the answer as sent;
    see ``shifter.wire.events`` for their form. ``upstream_host`` is ``address:port`` of the last endpoint tried,
    ``upstream_service_time`` the text of ``x-envoy-upstream-service-time``. ``attempts`` is how often an upstream was tried.

    The rest is filled in only for formats that ask for it (`operators.asks_for_more`): ``peer`` is the client's ``address:port`` as
    ``x-forwarded-for`` tells it where that is trusted, ``direct_peer`` that of the connection, ``local_address`` our end of it;
    ``metadata`` is what filters left and ``route_metadata`` the route's own, ``cluster_metadata`` and ``upstream_metadata`` those of
    the cluster and the endpoint, ``upstream_local`` our end of the connection to it; ``request_ms`` and ``response_ms`` are the
    milliseconds until the request's last byte, and until the answer's first; ``trailers`` are those of the answer; ``body`` is that of
    a local reply, and ``reply_status`` its status before it has one. ``tls`` and ``upstream_tls`` are what the handshakes with the
    client and the endpoint came to, ``transport_failure`` and ``upstream_transport_failure`` why one failed; ``server_name`` is the one
    that the client asked for, ``filter_chain`` the name of the one it came to, ``termination`` why we closed its connection. ``trace``
    is the request's place in its trace, where there is tracing. What is empty or ``None`` is not known.
    """

    __slots__ = (
        "attempts",
        "authority",
        "body",
        "bytes_received",
        "bytes_sent",
        "cluster",
        "cluster_metadata",
        "connection_id",
        "details",
        "direct_peer",
        "duration_ms",
        "filter_chain",
        "flags",
        "local_address",
        "metadata",
        "method",
        "original_path",
        "path",
        "peer",
        "protocol",
        "reply_status",
        "request_block",
        "request_ms",
        "response_block",
        "response_ms",
        "route",
        "route_metadata",
        "scheme",
        "server_name",
        "start",
        "status",
        "termination",
        "tls",
        "trace",
        "trailers",
        "transport_failure",
        "upstream_host",
        "upstream_host_name",
        "upstream_local",
        "upstream_metadata",
        "upstream_protocol",
        "upstream_service_time",
        "upstream_tls",
        "upstream_transport_failure",
        "virtual_cluster",
    )

    def __init__(self, start: float, method: bytes, path: bytes, authority: bytes) -> None:
        self.start = start
        self.method = method
        self.path = path
        self.authority = authority
        self.scheme = b"http"
        self.original_path: bytes | None = None
        self.protocol = b"HTTP/1.1"
        self.status = 0
        self.flags = b""
        self.details = ""
        self.bytes_received = 0
        self.bytes_sent = 0
        self.duration_ms = 0
        self.request_block = b""
        self.response_block = b""
        self.upstream_host: bytes | None = None
        self.upstream_service_time: bytes | None = None
        self.cluster = ""
        self.route = ""
        self.attempts = 0
        self.connection_id = 0
        self.forget()

    def forget(self) -> None:
        """Forget what only some formats ask for, so that the entry can be filled in for another exchange."""
        self.peer = b""
        self.direct_peer = b""
        self.local_address = b""
        self.upstream_host_name = b""
        self.upstream_local = b""
        self.upstream_protocol = b""
        self.cluster_metadata: Mapping[str, Mapping[str, object]] | None = None
        self.upstream_metadata: Mapping[str, Mapping[str, object]] | None = None
        self.virtual_cluster = ""
        self.metadata: Mapping[str, Mapping[str, object]] | None = None
        self.route_metadata: Mapping[str, Mapping[str, object]] | None = None
        self.request_ms: int | None = None
        self.response_ms: int | None = None
        self.reply_status = 0
        self.trailers = b""
        self.body = b""
        self.tls: TlsFacts | None = None
        self.upstream_tls: TlsFacts | None = None
        self.transport_failure = ""
        self.upstream_transport_failure = ""
        self.server_name = ""
        self.filter_chain = ""
        self.termination = ""
        self.trace: Trace | None = None
