"""What a TLS handshake came to, in Envoy's words.

Rule 1. Nothing is parsed before it is asked for: most connections are never asked.
Rule 2. What a certificate does not say in a way that can be read it does not say: a peer's may hold anything.
Rule 3. What a certificate says is said as Envoy's access log and ``x-forwarded-client-cert`` say it: RFC 2253 subjects, serial numbers and
        digests in lower-case hexadecimal.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from OpenSSL.crypto import X509

from shifter.net.tls_failure import TlsFailure

if TYPE_CHECKING:
    from shifter.net.tls_engine import Engine

_SHORT_NAMES = {
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.SURNAME: "SN",
    NameOID.GIVEN_NAME: "GN",
    NameOID.TITLE: "title",
    NameOID.USER_ID: "UID",
}
"""OpenSSL's names of attributes that RFC 4514 leaves as numbers."""


def rfc2253(name: x509.Name) -> str:
    """Return *name* as OpenSSL prints it with ``XN_FLAG_RFC2253``: last part first, bytes beyond ASCII as ``\\XX``."""
    text = name.rfc4514_string(_SHORT_NAMES)
    if text.isascii():
        return text
    return "".join(letter if letter.isascii() else "".join(f"\\{byte:02X}" for byte in letter.encode()) for letter in text)


class Certificate:
    """What one X.509 certificate says."""

    def __init__(self, parsed: x509.Certificate) -> None:
        self.parsed = parsed

    @cached_property
    def der(self) -> bytes:
        return self.parsed.public_bytes(Encoding.DER)

    @cached_property
    def pem(self) -> str:
        """With a line end at the end, as OpenSSL writes it."""
        return self.parsed.public_bytes(Encoding.PEM).decode("ascii")

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the DER bytes, in hexadecimal (``%DOWNSTREAM_PEER_FINGERPRINT_256%``)."""
        return self.parsed.fingerprint(hashes.SHA256()).hex()

    @cached_property
    def sha1(self) -> str:
        """SHA-1 of the DER bytes, in hexadecimal (``%DOWNSTREAM_PEER_FINGERPRINT_1%``)."""
        return self.parsed.fingerprint(hashes.SHA1()).hex()  # what the operator is defined as

    @cached_property
    def spki_sha256(self) -> bytes:
        """SHA-256 of the public key's SubjectPublicKeyInfo (``verify_certificate_spki``)."""
        try:
            key = self.parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except (ValueError, UnsupportedAlgorithm):
            return b""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(key)
        return digest.finalize()

    @property
    def subject(self) -> str:
        try:
            return rfc2253(self.parsed.subject)
        except ValueError:
            return ""

    @property
    def issuer(self) -> str:
        try:
            return rfc2253(self.parsed.issuer)
        except ValueError:
            return ""

    @property
    def common_name(self) -> str:
        """The subject's common name; empty when it has none."""
        try:
            names = self.parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except ValueError:
            return ""
        return str(names[0].value) if names else ""

    @property
    def serial(self) -> str:
        """The serial number in lower-case hexadecimal, whole bytes."""
        digits = f"{self.parsed.serial_number:x}"
        return digits.zfill(len(digits) + len(digits) % 2)

    @property
    def valid_from(self) -> datetime:
        return self.parsed.not_valid_before_utc

    @property
    def valid_to(self) -> datetime:
        return self.parsed.not_valid_after_utc

    @cached_property
    def _alternatives(self) -> x509.SubjectAlternativeName | None:
        try:
            return self.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
            return None

    @property
    def has_alternatives(self) -> bool:
        """Whether there is a subject alternative name at all; then the subject's common name counts for nothing (RFC 6125)."""
        return self._alternatives is not None

    def _names(self, kind: type[x509.DNSName] | type[x509.UniformResourceIdentifier] | type[x509.RFC822Name]) -> Sequence[str]:
        names = self._alternatives
        return names.get_values_for_type(kind) if names is not None else ()

    @property
    def dns_sans(self) -> Sequence[str]:
        return self._names(x509.DNSName)

    @property
    def uri_sans(self) -> Sequence[str]:
        return self._names(x509.UniformResourceIdentifier)

    @property
    def email_sans(self) -> Sequence[str]:
        return self._names(x509.RFC822Name)

    @property
    def ip_sans(self) -> Sequence[str]:
        names = self._alternatives
        return [str(address) for address in names.get_values_for_type(x509.IPAddress)] if names is not None else ()

    @property
    def sans(self) -> Sequence[str]:
        """All alternative names, in the certificate's order."""
        names = self._alternatives
        return [str(name.value) for name in names if isinstance(name, _TEXTUAL)] if names is not None else ()

    def __str__(self) -> str:
        """For people: whose it is, for which names, and who signed it."""
        names = f" for {', '.join(self.sans)}" if self.sans else ""
        return f"certificate of {self.subject or 'nobody'}{names}, signed by {self.issuer or 'nobody'}"

    def __repr__(self) -> str:
        return f"<Certificate {self}>"


_TEXTUAL = (x509.DNSName, x509.UniformResourceIdentifier, x509.RFC822Name, x509.IPAddress)


def _parsed(certificate: Certificate | X509 | None) -> Certificate | None:
    return Certificate(certificate.to_cryptography()) if isinstance(certificate, X509) else certificate


class TlsSession:
    """What is known of a connection that TLS protects.

    ``alpn`` is the application protocol agreed on (empty: none), ``server_name`` the one that the client asked for (empty: none),
    ``resumed`` whether an earlier session went on, ``verified`` whether the peer sent a certificate that fits all that the configuration
    asks of it. ``truncated`` says, of a connection that ended, that its peer closed it without saying so in TLS: what was to be read
    until the end may be cut off (RFC 8446 section 6.1). ``failure`` is what went wrong after the handshake, if anything: so servers
    of TLS 1.3 say that they miss a certificate.
    """

    __slots__ = (
        "_chain", "_cipher", "_engine", "_group", "_id", "_local", "_peer", "_version", "alpn", "failure", "resumed", "server_name",
        "truncated", "verified",
    )  # fmt: skip

    def __init__(self, engine: "Engine", checks: bool) -> None:
        self._engine: Engine | None = engine
        self._peer: Certificate | X509 | None = None
        self._local: Certificate | X509 | None = None
        self._chain: list[X509] = []
        self._version = self._cipher = self._group = ""
        self._id = b""
        self.alpn = engine.alpn()
        self.server_name = engine.server_name()
        self.resumed = engine.resumed()
        self.verified = checks and engine.verified()
        self.truncated = False
        self.failure: TlsFailure | None = None

    def end(self) -> None:
        """Keep what may still be asked for, unparsed, and let go of the connection, which is gone: OpenSSL's part of one is large."""
        engine = self._engine
        if engine is None:
            return
        self._version, self._cipher, self._group, self._id = engine.version(), engine.cipher(), engine.group(), engine.session_id()
        self._local = self._local or engine.local_certificate()
        self._peer = self._peer or engine.peer_certificate()
        if self._peer is not None:
            self._chain = engine.peer_chain()
        self._engine = None

    @property
    def version(self) -> str:
        """``TLSv1.3`` and so on."""
        return self._engine.version() if self._engine is not None else self._version

    @property
    def cipher(self) -> str:
        """The cipher suite, in OpenSSL's spelling, which is Envoy's."""
        return self._engine.cipher() if self._engine is not None else self._cipher

    @property
    def group(self) -> str:
        """The group (curve) of the key exchange, in Envoy's spelling; empty when there was none."""
        return self._engine.group() if self._engine is not None else self._group

    @property
    def session_id(self) -> str:
        """In hexadecimal; empty when there is none."""
        return (self._engine.session_id() if self._engine is not None else self._id).hex()

    @property
    def peer_certificate(self) -> Certificate | None:
        if self._peer is None and self._engine is not None:
            self._peer = self._engine.peer_certificate()
        self._peer = found = _parsed(self._peer)
        return found

    @property
    def peer_chain(self) -> list[Certificate]:
        """What the peer sent, its own certificate first. A session that goes on may know its own only."""
        first = self.peer_certificate
        if first is None:
            return []
        chain = self._engine.peer_chain() if self._engine is not None else self._chain
        # To a server OpenSSL tells the chain without its first certificate, to a client with it.
        return [first, *(Certificate(one) for one in map(X509.to_cryptography, chain) if one != first.parsed)]

    @property
    def local_certificate(self) -> Certificate | None:
        """The certificate that was shown to the peer, or would have been."""
        if self._local is None and self._engine is not None:
            self._local = self._engine.local_certificate()
        self._local = found = _parsed(self._local)
        return found

    def __repr__(self) -> str:
        return f"<TlsSession {self.version} {self.cipher} alpn={self.alpn!r} server_name={self.server_name!r}>"
