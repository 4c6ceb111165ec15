"""TLS and what else bytes travel in, from the checked schema to the frozen model.

Rule 1. As in ``build``: nothing can fail here, and no default of the model is repeated.
Rule 2. A secret of ``static_resources`` stands, once built, where its name stood; only one in a file remains a name.
"""

from base64 import b64decode
from collections.abc import Collection

from shifter.config.build_common import Sources, given, string_matcher
from shifter.config.schema import core, tls
from shifter.config.schema import transport_socket as sockets
from shifter.model.tls import (
    CertificateValidation,
    DownstreamTlsContext,
    SdsSource,
    SubjectAltNameMatcher,
    TlsCertificate,
    TlsContext,
    TlsParameters,
    TlsVersion,
    UpstreamTlsContext,
)

_AUTO = tls.TlsProtocol.TLS_AUTO


class TlsBuilder:
    """Builds TLS contexts; *secrets* are those of ``static_resources``."""

    def __init__(self, sources: Sources, secrets: Collection[tls.Secret] = ()) -> None:
        self._sources = sources
        self._secrets = {secret.name: secret for secret in secrets}

    def downstream(self, config: sockets.DownstreamTransportSocket | None) -> DownstreamTlsContext | None:
        """Return the TLS that *config* means for clients; ``None`` for none."""
        context: object = config.typed_config if config is not None else None
        if not isinstance(context, tls.DownstreamTlsContext):
            return None
        return DownstreamTlsContext(
            self._common(context.common_tls_context),
            require_client_certificate=context.require_client_certificate,
            session_timeout=context.session_timeout,
            stateless_session_resumption=not context.disable_stateless_session_resumption,
            stateful_session_resumption=not context.disable_stateful_session_resumption,
            full_scan_certs_on_sni_mismatch=context.full_scan_certs_on_sni_mismatch,
        )

    def upstream(
        self, config: sockets.UpstreamTransportSocket | sockets.InnerTransportSocket | None
    ) -> tuple[UpstreamTlsContext | None, int | None]:
        """Return the TLS that *config* means for endpoints, and the version of the PROXY header; ``None`` for none."""
        context: object = config.typed_config if config is not None else None
        if isinstance(context, sockets.ProxyProtocolUpstreamTransport):
            inner, _ = self.upstream(context.transport_socket)
            return inner, (context.config or sockets.ProxyProtocolConfig()).version.value
        if not isinstance(context, tls.UpstreamTlsContext):
            return None, None
        said = UpstreamTlsContext(
            self._common(context.common_tls_context),
            sni=context.sni,
            auto_host_sni=context.auto_host_sni,
            auto_sni_san_validation=context.auto_sni_san_validation,
            **given(max_session_keys=context.max_session_keys),
        )
        return said, None

    def _common(self, config: tls.CommonTlsContext | None) -> TlsContext:
        if config is None:
            return TlsContext()
        certificates = [*map(self.certificate, config.tls_certificates)]
        waiting: list[SdsSource] = []
        for named in config.tls_certificate_sds_secret_configs:
            if named.sds_config is not None:
                waiting.append(_in_file(named, named.sds_config))
            else:
                certificate = self._secrets[named.name].tls_certificate
                assert certificate is not None
                certificates.append(self.certificate(certificate))
        combined = config.combined_validation_context
        first = combined.default_validation_context if combined is not None else config.validation_context
        second = combined.validation_context_sds_secret_config if combined is not None else config.validation_context_sds_secret_config
        validation, secret = self.validation(first) if first is not None else None, None
        if second is not None:
            if second.sds_config is not None:
                secret = _in_file(second, second.sds_config)
            else:
                found = self._secrets[second.name].validation_context
                assert found is not None
                static = self.validation(found)
                validation = validation.merged(static) if validation is not None else static
        return TlsContext(
            parameters=_parameters(config.tls_params),
            certificates=tuple(certificates),
            certificate_secrets=tuple(waiting),
            validation=validation,
            validation_secret=secret,
            alpn_protocols=tuple(name.encode() for name in config.alpn_protocols),
        )

    def certificate(self, config: tls.TlsCertificate) -> TlsCertificate:
        """Return *config* as the model."""
        return TlsCertificate(
            certificate_chain=self._data(config.certificate_chain) or b"",
            private_key=self._data(config.private_key) or b"",
            password=self._data(config.password) or b"",
            ocsp_staple=self._data(config.ocsp_staple) or b"",
            source=_source(config.certificate_chain),
        )

    def validation(self, config: tls.CertificateValidationContext) -> CertificateValidation:
        """Return *config* as the model."""
        return CertificateValidation(
            trusted_ca=self._data(config.trusted_ca),
            subject_alt_names=tuple(
                SubjectAltNameMatcher(one.san_type, string_matcher(one.matcher)) for one in config.match_typed_subject_alt_names
            ),
            certificate_hashes=tuple(bytes.fromhex(one.replace(":", "")) for one in config.verify_certificate_hash),
            certificate_spki=tuple(map(b64decode, config.verify_certificate_spki)),
            crl=self._data(config.crl),
            only_verify_leaf_crl=config.only_verify_leaf_cert_crl,
            allow_expired=config.allow_expired_certificate,
            accept_untrusted=config.trust_chain_verification is tls.TrustChainVerification.ACCEPT_UNTRUSTED,
            max_verify_depth=config.max_verify_depth,
            source=_source(config.trusted_ca),
        )

    def _data(self, config: core.DataSource | None) -> bytes | None:
        return self._sources.data(config) if config is not None else None


def _source(config: core.DataSource | None) -> str:
    """Return the name of the file or the variable that *config* names."""
    return (config.filename or config.environment_variable or "") if config is not None else ""


def _in_file(config: tls.SdsSecretConfig, source: tls.SecretConfigSource) -> SdsSource:
    within = source.path_config_source
    return SdsSource(config.name, within.path if within is not None else source.path or "")


def _parameters(config: tls.TlsParameters | None) -> TlsParameters:
    if config is None:
        return TlsParameters()
    least, most = config.tls_minimum_protocol_version, config.tls_maximum_protocol_version
    return TlsParameters(
        cipher_suites=tuple(name for group in config.cipher_suites for name in ciphers_of(group)),
        ecdh_curves=tuple(config.ecdh_curves),
        **given(
            minimum=TlsVersion(least.value) if least is not _AUTO else None,
            maximum=TlsVersion(most.value) if most is not _AUTO else None,
        ),
    )


def ciphers_of(group: str) -> list[str]:
    """Return the names in an item of ``cipher_suites``: one, or several of equal preference (``[A|B]``)."""
    return group[1:-1].split("|") if group.startswith("[") and group.endswith("]") else [group]
