"""Transport Layer Security as Envoy's ``transport_sockets.tls.v3`` describes it. Durations are seconds.

Rule 1. What a certificate is made of is here as its bytes, so that a file whose contents have changed is a changed configuration.
Rule 2. Private keys are in no ``repr`` and in no comparison that is printed.
"""

from dataclasses import dataclass, field
from enum import Enum

from shifter.model.route import StringMatcher


class TlsVersion(Enum):
    """``TlsParameters.TlsProtocol``."""

    TLSv1_0 = "TLSv1_0"
    TLSv1_1 = "TLSv1_1"
    TLSv1_2 = "TLSv1_2"
    TLSv1_3 = "TLSv1_3"


@dataclass(frozen=True, slots=True)
class TlsParameters:
    """``TlsParameters``. ``cipher_suites`` (OpenSSL's names; they say nothing about TLS 1.3) and ``ecdh_curves`` empty: the defaults of
    ``net.tls_context``."""

    minimum: TlsVersion = TlsVersion.TLSv1_2
    maximum: TlsVersion = TlsVersion.TLSv1_3
    cipher_suites: tuple[str, ...] = ()
    ecdh_curves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TlsCertificate:
    """``TlsCertificate``: PEM of the chain, leaf first, and of the key. ``source`` names where they came from, for messages."""

    certificate_chain: bytes
    private_key: bytes = field(repr=False)
    password: bytes = field(default=b"", repr=False)
    ocsp_staple: bytes = b""
    source: str = field(default="", compare=False)


class SanType(Enum):
    """``SubjectAltNameMatcher.SanType``."""

    DNS = "DNS"
    URI = "URI"
    EMAIL = "EMAIL"
    IP_ADDRESS = "IP_ADDRESS"


@dataclass(frozen=True, slots=True)
class SubjectAltNameMatcher:
    """``SubjectAltNameMatcher``: fits a certificate that has a name of ``san_type`` which ``matcher`` fits."""

    san_type: SanType
    matcher: StringMatcher


@dataclass(frozen=True, slots=True)
class CertificateValidation:
    """``CertificateValidationContext``. ``trusted_ca`` is PEM; ``None``: who signed a certificate is not looked at.

    ``certificate_hashes`` are SHA-256 of the DER certificate, ``certificate_spki`` SHA-256 of its public key (any of either list fits);
    of ``subject_alt_names`` one must fit. ``accept_untrusted`` is ``trust_chain_verification: ACCEPT_UNTRUSTED``: what does not verify
    is let through, and known as not verified.
    """

    trusted_ca: bytes | None = None
    subject_alt_names: tuple[SubjectAltNameMatcher, ...] = ()
    certificate_hashes: tuple[bytes, ...] = ()
    certificate_spki: tuple[bytes, ...] = ()
    crl: bytes | None = None
    only_verify_leaf_crl: bool = False
    allow_expired: bool = False
    accept_untrusted: bool = False
    max_verify_depth: int | None = None
    source: str = field(default="", compare=False)

    def merged(self, secret: "CertificateValidation") -> "CertificateValidation":
        """Return this with what *secret* says over it, as protobuf merges messages: lists are joined, and false says nothing."""
        return CertificateValidation(
            trusted_ca=self.trusted_ca if secret.trusted_ca is None else secret.trusted_ca,
            subject_alt_names=self.subject_alt_names + secret.subject_alt_names,
            certificate_hashes=self.certificate_hashes + secret.certificate_hashes,
            certificate_spki=self.certificate_spki + secret.certificate_spki,
            crl=self.crl if secret.crl is None else secret.crl,
            only_verify_leaf_crl=self.only_verify_leaf_crl or secret.only_verify_leaf_crl,
            allow_expired=self.allow_expired or secret.allow_expired,
            accept_untrusted=self.accept_untrusted or secret.accept_untrusted,
            max_verify_depth=self.max_verify_depth if secret.max_verify_depth is None else secret.max_verify_depth,
            source=secret.source or self.source,
        )


@dataclass(frozen=True, slots=True)
class SdsSource:
    """``SdsSecretConfig`` with a ``path_config_source``: the secret ``name`` in the file ``path``, which is watched."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class TlsContext:
    """``CommonTlsContext``. Secrets that come from files stand in ``certificate_secrets`` and ``validation_secret``; with one,
    ``validation`` is ``combined_validation_context.default_validation_context`` (lists are joined, as protobuf merges)."""

    parameters: TlsParameters = TlsParameters()
    certificates: tuple[TlsCertificate, ...] = ()
    certificate_secrets: tuple[SdsSource, ...] = ()
    validation: CertificateValidation | None = None
    validation_secret: SdsSource | None = None
    alpn_protocols: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class DownstreamTlsContext:
    """``DownstreamTlsContext``. ``session_timeout`` ``None``: OpenSSL's.

    ``require_client_certificate`` ``False`` with a validation context: a certificate is asked for, and checked if there is one.
    """

    common: TlsContext = TlsContext()
    require_client_certificate: bool = False
    session_timeout: float | None = None
    stateless_session_resumption: bool = True
    stateful_session_resumption: bool = True
    full_scan_certs_on_sni_mismatch: bool = False


@dataclass(frozen=True, slots=True)
class UpstreamTlsContext:
    """``UpstreamTlsContext``. ``auto_host_sni``: the endpoint's ``hostname`` is the server name where it has one.

    Unlike in Envoy an endpoint's certificate is checked by default: against the system's authorities when there is no ``trusted_ca``, and
    for the server name when no names are asked for (``docs/differences.md``). ``verify`` is false where the configuration says
    ``trust_chain_verification: ACCEPT_UNTRUSTED``.
    """

    common: TlsContext = TlsContext()
    sni: str = ""
    auto_host_sni: bool = False
    auto_sni_san_validation: bool = False
    max_session_keys: int = 1
