"""What filter chains shake hands with: compiled from the configuration and the secrets it names, and exchanged in place.

Rule 1. A chain whose settings and certificates a reload leaves as they are keeps what it has: sessions that clients know of go on.
Rule 2. While a secret has not come there is nothing to shake hands with, and connections are closed (`proxy.handshake`).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from cryptography import x509

from shifter.model.report import CertificateDetails, CertificateReport
from shifter.model.tls import DownstreamTlsContext, TlsContext
from shifter.net.tls_context import ClientContext, Identity, ServerContexts
from shifter.net.tls_session import Certificate
from shifter.observe.stats import ListenerStats
from shifter.proxy.handshake import UPDATED
from shifter.routing.match_header import compile_string
from shifter.service.secrets import Secrets


class HeldTls:
    """What one filter chain shakes hands with (`proxy.handshake.ServerTls`). Raises `TlsMaterialError`."""

    __slots__ = ("_secrets", "_stats", "config", "current")

    def __init__(self, config: DownstreamTlsContext, secrets: Secrets, before: "HeldTls | None" = None) -> None:
        self.config = config
        self._secrets = secrets
        self._stats: ListenerStats | None = None
        self.current: ServerContexts | None = None
        self.current = self._compiled(before.current if before is not None else None)

    def serve(self, stats: ListenerStats) -> None:
        """Connections come, which are counted in *stats*."""
        self._stats = stats
        self.refill_gauges()

    def refill(self) -> None:
        """Take over the secrets that there are now. Raises `TlsMaterialError`, and leaves all as it was."""
        fresh = self._compiled(self.current)
        if fresh is not self.current:
            self.current = fresh
            if self._stats is not None:
                self._stats.more[UPDATED] += 1
                self.refill_gauges()

    def refill_gauges(self) -> None:
        """Show when the certificates expire."""
        stats, contexts = self._stats, self.current
        if stats is None or contexts is None:
            return
        shown = {name: int(one.leaf.valid_to.timestamp()) for name, one in zip(self._names(), contexts.identities, strict=False)}
        authority = _authority(contexts.config.common)
        if authority is not None:
            shown[self._authority_name(contexts.config.common)] = authority.expires
        stats.more_gauges |= {f"ssl.certificate.{name}.expiration_unix_time_seconds": when for name, when in shown.items()}

    def _compiled(self, before: ServerContexts | None) -> ServerContexts | None:
        common = self._secrets.fill(self.config.common)
        if common is None:
            return before  # what was there once stays until something better comes
        config = replace(self.config, common=common)
        return before if before is not None and before.config == config else ServerContexts(config, compile_string)

    def _names(self) -> Iterator[str]:
        """Return what the certificates are called in statistics: secrets by their names, others by what they are."""
        for certificate in self.config.common.certificates:
            yield f"unnamed_cert_{_digest(certificate.certificate_chain)}"
        for source in self.config.common.certificate_secrets:
            yield source.name

    def _authority_name(self, filled: TlsContext) -> str:
        source = self.config.common.validation_secret
        if source is not None:
            return source.name
        trusted = filled.validation.trusted_ca if filled.validation is not None else None
        return f"unnamed_ca_cert_{_digest(trusted or b'')}"


def _digest(pem: bytes) -> str:
    return hashlib.sha256(pem).hexdigest()[:8]


def certificates_in(contexts: ServerContexts | ClientContext | None) -> CertificateReport | None:
    """Return what is in use, for ``/certs``; ``None`` for nothing."""
    if contexts is None:
        return None
    identities = contexts.identities if isinstance(contexts, ServerContexts) else [contexts.identity]
    sources = [one.source for one in contexts.config.common.certificates]
    shown = tuple(_details(one.leaf, source) for one, source in zip(identities, sources, strict=False) if isinstance(one, Identity))
    authority = _authority(contexts.config.common)
    return CertificateReport(authority, shown) if authority is not None or shown else None


def _authority(context: TlsContext) -> CertificateDetails | None:
    validation = context.validation
    if validation is None or validation.trusted_ca is None:
        return None
    found = x509.load_pem_x509_certificates(validation.trusted_ca)
    return _details(Certificate(found[0]), validation.source) if found else None


def _details(certificate: Certificate, source: str) -> CertificateDetails:
    names = [("dns", name) for name in certificate.dns_sans] + [("uri", name) for name in certificate.uri_sans]
    names += [("ip_address", name) for name in certificate.ip_sans]
    since, until = certificate.valid_from.timestamp(), certificate.valid_to.timestamp()
    return CertificateDetails(source or "<inline>", certificate.serial, tuple(names), int(since), int(until))
