"""A backend behind TLS, right or wrong, that says what was spoken to it.

Rule 1. It answers every request with JSON: server name, what ALPN came to, TLS version, the client's certificate, the request's first
        line and the PROXY header before everything; over HTTP/2 when that was agreed on.
Rule 2. It ends with the test: every connection is a thread, and `TlsBackend.close` ends them.
"""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from cryptography import x509

from tests.support.certificates import Certificate
from tests.support.programs import PATIENCE

_PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"


class TlsBackend:
    """See the module. *how* is ``tls``, ``plain`` (no TLS at all: it answers in the clear), ``close`` or ``reset`` (in the handshake), or
    ``hang`` (it never says anything). With *trusted*, PEM, a client has to have a certificate from there."""

    def __init__(
        self,
        certificate: Certificate,
        directory: Path,
        how: str = "tls",
        alpn: tuple[str, ...] = ("h2", "http/1.1"),
        trusted: bytes | None = None,
        proxy_protocol: bool = False,
        configure: Callable[[ssl.SSLContext], object] | None = None,
    ) -> None:
        self.how = how
        self.handshakes = 0
        self.resumed = 0
        self._proxy_protocol = proxy_protocol
        self._asked: dict[object, str | None] = {}  # server names
        self._context = self._made(certificate, directory, alpn, trusted)
        if configure is not None:
            configure(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> "TlsBackend":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        for sock in (self._listener, *list(self._sockets)):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _made(self, certificate: Certificate, directory: Path, alpn: tuple[str, ...], trusted: bytes | None) -> ssl.SSLContext:
        name = f"backend{certificate.certificate.serial_number}"
        certificate.write(directory, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}.key")
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if trusted is not None:
            context.load_verify_locations(cadata=trusted.decode())
            context.verify_mode = ssl.CERT_REQUIRED
        context.sni_callback = lambda tls, name, _: self._asked.update({tls: name})
        return context

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError, EOFError, h2.exceptions.ProtocolError):
                self._converse(sock)
        finally:
            self._sockets.discard(sock)
            sock.close()

    def _converse(self, sock: socket.socket) -> None:
        told: dict[str, object] = {}
        if self._proxy_protocol:
            told["proxy"] = _proxy_header(sock)
        if self.how == "plain":
            sock.recv(65536)
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return
        if self.how in ("close", "reset", "hang"):
            sock.recv(65536)
            if self.how == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            elif self.how == "hang":
                sock.recv(65536)
            return
        with self._context.wrap_socket(sock, server_side=True) as tls:
            self._sockets.add(tls)
            self.handshakes += 1
            self.resumed += bool(tls.session_reused)
            der = tls.getpeercert(binary_form=True)
            client = x509.load_der_x509_certificate(der).subject.rfc4514_string() if der else None
            told |= {"sni": self._asked.pop(tls, None), "alpn": tls.selected_alpn_protocol(), "version": tls.version(), "client": client}
            try:
                (_speak_h2 if told["alpn"] == "h2" else _speak_h1)(tls, told)
            finally:
                self._sockets.discard(tls)


def _proxy_header(sock: socket.socket) -> str:
    first = sock.recv(12, socket.MSG_WAITALL)
    if first == b"\r\n" + _PROXY_V2[2:] or first.startswith(b"\r\n\r\n\0"):
        rest = sock.recv(4, socket.MSG_WAITALL)
        return (first + rest + sock.recv(int.from_bytes(rest[2:], "big"), socket.MSG_WAITALL)).hex()
    line = first
    while not line.endswith(b"\r\n"):
        line += sock.recv(1)
    return line.decode("ascii").strip()


def _speak_h1(tls: ssl.SSLSocket, told: dict[str, object]) -> None:
    stream = tls.makefile("rb")
    while line := stream.readline():
        fields: dict[str, str] = {}
        while (field := stream.readline()).strip():
            name, _, value = field.decode("latin-1").partition(":")
            fields[name] = value.strip()
        stream.read(int(fields.get("content-length", 0)))
        body = json.dumps({**told, "line": line.decode("latin-1").strip(), "fields": fields}).encode()
        tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


def _speak_h2(tls: ssl.SSLSocket, told: dict[str, object]) -> None:
    speaking = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
    speaking.initiate_connection()
    asked: dict[int, dict[str, str]] = {}
    tls.sendall(speaking.data_to_send())
    while data := tls.recv(65536):
        for event in speaking.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                asked[event.stream_id] = dict(event.headers)  # type: ignore[arg-type]
            elif isinstance(event, h2.events.StreamEnded):
                fields = asked.pop(event.stream_id)
                body = json.dumps({**told, "line": f"{fields[':method']} {fields[':path']} HTTP/2", "fields": fields}).encode()
                speaking.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/json")])
                speaking.send_data(event.stream_id, body, end_stream=True)
        tls.sendall(speaking.data_to_send())
