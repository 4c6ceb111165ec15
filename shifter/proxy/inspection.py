"""What a connection says first, read before it has a filter chain: a PROXY header, then a ClientHello (listener filters).

Rule 1. What was read and is not the filters' own goes on to the chain as if nobody had looked.
Rule 2. A connection that does not say what is waited for within ``listener_filters_timeout`` is closed, or goes on with what is known of
        it (``continue_on_listener_filters_timeout``). What it may make us hold meanwhile is bounded by the readers.
Rule 3. Bytes that are no TLS are no error: the chains for ``raw_buffer`` get them.
"""

from collections.abc import Callable
from typing import Protocol

from shifter.model.address import SocketAddress
from shifter.model.listener import Listener, ProxyProtocol
from shifter.net.transport import Connector, Handler, Transport
from shifter.observe.stats import ListenerStats
from shifter.routing.filter_chain_match import TLS, Incoming
from shifter.wire.client_hello import ClientHelloTooLarge, NotTls, missing, read_client_hello
from shifter.wire.proxy_protocol import (
    SIGNATURE_V1,
    SIGNATURE_V2,
    ProxyHeader,
    ProxyProtocolError,
    read_proxy_header,
)

_INSPECTED = ("alpn_found", "alpn_not_found", "client_hello_too_large", "sni_found", "sni_not_found", "tls_found", "tls_not_found")

Count = Callable[..., None]
"""Adds to a counter of the whole server; with ``by=0`` it is shown."""


class AcceptedTransport(Transport, Protocol):
    """A connection from a client: who is at its two ends can be said anew."""

    @property
    def network(self) -> Connector: ...
    @property
    def peer(self) -> SocketAddress: ...
    @peer.setter
    def peer(self, said: SocketAddress, /) -> None: ...
    @property
    def server_name(self) -> str: ...
    @server_name.setter
    def server_name(self, said: str, /) -> None: ...
    @property
    def local(self) -> SocketAddress: ...
    @local.setter
    def local(self, said: SocketAddress, /) -> None: ...


class Refused(Exception):
    """The connection is to be closed."""


class ProxyProtocolFilter:
    """``envoy.filters.listener.proxy_protocol``, compiled."""

    def __init__(self, config: ProxyProtocol, count: Count) -> None:
        self._config = config
        self._count = count
        self._prefix = f"proxy_proto.{config.stat_prefix}." if config.stat_prefix else "proxy_proto."
        self._signatures = [{1: SIGNATURE_V1, 2: SIGNATURE_V2}[version] for version in config.versions]
        names = [f"versions.v{version}.{what}" for version in (1, 2) for what in ("disallowed", "error", "found")]
        for name in (*names, "not_found_allowed", "not_found_disallowed"):
            count(self._prefix + name, 0)
        count("downstream_cx_proxy_proto_error", 0)

    def read(self, data: bytes) -> ProxyHeader | None:
        """Return the header, an empty one where there is none and need be none; ``None`` while more is needed. Raises `Refused`."""
        if self._config.allow_requests_without_proxy_protocol and not any(_may_be(data, one) for one in self._signatures):
            self._count(f"{self._prefix}not_found_allowed")
            return ProxyHeader(0, 0)
        for version, signature in ((1, SIGNATURE_V1), (2, SIGNATURE_V2)):
            if data.startswith(signature) and version not in self._config.versions:
                self._count(f"{self._prefix}versions.v{version}.found")
                self._count(f"{self._prefix}versions.v{version}.disallowed")
                raise Refused
        try:
            header = read_proxy_header(data)
        except ProxyProtocolError as error:
            self._count(f"{self._prefix}versions.v{error.version}.error" if error.version else f"{self._prefix}not_found_disallowed")
            self._count("downstream_cx_proxy_proto_error")
            raise Refused from None
        if header is not None:
            self._count(f"{self._prefix}versions.v{header.version}.found")
        return header


def _may_be(data: bytes, signature: bytes) -> bool:
    size = min(len(data), len(signature))
    return data[:size] == signature[:size]


class TlsInspector:
    """``envoy.filters.listener.tls_inspector``, which looks at *longest* bytes at most."""

    def __init__(self, longest: int, count: Count) -> None:
        self.longest = longest
        self._count = count
        for name in _INSPECTED:
            count(f"tls_inspector.{name}", 0)

    def read(self, data: bytes, incoming: Incoming) -> Incoming | None:
        """Return *incoming* with what *data* says of TLS; ``None`` while more is needed. Raises `Refused`."""
        try:
            hello = read_client_hello(data, self.longest)
        except NotTls:
            self._count("tls_inspector.tls_not_found")
            return incoming
        except ClientHelloTooLarge:
            self._count("tls_inspector.client_hello_too_large")
            raise Refused from None
        if hello is None:
            return None
        self._count("tls_inspector.tls_found")
        self._count("tls_inspector.alpn_found" if hello.alpn else "tls_inspector.alpn_not_found")
        self._count("tls_inspector.sni_found" if hello.server_name else "tls_inspector.sni_not_found")
        return incoming._replace(server_name=hello.server_name, transport_protocol=TLS, application_protocols=hello.alpn)


class Filters:
    """The listener filters of one listener, compiled."""

    def __init__(self, listener: Listener, count: Count) -> None:
        self.proxy_protocol = ProxyProtocolFilter(listener.proxy_protocol, count) if listener.proxy_protocol is not None else None
        self.tls_inspector = TlsInspector(listener.max_client_hello_size, count) if listener.tls_inspector else None
        self.timeout = listener.listener_filters_timeout
        self.go_on = listener.continue_on_listener_filters_timeout

    def __bool__(self) -> bool:
        return self.proxy_protocol is not None or self.tls_inspector is not None


class Inspecting(Protocol):
    """The listener of an `Inspection`."""

    listener_stats: ListenerStats
    inspections: set["Inspection"]

    def place(self, transport: AcceptedTransport, incoming: Incoming, data: bytes) -> Handler | None:
        """Give a connection to its filter chain, with what it has said so far."""

    def log(self, transport: Transport, incoming: Incoming, since: float, flags: bytes = b"", details: str = "") -> None:
        """Write a connection that is gone to the listener's log."""


class Inspection:
    """One connection while it is looked at. See the module."""

    __slots__ = ("_data", "_enough", "_filters", "_header_read", "_incoming", "_listener", "since", "transport")

    def __init__(self, listener: Inspecting, filters: Filters, transport: AcceptedTransport, now: float) -> None:
        self.transport = transport
        self.since = now
        self._listener = listener
        self._filters = filters
        self._data = b""
        self._enough = 0  # how many bytes there have to be for another look
        self._header_read = filters.proxy_protocol is None
        self._incoming = Incoming(transport.local, transport.peer, transport.peer)
        listener.inspections.add(self)
        listener.listener_stats.downstream_pre_cx_active += 1

    # Handler

    def connection_made(self) -> None: ...

    def data_received(self, data: bytes) -> None:
        if self not in self._listener.inspections:
            return
        self._data += data
        if len(self._data) < self._enough:
            return
        try:
            if not self._header_read and not self._read_header():
                return
            inspector = self._filters.tls_inspector
            found = inspector.read(self._data, self._incoming) if inspector is not None and self._data else self._incoming
        except Refused:
            self.refuse()
            return
        if found is not None and (self._data or inspector is None):
            self._incoming = found
            self.transport.server_name = found.server_name
            self._go_on()
        elif self._data and inspector is not None:
            self._enough = min(len(self._data) + missing(self._data), inspector.longest)

    def connection_lost(self, reason: str) -> None:
        if self._leave():
            stats = self._listener.listener_stats
            if reason == "closed":
                stats.downstream_listener_filter_remote_close += 1
            elif reason != "aborted":
                stats.downstream_listener_filter_error += 1
            self._log()

    def write_blocked(self) -> None: ...

    def write_drained(self) -> None: ...

    # for the listener

    def sweep(self, now: float) -> None:
        """See whether it takes too long."""
        if self._filters.timeout and now - self.since >= self._filters.timeout:
            self._listener.listener_stats.downstream_pre_cx_timeout += 1
            if self._filters.go_on:
                self._go_on()
            else:
                self.refuse()

    def refuse(self) -> None:
        """Close the connection."""
        if self._leave():
            self._log()
            self._close()

    # inside

    def _read_header(self) -> bool:
        """Read the PROXY header; say whether it is there. Raises `Refused`."""
        assert self._filters.proxy_protocol is not None
        header = self._filters.proxy_protocol.read(self._data)
        if header is None:
            return False
        self._header_read = True
        self._data = self._data[header.size :]
        transport = self.transport
        transport.bytes_received -= header.size
        if header.source is not None and header.destination is not None:
            transport.peer = header.source
            transport.local = header.destination
            self._incoming = self._incoming._replace(source=header.source, destination=header.destination)
        return True

    def _go_on(self) -> None:
        if self._leave() and self._listener.place(self.transport, self._incoming, self._data) is None:
            self._close()

    def _close(self) -> None:
        """End the connection: with a reset when it has said anything, as if that had not been read."""
        if self._data:
            self.transport.abort()
        else:
            self.transport.close()

    def _leave(self) -> bool:
        """Not to be looked at any more; say whether it was."""
        if self not in self._listener.inspections:
            return False
        self._listener.inspections.discard(self)
        self._listener.listener_stats.downstream_pre_cx_active -= 1
        return True

    def _log(self) -> None:
        self._listener.log(self.transport, self._incoming, self.since)

    def __repr__(self) -> str:
        return f"<Inspection {self.transport.peer} {len(self._data)} bytes>"
