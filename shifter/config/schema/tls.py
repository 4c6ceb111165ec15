"""Transport Layer Security: ``extensions.transport_sockets.tls.v3``.

Rule 1. Whatever is secret is not in what ``model_dump`` returns: it says ``[redacted]``.
"""

import re
from base64 import b64decode
from enum import Enum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from shifter.config.schema.base import (
    Bool,
    Choice,
    Ignored,
    Message,
    Name,
    OneOf,
    Seconds,
    Text,
    Typed,
    UInt32,
    base64_bytes,
    kind,
    only,
    whole,
    word,
    wrong,
)
from shifter.config.schema.config_source import ConfigSource, WatchedDirectory
from shifter.config.schema.core import DataSource, StringMatcher
from shifter.model.tls import SanType

REDACTED = "[redacted]"
_BYTES_OF_HASH = 32
_LONGEST_SNI = 255
_LONGEST_PROTOCOL = 255
_COLONS = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}")
_PAIRS = re.compile(r"[0-9A-Fa-f]{64}")

_redacted = PlainSerializer(lambda value: None if value is None else REDACTED, return_type=str | None)


class SecretDataSource(DataSource):
    """``core.v3.DataSource``, of what nobody may see."""

    inline_bytes: Annotated[str | None, _redacted, BeforeValidator(base64_bytes)] = None
    inline_string: Annotated[Text | None, _redacted] = None


class TlsProtocol(Enum):
    """``TlsParameters.TlsProtocol``."""

    TLS_AUTO = "TLS_AUTO"
    TLSv1_0 = "TLSv1_0"
    TLSv1_1 = "TLSv1_1"
    TLSv1_2 = "TLSv1_2"
    TLSv1_3 = "TLSv1_3"


class TlsParameters(Message):
    """``TlsParameters``."""

    envoy = "envoy.extensions.transport_sockets.tls.v3.TlsParameters"

    tls_minimum_protocol_version: Annotated[TlsProtocol, word(TlsProtocol)] = TlsProtocol.TLS_AUTO
    tls_maximum_protocol_version: Annotated[TlsProtocol, word(TlsProtocol)] = TlsProtocol.TLS_AUTO
    cipher_suites: list[Text] = Field(default_factory=list)
    ecdh_curves: list[Text] = Field(default_factory=list)


class TlsCertificate(Message):
    """``TlsCertificate``."""

    envoy = "envoy.extensions.transport_sockets.tls.v3.TlsCertificate"

    certificate_chain: DataSource | None = None
    private_key: SecretDataSource | None = None
    password: SecretDataSource | None = None
    ocsp_staple: DataSource | None = None
    watched_directory: WatchedDirectory | None = None


def _spki(value: str) -> str:
    try:
        found = b64decode(value, validate=True)
    except ValueError:
        found = b""
    if len(found) != _BYTES_OF_HASH:
        raise wrong(f"{kind(value)} is not the hash of a public key", "that is SHA-256 in base64, 44 characters")
    return value


def _hash(value: str) -> str:
    if not _PAIRS.fullmatch(value) and not _COLONS.fullmatch(value):
        raise wrong(f"{kind(value)} is not the hash of a certificate", "that is SHA-256 in 64 hexadecimal digits, with or without colons")
    return value


class SubjectAltNameMatcher(Message):
    """``SubjectAltNameMatcher``."""

    envoy = "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher"

    san_type: Annotated[SanType, word(SanType, "OTHER_NAME")]
    matcher: StringMatcher


class SystemRootCerts(Message):
    """``CertificateValidationContext.SystemRootCerts``."""

    envoy = "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.SystemRootCerts"


class TrustChainVerification(Enum):
    """``CertificateValidationContext.TrustChainVerification``."""

    VERIFY_TRUST_CHAIN = "VERIFY_TRUST_CHAIN"
    ACCEPT_UNTRUSTED = "ACCEPT_UNTRUSTED"


class CertificateValidationContext(Message):
    """``CertificateValidationContext``."""

    envoy = "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext"

    trusted_ca: DataSource | None = None
    system_root_certs: SystemRootCerts | None = None
    watched_directory: WatchedDirectory | None = None
    verify_certificate_spki: list[Annotated[str, AfterValidator(_spki)]] = Field(default_factory=list)
    verify_certificate_hash: list[Annotated[str, AfterValidator(_hash)]] = Field(default_factory=list)
    match_typed_subject_alt_names: list[SubjectAltNameMatcher] = Field(default_factory=list)
    crl: DataSource | None = None
    allow_expired_certificate: Bool = False
    trust_chain_verification: Annotated[TrustChainVerification, word(TrustChainVerification)] = TrustChainVerification.VERIFY_TRUST_CHAIN
    only_verify_leaf_cert_crl: Bool = False
    max_verify_depth: Annotated[int, Field(ge=0, le=100), whole] | None = None
    suppress_client_ca_list: Ignored = None


class SecretConfigSource(ConfigSource):
    """``core.v3.ConfigSource``, of a secret."""

    one_of = (OneOf(("path_config_source", "path"), ("api_config_source", "ads", "self"), "nothing says where the secret is"),)


class SdsSecretConfig(Message):
    """``SdsSecretConfig``: a secret in a file or, without ``sds_config``, one of ``static_resources.secrets``."""

    envoy = "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig"

    name: Name
    sds_config: SecretConfigSource | None = None


class CombinedValidationContext(Message):
    """``CommonTlsContext.CombinedCertificateValidationContext``."""

    envoy = "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext"

    default_validation_context: CertificateValidationContext
    validation_context_sds_secret_config: SdsSecretConfig


def _protocol(value: str) -> str:
    if not 0 < len(value.encode()) <= _LONGEST_PROTOCOL:
        raise wrong("the name of a protocol has 1 to 255 bytes", "write h2, or http/1.1")
    return value


class CommonTlsContext(Choice):
    """``CommonTlsContext``."""

    envoy = "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext"
    one_of = (
        OneOf(
            ("validation_context", "validation_context_sds_secret_config", "combined_validation_context"),
            ("validation_context_certificate_provider", "validation_context_certificate_provider_instance"),
        ),
    )

    tls_params: TlsParameters | None = None
    tls_certificates: list[TlsCertificate] = Field(default_factory=list)
    tls_certificate_sds_secret_configs: list[SdsSecretConfig] = Field(default_factory=list)
    validation_context: CertificateValidationContext | None = None
    validation_context_sds_secret_config: SdsSecretConfig | None = None
    combined_validation_context: CombinedValidationContext | None = None
    alpn_protocols: list[Annotated[str, AfterValidator(_protocol)]] = Field(default_factory=list)


class OcspStaplePolicy(Enum):
    """``DownstreamTlsContext.OcspStaplePolicy``."""

    LENIENT_STAPLING = "LENIENT_STAPLING"


class DownstreamTlsContext(Typed):
    """``DownstreamTlsContext``: TLS with clients."""

    envoy = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    one_of = (
        OneOf(
            ("disable_stateless_session_resumption",),
            ("session_ticket_keys", "session_ticket_keys_sds_secret_config"),
        ),
    )

    common_tls_context: CommonTlsContext | None = None
    require_client_certificate: Bool = False
    require_sni: Annotated[Bool, only(False)] = False
    session_timeout: Annotated[Seconds, Field(lt=2**32)] | None = None
    disable_stateless_session_resumption: Bool = False
    disable_stateful_session_resumption: Bool = False
    full_scan_certs_on_sni_mismatch: Bool = False
    ocsp_staple_policy: Annotated[OcspStaplePolicy, word(OcspStaplePolicy, "STRICT_STAPLING MUST_STAPLE")] = (
        OcspStaplePolicy.LENIENT_STAPLING
    )


def _server_name(value: str) -> str:
    if len(value.encode()) > _LONGEST_SNI:
        raise wrong(f"a server name has {_LONGEST_SNI} bytes at most")
    if "\0" in value:
        raise wrong("a server name cannot hold a zero byte")
    return value


class UpstreamTlsContext(Typed):
    """``UpstreamTlsContext``: TLS with endpoints."""

    envoy = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"

    common_tls_context: CommonTlsContext | None = None
    sni: Annotated[str, AfterValidator(_server_name)] = ""
    auto_host_sni: Bool = False
    auto_sni_san_validation: Bool = False
    allow_renegotiation: Annotated[Bool, only(False)] = False
    max_session_keys: UInt32 | None = None
    enforce_rsa_key_usage: Ignored = None


class Secret(Choice):
    """``Secret``, by its name."""

    envoy = "envoy.extensions.transport_sockets.tls.v3.Secret"
    one_of = (OneOf(("tls_certificate", "validation_context"), ("session_ticket_keys", "generic_secret"), "this secret holds nothing"),)

    name: Text = ""
    tls_certificate: TlsCertificate | None = None
    validation_context: CertificateValidationContext | None = None
