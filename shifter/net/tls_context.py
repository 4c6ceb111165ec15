"""What TLS connections are made with, compiled from the configuration.

Rule 1. Everything is resolved here, once for each configuration: a handshake looks up a name in a dict.
Rule 2. Which certificate a client gets is Envoy's choice: the exact server name, then the wildcard of its first label, then the first
        certificate; of several for a name ECDSA for who can check it, then RSA; of two for the same name and kind the earlier one.
Rule 3. A session goes on only under settings under which it would begin: the session id context is a digest of all that is asked of a
        client and of whom the server claims to be.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from re import DOTALL, findall
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL
from OpenSSL.crypto import X509

from shifter.model.tls import (
    CertificateValidation,
    DownstreamTlsContext,
    TlsCertificate,
    TlsContext,
    TlsParameters,
    TlsVersion,
    UpstreamTlsContext,
)
from shifter.net.tls_engine import set_curves, set_verify
from shifter.net.tls_session import Certificate
from shifter.net.tls_validation import TextCompiler, Validation
from shifter.net.tls_words import plain_text

CIPHER_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
)  # fmt: skip
"""Envoy's for TLS 1.2, where the configuration names none."""
_TLS_13 = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
CURVES = ("X25519", "P-256")
_VERSIONS = {
    TlsVersion.TLSv1_0: SSL.TLS1_VERSION,
    TlsVersion.TLSv1_1: SSL.TLS1_1_VERSION,
    TlsVersion.TLSv1_2: SSL.TLS1_2_VERSION,
    TlsVersion.TLSv1_3: SSL.TLS1_3_VERSION,
}
_PRIORITIZE_CHACHA = 1 << 21
"""``SSL_OP_PRIORITIZE_CHACHA``: for who has no AES in hardware, and says so. What Envoy's lists in brackets mean."""
_NO_AUTO_CHAIN = 0x8
"""``SSL_MODE_NO_AUTO_CHAIN``: what is sent along is what the configuration says, not what OpenSSL finds among those trusted."""
_NO_CHECK_TIME = 0x200000
_CRL_CHECK, _CRL_CHECK_ALL, _PARTIAL_CHAIN = 0x4, 0x8, 0x80000
_SESSION_NAMES = 256
"""Server names that a client context keeps sessions for."""


class TlsMaterialError(Exception):
    """A certificate, a key or a setting that OpenSSL does not take; the text says which and why."""


def _context(method: int, parameters: TlsParameters, server: bool) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(_VERSIONS[parameters.minimum])
    context.set_max_proto_version(_VERSIONS[parameters.maximum])
    options = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION
    if server:
        options |= SSL.OP_CIPHER_SERVER_PREFERENCE | _PRIORITIZE_CHACHA
    context.set_options(options)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS | _NO_AUTO_CHAIN)
    suites = ":".join(parameters.cipher_suites or CIPHER_SUITES).replace("[", "").replace("]", "").replace("|", ":")
    if parameters.minimum in (TlsVersion.TLSv1_0, TlsVersion.TLSv1_1):
        suites += ":@SECLEVEL=0"  # OpenSSL takes these versions for no security at all
    try:
        context.set_cipher_list(suites.encode())
    except SSL.Error:
        raise TlsMaterialError(f"cipher_suites: OpenSSL knows none of {suites}") from None
    context.set_tls13_ciphersuites(_TLS_13)
    curves = ":".join(parameters.ecdh_curves or CURVES)
    if not set_curves(context, curves):
        raise TlsMaterialError(f"ecdh_curves: OpenSSL does not know all of {curves}")
    return context


class Identity:
    """A certificate with its key, loaded. Raises `TlsMaterialError`."""

    def __init__(self, material: TlsCertificate) -> None:
        self.source = material.source or "certificate"
        try:
            self.chain = x509.load_pem_x509_certificates(material.certificate_chain)
        except ValueError as error:
            raise TlsMaterialError(f"{self.source}: no certificate can be read from it ({error})") from None
        try:
            self.key = load_pem_private_key(material.private_key, material.password or None)
        except (ValueError, TypeError) as error:
            raise TlsMaterialError(f"{self.source}: the private key cannot be read ({error})") from None
        self.leaf = Certificate(self.chain[0])
        try:
            theirs = self.chain[0].public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise TlsMaterialError(f"{self.source}: the certificate's key cannot be read ({error})") from None
        if self.key.public_key() != theirs:
            raise TlsMaterialError(f"{self.source}: the private key does not belong to the certificate of {self.leaf.subject}")
        self.ecdsa = isinstance(self.key, ec.EllipticCurvePrivateKey)
        self.ocsp_staple = material.ocsp_staple

    @property
    def names(self) -> list[str]:
        """The server names it is for, as keys: ``.example.com`` for ``*.example.com``."""
        leaf = self.leaf
        names = list(leaf.dns_sans) if leaf.has_alternatives else [leaf.common_name] if leaf.common_name else []
        return [name[1:].lower() if name.startswith("*.") else name.lower() for name in names]

    def put(self, context: SSL.Context, alone: bool = True) -> None:
        """Give *context* this identity, beside one of another kind if it is not *alone*."""
        if alone or len(self.chain) == 1:
            context.use_certificate(self.chain[0])
            for above in self.chain[1:]:
                context.add_extra_chain_cert(above)
        else:
            # OpenSSL keeps the chains of two certificates apart when it reads them from files: here from one without a name.
            with open(os.memfd_create("chain"), "wb") as file:
                file.write(b"".join(one.public_bytes(Encoding.PEM) for one in self.chain))
                file.flush()
                context.use_certificate_chain_file(f"/proc/self/fd/{file.fileno()}")
        context.use_privatekey(self.key)  # type: ignore[arg-type]  # any kind that OpenSSL signs with


def _trust(context: SSL.Context, validation: Validation) -> list[x509.Certificate]:
    """Have *context* trust whom *validation* names; return them."""
    config = validation.config
    source = config.source or "validation_context"
    store = context.get_cert_store()
    if store is None:  # pragma: no cover  # every context has one
        raise TlsMaterialError("OpenSSL has no store of certificates")
    trusted: list[x509.Certificate] = []
    flags = 0
    if validation.system:
        context.set_default_verify_paths()
    elif config.trusted_ca is not None:
        try:
            trusted = x509.load_pem_x509_certificates(config.trusted_ca)
        except ValueError as error:
            raise TlsMaterialError(f"{source}: no trusted_ca can be read from it ({error})") from None
        for certificate in trusted:
            store.add_cert(X509.from_cryptography(certificate))
        flags |= _PARTIAL_CHAIN
    lists = _revocation_lists(config)
    for one in lists:
        store.add_crl(one)
    if lists or config.crl is not None:
        flags |= _CRL_CHECK if config.only_verify_leaf_crl else _CRL_CHECK | _CRL_CHECK_ALL
    if config.allow_expired:
        flags |= _NO_CHECK_TIME
    if flags:
        store.set_flags(flags)
    if config.max_verify_depth is not None:
        # Envoy counts the authority, OpenSSL what is between it and the peer's certificate.
        context.set_verify_depth(max(min(config.max_verify_depth, 100) - 1, 0))
    return trusted


def _revocation_lists(config: CertificateValidation) -> list[x509.CertificateRevocationList]:
    found = findall(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", (config.crl or b"") + b"\n" + (config.trusted_ca or b""), DOTALL)
    if config.crl is not None and not found:
        raise TlsMaterialError(f"{config.source or 'crl'}: there is no revocation list in it")
    try:
        return [x509.load_pem_x509_crl(one) for one in found]
    except ValueError as error:
        raise TlsMaterialError(f"{config.source or 'crl'}: a revocation list cannot be read ({error})") from None


def choose_protocol(ours: Sequence[bytes], offered: Iterable[bytes]) -> bytes | None:
    """Return the first of *ours* that is *offered* (ALPN; the server's order counts, as in Envoy)."""
    known = set(offered)
    return next((one for one in ours if one in known), None)


class ServerContexts:
    """What connections of one filter chain are accepted with. Raises `TlsMaterialError`.

    *config* has its secrets in it (what comes from files as bytes). ``alpn`` overrules its ``alpn_protocols`` when there are none (the
    connection manager knows what it speaks). *texts* compiles what ``match_typed_subject_alt_names`` says.
    """

    def __init__(self, config: DownstreamTlsContext, texts: TextCompiler = plain_text, alpn: tuple[bytes, ...] = ()) -> None:
        common = config.common
        if not common.certificates:
            raise TlsMaterialError("a server needs a certificate: tls_certificates is empty")
        self.config = config
        self.alpn = common.alpn_protocols or alpn
        self.validation = Validation(common.validation or CertificateValidation(), texts)
        self.identities = [Identity(material) for material in common.certificates]
        self._session_id = self._digest(common)
        self._made: dict[tuple[int, ...], SSL.Context] = {}
        self._by_name = self._named()
        identities = self.identities
        first = [identities[0]]
        anything = _pick(identities)
        self._unnamed = self._of(anything)
        self._mismatched = self._of(anything if config.full_scan_certs_on_sni_mismatch else first)
        self.base = self._unnamed
        """What a connection begins with, before its server name is known."""

    def _named(self) -> dict[str, SSL.Context]:
        groups: dict[str, list[Identity]] = {}
        for identity in self.identities:
            for name in identity.names:
                groups.setdefault(name, []).append(identity)
        fallback = self.identities if self.config.full_scan_certs_on_sni_mismatch else self.identities[:1]
        made = {}
        for name, group in groups.items():
            # Who cannot check ECDSA goes on looking where Envoy does: the wildcard's certificate, then what is there for all.
            wider = [] if name.startswith(".") else groups.get(_wildcard(name), [])
            made[name] = self._of(_pick([*group, *(one for one in [*wider, *fallback] if not one.ecdsa)]))
        return made

    def select(self, server_name: bytes) -> SSL.Context:
        """Return what a client gets that asked for *server_name* (empty: for none)."""
        if not server_name:
            return self._unnamed
        name = server_name.decode("ascii", "replace").lower()
        return self._by_name.get(name) or self._by_name.get(_wildcard(name)) or self._mismatched

    def _of(self, identities: list[Identity]) -> SSL.Context:
        key = tuple(map(id, identities))
        if key not in self._made:
            self._made[key] = self._make(identities)
        return self._made[key]

    def _make(self, identities: list[Identity]) -> SSL.Context:
        config = self.config
        context = _context(SSL.TLS_SERVER_METHOD, config.common.parameters, server=True)
        for identity in identities:
            try:
                identity.put(context, alone=len(identities) == 1)
            except SSL.Error as error:
                raise TlsMaterialError(f"{identity.source}: OpenSSL does not take it ({error})") from None
        trusted = _trust(context, self.validation)
        for one in {Certificate(authority).subject: authority for authority in trusted}.values():
            context.add_client_ca(one)
        mode = self.validation.mode
        if config.require_client_certificate:
            mode |= SSL.VERIFY_PEER if self.validation.lenient else SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        set_verify(context, mode)
        context.set_session_id(self._session_id)
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER if config.stateful_session_resumption else SSL.SESS_CACHE_OFF)
        if not config.stateless_session_resumption:
            context.set_options(SSL.OP_NO_TICKET)
        if config.session_timeout is not None:
            context.set_timeout(int(config.session_timeout))
        if self.alpn:
            context.set_alpn_select_callback(self._choose_protocol)
        if len(self.identities) > 1:
            context.set_tlsext_servername_callback(self._choose_identity)
        if any(identity.ocsp_staple for identity in identities):
            context.set_ocsp_server_callback(self._staple)
        return context

    def _choose_protocol(self, _: SSL.Connection, offered: list[bytes]) -> Any:  # bytes, or pyOpenSSL's nameless type of the constant
        chosen = choose_protocol(self.alpn, offered)
        return SSL.NO_OVERLAPPING_PROTOCOLS if chosen is None else chosen

    def _choose_identity(self, connection: SSL.Connection) -> None:
        chosen = self.select(connection.get_servername() or b"")
        if chosen is not connection.get_context():
            connection.set_context(chosen)

    def _staple(self, connection: SSL.Connection, _: object) -> bytes:
        shown = connection.get_certificate(as_cryptography=True)
        return next((one.ocsp_staple for one in self.identities if one.leaf.parsed == shown), b"")

    def _digest(self, common: TlsContext) -> bytes:
        whole = hashlib.sha256()
        for identity in self.identities:
            whole.update(repr((identity.leaf.common_name, identity.leaf.sans, identity.leaf.issuer)).encode())
        validation = common.validation
        whole.update(repr((replace(validation, source="") if validation else None, self.config.require_client_certificate)).encode())
        return whole.digest()


def _wildcard(name: str) -> str:
    """``.example.com`` for ``www.example.com``."""
    at = name.find(".", 1)
    return name[at:] if 0 < at < len(name) - 1 else ""


def _pick(identities: Iterable[Identity]) -> list[Identity]:
    """Return the first of *identities* of each kind, in their order; OpenSSL takes ECDSA for who can check it."""
    kinds: dict[bool, Identity] = {}
    for identity in identities:
        kinds.setdefault(identity.ecdsa, identity)
    return list(kinds.values())


class ClientContext:
    """What connections of one cluster are made with. Raises `TlsMaterialError`.

    ``alpn`` is what is offered when the configuration says nothing. Sessions are kept for each server name, at most
    ``max_session_keys`` for one; those of TLS 1.3 are used once (RFC 8446 appendix C.4).
    """

    def __init__(self, config: UpstreamTlsContext, texts: TextCompiler = plain_text, alpn: tuple[bytes, ...] = ()) -> None:
        common = config.common
        self.config = config
        self.alpn = common.alpn_protocols or alpn
        self.validation = Validation(
            common.validation or CertificateValidation(), texts, upstream=True, sni_is_name=config.auto_sni_san_validation
        )
        self.identity = Identity(common.certificates[0]) if common.certificates else None
        self.context = context = _context(SSL.TLS_CLIENT_METHOD, common.parameters, server=False)
        if self.identity is not None:
            self.identity.put(context)
        _trust(context, self.validation)
        set_verify(context, SSL.VERIFY_PEER)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        self._sessions: dict[tuple[str, str], list[tuple[SSL.Session, bool]]] = {}
        self._most = config.max_session_keys

    def session_for(self, server_name: str, name: str) -> SSL.Session | None:
        """Return the latest session with a server of this name, if there is one; it is forgotten when it is for one use."""
        kept = self._sessions.get((server_name, name))
        if not kept:
            return None
        session, single_use = kept[0]
        if single_use:
            del kept[0]
        return session

    def keep(self, server_name: str, name: str, session: SSL.Session | None, single_use: bool) -> None:
        """Keep *session* for the next connection to a server of this name."""
        if session is None or not self._most:
            return
        kept = self._sessions.pop((server_name, name), [])
        self._sessions[server_name, name] = [(session, single_use), *kept][: self._most]
        if len(self._sessions) > _SESSION_NAMES:
            del self._sessions[next(iter(self._sessions))]

    def __repr__(self) -> str:
        return f"<ClientContext {self.config.sni or 'any'} sessions={sum(map(len, self._sessions.values()))}>"
