"""One end of a TLS connection in memory: OpenSSL, by way of pyOpenSSL and the bindings it is made of.

Rule 1. Only this module reaches below pyOpenSSL's surface. There, that nothing more is to be read is an exception and every read allocates
        its largest size; here it is a number, and one buffer serves the process, which has one thread for its connections. It halves
        what TLS costs a request.
Rule 2. OpenSSL's list of errors is empty between two calls: who finds a call failed empties it.
Rule 3. Bytes go in and out whole: what was fed has been taken up when ``SSL_read`` gives nothing more, so that a queue that grew for a
        large piece can be thrown away (`Engine.shrink`). It would keep its size as long as the connection lives.
"""

from typing import Any

from cryptography import x509
from OpenSSL import SSL
from OpenSSL._util import ffi, lib
from OpenSSL.crypto import X509
from twisted.logger import Logger

from shifter.net.tls_failure import Fault

_log = Logger()
RECORD = 16 * 1024
"""The most that one record holds (RFC 8446 section 5.1)."""
GATHERED = 8
"""Full records that are handed down at a time."""
SIZE = RECORD + 256
"""The most that one takes when it is protected (RFC 8446 section 5.2)."""
SCRATCH = ffi.new("char[]", GATHERED * SIZE)
VIEW = ffi.buffer(SCRATCH)
from_buffer = ffi.from_buffer
SSL_read = lib.SSL_read
SSL_write = lib.SSL_write
BIO_read = lib.BIO_read
BIO_write = lib.BIO_write
WANT_READ = 2
CLOSED = 6
"""What `Engine.error` says when the peer has said that it ends (``close_notify``)."""
_SENT_AND_RECEIVED = 3
_GROUPS = {"x25519": "X25519", "secp256r1": "P-256", "prime256v1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
"""BoringSSL's names of what OpenSSL calls otherwise."""


class Engine:
    """See the module. Owns what OpenSSL knows of one connection; *owner* hears of certificates that are to be checked."""

    __slots__ = ("connection", "inward", "outward", "ssl")

    def __init__(self, context: SSL.Context, server: bool, owner: object = None) -> None:
        self.connection = connection = SSL.Connection(context, None)
        private: Any = connection
        self.ssl = private._ssl
        self.inward = private._into_ssl
        self.outward = private._from_ssl
        connection.set_app_data(owner)
        if server:
            connection.set_accept_state()
        else:
            connection.set_connect_state()

    def shake(self) -> int:
        """Go on with the handshake: 1 when it is done, otherwise `error` says what is the matter."""
        done: int = lib.SSL_do_handshake(self.ssl)
        return done

    def error(self, result: int) -> int:
        """What *result*, 0 or less, of the last call means: `WANT_READ`, `CLOSED`, or that it failed, and `faults` say why."""
        code: int = lib.SSL_get_error(self.ssl, result)
        return code

    def taken(self) -> bytes:
        """Return what is to be sent to the peer."""
        pieces = []
        while (size := BIO_read(self.outward, SCRATCH, SIZE)) > 0:
            pieces.append(VIEW[:size])
        return b"".join(pieces)

    def end(self) -> None:
        """Tell the peer that no more comes."""
        if lib.SSL_shutdown(self.ssl) < 0:
            lib.ERR_clear_error()

    def settle(self) -> None:
        """The connection is gone, and not for a fault of TLS: its session may go on in another."""
        lib.SSL_set_shutdown(self.ssl, _SENT_AND_RECEIVED)

    def shrink(self) -> None:
        """Give back what large pieces made the queues grow to. Only when both are empty."""
        self.inward, self.outward = lib.BIO_new(lib.BIO_s_mem()), lib.BIO_new(lib.BIO_s_mem())
        lib.SSL_set_bio(self.ssl, self.inward, self.outward)

    # what came of it

    def version(self) -> str:
        return self.connection.get_protocol_version_name()

    def cipher(self) -> str:
        return self.connection.get_cipher_name() or ""

    def group(self) -> str:
        """What the keys were agreed on with, in Envoy's spelling; empty where the peers took none (RSA)."""
        name = self.connection.get_group_name() or ""
        return _GROUPS.get(name, name)

    def alpn(self) -> bytes:
        return self.connection.get_alpn_proto_negotiated()

    def server_name(self) -> str:
        return (self.connection.get_servername() or b"").decode("ascii", "replace")

    def resumed(self) -> bool:
        return bool(lib.SSL_session_reused(self.ssl))

    def verified(self) -> bool:
        """Whether there is a certificate of the peer's and nothing was found against it, now or when its session began."""
        return lib.SSL_get_verify_result(self.ssl) == 0 and self.connection.get_peer_certificate() is not None

    def peer_certificate(self) -> X509 | None:
        return self.connection.get_peer_certificate()

    def peer_chain(self) -> list[X509]:
        return self.connection.get_peer_cert_chain() or []

    def local_certificate(self) -> X509 | None:
        return self.connection.get_certificate()

    def session(self) -> SSL.Session | None:
        return self.connection.get_session()

    def session_id(self) -> bytes:
        """The id in the session: its ASN.1 is a sequence that begins with version, protocol, cipher and id (``SSL_SESSION_ASN1``).
        TLS 1.3 has none, but for what OpenSSL makes up."""
        session: Any = self.connection.get_session()
        if session is None or self.version() == "TLSv1.3":
            return b""
        size = lib.i2d_SSL_SESSION(session._session, ffi.NULL)
        if size <= 0:
            return b""
        room = ffi.new("unsigned char[]", size)
        lib.i2d_SSL_SESSION(session._session, ffi.new("unsigned char **", room))
        der = ffi.buffer(room)[:]
        at = _header(der, 0)[0]
        for _ in range(3):
            start, length = _header(der, at)
            at = start + length
        start, length = _header(der, at)
        return bytes(der[start : start + length])

    def same_session(self, session: SSL.Session | None) -> bool:
        """Whether *session* is what `session` would return now."""
        one: Any = session
        return one is not None and one._session == lib.SSL_get_session(self.ssl)

    def __repr__(self) -> str:
        return f"<Engine {self.version()} {self.connection.get_state_string().decode()}>"


def _header(der: bytes, at: int) -> tuple[int, int]:
    """Return where the contents of the ASN.1 value at *at* begin, and how long they are."""
    length = der[at + 1]
    if length < 0x80:
        return at + 2, length
    count = length & 0x7F
    return at + 2 + count, int.from_bytes(der[at + 2 : at + 2 + count])


def faults() -> list[Fault]:
    """Return, and forget, what went wrong in the last call."""
    found = []
    while code := lib.ERR_get_error():
        words = lib.ERR_reason_error_string(code)
        found.append(Fault(lib.ERR_GET_REASON(code), ffi.string(words).decode() if words != ffi.NULL else f"error {code}"))
    return found


class Checks:
    """What asks of certificates: the owner of an `Engine` whose context has `set_verify`."""

    def check(self, ok: bool, error: int, depth: int, certificate: x509.Certificate) -> int | None:
        """Look at the certificate at *depth* (0: the peer's own), about which OpenSSL found *error* unless *ok*. Return ``None`` to leave
        it at that, 0 for nothing against it, or an error of OpenSSL's, negative to let the handshake go on all the same."""
        raise NotImplementedError

    def unreadable(self, depth: int, damage: str) -> int:
        """The same of one that OpenSSL can read and nobody else; *damage* says why."""
        raise NotImplementedError


def _verify(ok: int, store: Any) -> int:
    try:
        raw = lib.X509_STORE_CTX_get_current_cert(store)
        lib.X509_up_ref(raw)
        wrapped: Any = X509
        certificate = wrapped._from_raw_x509_ptr(raw)
        index = lib.SSL_get_ex_data_X509_STORE_CTX_idx()
        known: Any = SSL.Connection
        connection = known._reverse_mapping[lib.X509_STORE_CTX_get_ex_data(store, index)]
        error = lib.X509_STORE_CTX_get_error(store)
        depth = lib.X509_STORE_CTX_get_error_depth(store)
        checks: Checks = connection.get_app_data()
        try:
            parsed = certificate.to_cryptography()
        except ValueError as damage:
            verdict: int | None = checks.unreadable(depth, str(damage))
        else:
            verdict = checks.check(bool(ok), error, depth, parsed)
        if verdict is None:
            return ok
        lib.X509_STORE_CTX_set_error(store, abs(verdict))
        return int(verdict <= 0)
    except Exception:
        _log.failure("a certificate could not be checked; it is not accepted")
        lib.X509_STORE_CTX_set_error(store, lib.X509_V_ERR_APPLICATION_VERIFICATION)
        return 0


_VERIFY = ffi.callback("int (*)(int, X509_STORE_CTX *)", _verify)


def set_verify(context: SSL.Context, mode: int) -> None:
    """Have the owners of *context*'s engines asked about the peer's certificates (`Checks`); *mode* is made of ``SSL.VERIFY_*``."""
    private: Any = context
    lib.SSL_CTX_set_verify(private._context, mode, _VERIFY)


def verify_words(error: int) -> str:
    """What OpenSSL calls an error about a certificate."""
    words = ffi.string(lib.X509_verify_cert_error_string(error))
    return str(words, "ascii")


def set_curves(context: SSL.Context, curves: str) -> bool:
    """Allow these groups (``X25519:P-256``), best first; return whether OpenSSL knows them all."""
    private: Any = context
    known = lib.SSL_CTX_set1_curves_list(private._context, curves.encode())
    lib.ERR_clear_error()
    return bool(known == 1)
