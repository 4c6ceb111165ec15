"""A client that shakes hands as it is told and says what came of it: for comparisons of two servers.

It knows TLS by the standard library and HTTP/2 by another implementation than ours (`h2`).
"""

import contextlib
import socket
import ssl
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from cryptography import x509

from tests.support.wireclient import Wire

Fields = tuple[tuple[bytes, bytes], ...]


@dataclass
class Told:
    """What a client finds out."""

    failed: str = ""
    """Why there was no answer: OpenSSL's word for the alert, or how the connection ended."""
    version: str = ""
    cipher: str = ""
    alpn: str | None = None
    names: tuple[str, ...] = ()
    """What the server's certificate is for."""
    key: str = ""
    resumed: bool = False
    status: int = 0
    fields: Fields = ()
    body: bytes = b""


@dataclass
class Hello:
    """How to shake hands. *client* is the path of a PEM file with certificate and key."""

    server_name: str | None = None
    alpn: tuple[str, ...] = ()
    versions: tuple[str, str] | None = None
    ciphers: str = ""
    client: Path | None = None
    session: ssl.SSLSession | None = None
    context: ssl.SSLContext | None = field(default=None)

    def make_context(self) -> ssl.SSLContext:
        """Return the context for this; the same one must be used to resume."""
        if self.context is None:
            context = self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            if self.versions is not None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what some of this is about
                    context.minimum_version, context.maximum_version = (ssl.TLSVersion[one] for one in self.versions)
            if self.ciphers:
                context.set_ciphers(self.ciphers)
            if self.alpn:
                context.set_alpn_protocols(list(self.alpn))
            if self.client is not None:
                context.load_cert_chain(self.client)
        return self.context


class Encrypted(Wire):
    """`Wire` over TLS; *before* goes out first, in the clear. Raises ``OSError`` (``ssl.SSLError`` is one)."""

    versions = (b"HTTP/1.0", b"HTTP/1.1")

    def __init__(self, port: int, hello: Hello | None, before: bytes = b"") -> None:
        super().__init__(port)
        try:
            if before:
                self.socket.sendall(before)
            if hello is not None:
                self.socket = hello.make_context().wrap_socket(self.socket, server_hostname=hello.server_name, session=hello.session)
        except BaseException:
            self.socket.close()
            raise

    def facts(self) -> Told:
        """What the handshake has settled."""
        secure = self.socket
        if not isinstance(secure, ssl.SSLSocket):
            return Told()
        der = secure.getpeercert(binary_form=True)
        assert der is not None
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        cipher = secure.cipher()
        assert cipher is not None
        return Told(
            version=secure.version() or "",
            cipher=cipher[0],
            alpn=secure.selected_alpn_protocol(),
            names=tuple(str(name.value) for name in names),
            key=type(certificate.public_key()).__name__,
            resumed=bool(secure.session_reused),
        )


def ask(port: int, hello: Hello | None, request: bytes | list[tuple[str, str]], before: bytes = b"") -> Told:
    """Shake hands, send one request, read its answer: HTTP/2 when it is a list of fields."""
    try:
        wire = Encrypted(port, hello, before)
    except OSError as error:
        return Told(failed=_why(error))
    with wire:
        told = wire.facts()
        try:
            if isinstance(request, bytes):
                _ask_http1(wire, request, told)
            else:
                _ask_http2(wire.socket, request, told)
        except OSError as error:
            told.failed = _why(error)
        if hello is not None and isinstance(wire.socket, ssl.SSLSocket):
            hello.session = wire.socket.session
            if not told.failed:
                with contextlib.suppress(OSError):
                    wire.socket.unwrap()
    return told


def _why(error: OSError) -> str:
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "closed"
    return (isinstance(error, ssl.SSLError) and error.reason) or type(error).__name__


def _ask_http1(wire: Encrypted, request: bytes, told: Told) -> None:
    wire.send(request)
    answer = wire.answer(request.split(b" ", 1)[0].decode("latin-1"))
    if not answer.status:
        told.failed = "closed"
    told.status, told.fields, told.body = answer.status, tuple(answer.fields), answer.body


def _ask_http2(sock: socket.socket, fields: list[tuple[str, str]], told: Told) -> None:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
    connection.initiate_connection()
    connection.send_headers(1, fields, end_stream=True)
    sock.sendall(connection.data_to_send())
    while True:
        data = sock.recv(65536)
        if not data:
            told.failed = told.failed or "closed"
            return
        try:
            events: list[Any] = connection.receive_data(data)
        except h2.exceptions.ProtocolError:
            told.failed = "not HTTP/2"
            return
        for event in events:
            if isinstance(event, h2.events.ResponseReceived):
                named = [(bytes(name), bytes(value)) for name, value in event.headers]
                told.status = int(dict(named)[b":status"])
                told.fields = tuple(one for one in named if not one[0].startswith(b":"))
            elif isinstance(event, h2.events.DataReceived):
                told.body += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, h2.events.StreamReset):
                told.failed = f"reset {event.error_code}"
                return
            elif isinstance(event, h2.events.StreamEnded):
                return
        if out := connection.data_to_send():
            sock.sendall(out)
