"""What operators of formats say of TLS, on either side of the proxy.

Rule 1. Who is asked is what the handshake came to; without TLS that is ``None``, and nothing is known.
Rule 2. A certificate was made by somebody else: what cannot be read in it is not known, and nothing raises.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shifter.observe.starttime import StartTime


class CertificateFacts(Protocol):
    """A certificate, in Envoy's words (`net.tls_session.Certificate`)."""

    @property
    def subject(self) -> str: ...
    @property
    def issuer(self) -> str: ...
    @property
    def serial(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def sha1(self) -> str: ...
    @property
    def pem(self) -> str: ...
    @property
    def dns_sans(self) -> Sequence[str]: ...
    @property
    def uri_sans(self) -> Sequence[str]: ...
    @property
    def email_sans(self) -> Sequence[str]: ...
    @property
    def ip_sans(self) -> Sequence[str]: ...
    @property
    def valid_from(self) -> datetime: ...
    @property
    def valid_to(self) -> datetime: ...


class TlsFacts(Protocol):
    """What a handshake came to (`net.tls_session.TlsSession`). ``peer_chain`` begins with ``peer_certificate``."""

    alpn: bytes
    server_name: str
    verified: bool

    @property
    def version(self) -> str: ...
    @property
    def cipher(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def peer_certificate(self) -> CertificateFacts | None: ...
    @property
    def local_certificate(self) -> CertificateFacts | None: ...
    @property
    def peer_chain(self) -> Sequence[CertificateFacts]: ...


def fact(about: object, name: str) -> bytes | None:
    """Return what *about* says under *name*: a text, or several, joined with commas."""
    if about is None:
        return None
    try:
        found = getattr(about, name)
    except ValueError:
        return None
    text = found if isinstance(found, str) else ",".join(found)
    return text.encode("utf-8", "replace") or None


def peer(tls: TlsFacts | None, name: str) -> bytes | None:
    """Return what the other end's certificate says under *name*."""
    return fact(tls.peer_certificate, name) if tls is not None else None


def local(tls: TlsFacts | None, name: str) -> bytes | None:
    """Return what the certificate that was shown to the other end says under *name*."""
    return fact(tls.local_certificate, name) if tls is not None else None


def chain(tls: TlsFacts | None, name: str) -> bytes | None:
    """Return what each certificate that the other end sent says under *name*, its own first."""
    return b",".join([fact(one, name) or b"" for one in tls.peer_chain]) or None if tls is not None else None


def issued(tls: TlsFacts | None, name: str) -> bytes | None:
    """Return what the certificate that signed the other end's says under *name*, where it was sent along."""
    above = tls.peer_chain[1:2] if tls is not None else ()
    return fact(above[0], name) if above else None


def pem(tls: TlsFacts | None) -> bytes | None:
    """Return the other end's certificate, percent-encoded."""
    found = peer(tls, "pem")
    return url_encoded(found) if found else None


_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


def url_encoded(text: bytes) -> bytes:
    """Return *text* with everything but letters, digits and ``-_.~`` percent-encoded (RFC 3986 section 2.3)."""
    return b"".join([b"%c" % byte if byte in _KEPT else b"%%%02X" % byte for byte in text])


def when(tls: TlsFacts | None, name: str, clock: StartTime) -> bytes | None:
    """Return one of the two times of the other end's certificate as *clock* words it."""
    certificate = tls.peer_certificate if tls is not None else None
    try:
        return clock[int(getattr(certificate, name).timestamp() * clock.scale)] if certificate is not None else None
    except (ValueError, OverflowError):
        return None


def server_name(name: str) -> bytes | None:
    """Return a server name that a client asked for. One that cannot be a name is led by ``invalid:``, and what is wrong in it is an
    underscore, as in Envoy."""
    clean = "".join([one if one.isascii() and (one.isalnum() or one in "-._") else "_" for one in name])
    return (clean if clean == name else f"invalid:{clean}").encode("ascii") or None


def failure(reason: str) -> bytes | None:
    """Return why TLS failed, in one word."""
    return reason.replace(" ", "_").encode("utf-8", "replace") or None


def _both_ways(which: str, tls: str) -> dict[str, str]:
    """The operators that both sides have; *tls* is an expression for what the handshake came to."""
    peer_facts = {"ISSUER": "issuer", "SUBJECT": "subject", "DNS_SAN": "dns_sans", "IP_SAN": "ip_sans", "URI_SAN": "uri_sans"}
    local_facts = {"DNS_SAN": "dns_sans", "IP_SAN": "ip_sans", "URI_SAN": "uri_sans"}
    return {
        **{f"{which}_PEER_{word}": f"tls.peer({tls}, {name!r})" for word, name in peer_facts.items()},
        **{f"{which}_LOCAL_{word}": f"tls.local({tls}, {name!r})" for word, name in local_facts.items()},
        f"{which}_PEER_CERT": f"tls.pem({tls})",
        f"{which}_TLS_CIPHER": f"tls.fact({tls}, 'cipher')",
        f"{which}_TLS_GROUP": f"tls.fact({tls}, 'group')",
        f"{which}_TLS_SESSION_ID": f"tls.fact({tls}, 'session_id')",
        f"{which}_TLS_VERSION": f"tls.fact({tls}, 'version')",
    }


TLS_WORDS = {
    **_both_ways("DOWNSTREAM", "e.tls"),
    **_both_ways("UPSTREAM", "e.upstream_tls"),
    "DOWNSTREAM_LOCAL_EMAIL_SAN": "tls.local(e.tls, 'email_sans')",
    "DOWNSTREAM_LOCAL_SUBJECT": "tls.local(e.tls, 'subject')",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1": "tls.chain(e.tls, 'sha1')",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256": "tls.chain(e.tls, 'sha256')",
    "DOWNSTREAM_PEER_CHAIN_SERIALS": "tls.chain(e.tls, 'serial')",
    "DOWNSTREAM_PEER_EMAIL_SAN": "tls.peer(e.tls, 'email_sans')",
    "DOWNSTREAM_PEER_FINGERPRINT_1": "tls.peer(e.tls, 'sha1')",
    "DOWNSTREAM_PEER_FINGERPRINT_256": "tls.peer(e.tls, 'sha256')",
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256": "tls.issued(e.tls, 'sha256')",
    "DOWNSTREAM_PEER_ISSUER_SERIAL": "tls.issued(e.tls, 'serial')",
    "DOWNSTREAM_PEER_SERIAL": "tls.peer(e.tls, 'serial')",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON": "tls.failure(e.transport_failure)",
    "FILTER_CHAIN_NAME": "e.filter_chain.encode('utf-8', 'replace')",
    "UPSTREAM_SERVER_NAME": "tls.fact(e.upstream_tls, 'server_name')",
    "UPSTREAM_TRANSPORT_FAILURE_REASON": "tls.failure(e.upstream_transport_failure)",
}
"""Expressions over an entry ``e`` (`operators`), where ``tls`` is this module."""

TLS_TIMES = {
    f"{which}_PEER_CERT_V_{word}": (tls, name)
    for which, tls in (("DOWNSTREAM", "e.tls"), ("UPSTREAM", "e.upstream_tls"))
    for word, name in (("START", "valid_from"), ("END", "valid_to"))
}
"""Operators that show one of the two times of a certificate: whose, and which."""
