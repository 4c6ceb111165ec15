"""What a configuration says of TLS arrives in the model; what it does not say is the model's default; keys are shown nowhere."""

import json
from hashlib import sha256

import pytest

from shifter.model.cluster import Cluster, TransportSocketMatch, UpstreamProtocol
from shifter.model.route import StringMatcher, StringMatchKind
from shifter.model.tls import (
    CertificateValidation,
    DownstreamTlsContext,
    SanType,
    SdsSource,
    SubjectAltNameMatcher,
    TlsCertificate,
    TlsContext,
    TlsParameters,
    TlsVersion,
    UpstreamTlsContext,
)
from tests.support.configs import with_cluster
from tests.support.tls_configs import CERTIFICATE, TYPES, downstream, files, loaded, upstream

OWN = f"tls_certificates: [{CERTIFICATE}]"
A = TlsCertificate(files()["a.pem"], files()["a.key"])
CA = CertificateValidation(files()["ca.pem"])
EXACT_A = SubjectAltNameMatcher(SanType.DNS, StringMatcher(StringMatchKind.EXACT, b"a.test"))
HASH = sha256(b"").digest()
SPKI = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def of_clients(written: str, secrets: str = "") -> DownstreamTlsContext:
    text = downstream(written)
    if secrets:
        text = text.replace("  listeners:", f"  secrets: [{secrets}]\n  listeners:", 1)
    bootstrap = loaded(text).bootstrap
    assert bootstrap is not None
    context = bootstrap.listeners[0].filter_chains[0].tls
    assert context is not None
    return context


def of_endpoints(text: str) -> Cluster:
    bootstrap = loaded(text.replace("«", "").replace("»", "")).bootstrap
    assert bootstrap is not None
    return bootstrap.clusters[-1]


@pytest.mark.parametrize(
    ("written", "common"),
    [
        (OWN, TlsContext(certificates=(A,))),
        (f"{OWN}, alpn_protocols: [h2, http/1.1]", TlsContext(certificates=(A,), alpn_protocols=(b"h2", b"http/1.1"))),
        (
            f"{OWN}, tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLS_AUTO, ecdh_curves: [P-256]}}",
            TlsContext(TlsParameters(TlsVersion.TLSv1_3, ecdh_curves=("P-256",)), (A,)),
        ),
        (
            f"{OWN}, tls_params: {{cipher_suites: ['[AES128-SHA|AES256-SHA]', ECDHE-RSA-AES128-SHA]}}",
            TlsContext(TlsParameters(cipher_suites=("AES128-SHA", "AES256-SHA", "ECDHE-RSA-AES128-SHA")), (A,)),
        ),
        (
            f"{OWN}, validation_context: {{trusted_ca: {{filename: ca.pem}}, max_verify_depth: 2, only_verify_leaf_cert_crl: true, "
            f"verify_certificate_hash: [{HASH.hex()}, '{HASH.hex(':').upper()}'], verify_certificate_spki: [{SPKI}], "
            "crl: {filename: crl.pem}, "
            "match_typed_subject_alt_names: [{san_type: dns, matcher: {exact: a.test}}], allow_expired_certificate: true, "
            "trust_chain_verification: ACCEPT_UNTRUSTED}",
            TlsContext(
                certificates=(A,),
                validation=CertificateValidation(
                    files()["ca.pem"], (EXACT_A,), (HASH, HASH), (HASH,), files()["crl.pem"], True, True, True, max_verify_depth=2
                ),
            ),
        ),
        (
            "tls_certificate_sds_secret_configs: "
            "[{name: a, sds_config: {path_config_source: {path: sds.yaml, watched_directory: {path: x}}}}]",
            TlsContext(certificate_secrets=(SdsSource("a", "sds.yaml"),)),
        ),
        (
            f"{OWN}, validation_context_sds_secret_config: {{name: ca, sds_config: {{path: ca.yaml}}}}",
            TlsContext(certificates=(A,), validation_secret=SdsSource("ca", "ca.yaml")),
        ),
    ],
)
def test_common(written: str, common: TlsContext) -> None:
    assert of_clients(f"common_tls_context: {{{written}}}") == DownstreamTlsContext(common)


def test_clients() -> None:
    written = f"common_tls_context: {{{OWN}}}, require_client_certificate: true, session_timeout: 60s"
    written += (
        ", disable_stateless_session_resumption: true, disable_stateful_session_resumption: true, full_scan_certs_on_sni_mismatch: true"
    )
    assert of_clients(written) == DownstreamTlsContext(TlsContext(certificates=(A,)), True, 60.0, False, False, True)


def test_secrets_of_the_configuration_stand_where_their_names_stood() -> None:
    secrets = f"{{name: own, tls_certificate: {CERTIFICATE}}}, {{name: ca, validation_context: {{trusted_ca: {{filename: ca.pem}}}}}}"
    named = "tls_certificate_sds_secret_configs: [{name: own}], validation_context_sds_secret_config: {name: ca}"
    assert of_clients(f"common_tls_context: {{{named}}}", secrets).common == TlsContext(certificates=(A,), validation=CA)
    default = "{match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a.test}}]}"
    both = f"combined_validation_context: {{default_validation_context: {default}, validation_context_sds_secret_config: {{name: ca}}}}"
    context = of_clients(f"common_tls_context: {{{OWN}, {both}}}", secrets)
    assert context.common.validation == CertificateValidation(files()["ca.pem"], (EXACT_A,))


def test_what_merging_means() -> None:
    first = CertificateValidation(b"a", (EXACT_A,), allow_expired=True, max_verify_depth=1, source="a")
    assert first.merged(CertificateValidation()) == first
    assert CertificateValidation().merged(first) == first
    second = CertificateValidation(b"b", (EXACT_A,), max_verify_depth=2, accept_untrusted=True)
    merged = CertificateValidation(b"b", (EXACT_A, EXACT_A), allow_expired=True, accept_untrusted=True, max_verify_depth=2)
    assert first.merged(second) == merged


CHECKED = "common_tls_context: {validation_context: {trusted_ca: {filename: ca.pem}}}"
COMMON = TlsContext(validation=CA)


@pytest.mark.parametrize(
    ("written", "context"),
    [
        (f"{CHECKED}, sni: a.test", UpstreamTlsContext(COMMON, "a.test")),
        (f"{CHECKED}, auto_host_sni: true, auto_sni_san_validation: true", UpstreamTlsContext(COMMON, "", True, True)),
        (f"{CHECKED}, sni: a, max_session_keys: 0, allow_renegotiation: false", UpstreamTlsContext(COMMON, "a", max_session_keys=0)),
        ("", UpstreamTlsContext()),
    ],
)
def test_endpoints(written: str, context: UpstreamTlsContext) -> None:
    cluster = of_endpoints(upstream(written))
    assert (cluster.tls, cluster.proxy_protocol, cluster.transport_socket_matches) == (context, None, ())


def socket(inner: str) -> str:
    return f'{{name: t, typed_config: {{"@type": {TYPES}transport_sockets.{inner}}}}}'


def test_transport_sockets_of_some_endpoints() -> None:
    raw, tls = socket("raw_buffer.v3.RawBuffer"), socket("tls.v3.UpstreamTlsContext, sni: b")
    header = f'"@type": {TYPES}transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport'
    second = f"{{name: t, typed_config: {{{header}, config: {{version: V2}}, transport_socket: {tls}}}}}"
    matches = f"[{{name: a, match: {{x: true}}, transport_socket: {raw}}}, {{name: b, transport_socket: {second}}}]"
    first = f"{{name: t, typed_config: {{{header}, transport_socket: {raw}}}}}"
    cluster = of_endpoints(with_cluster(f"transport_socket: {first}, transport_socket_matches: {matches}"))
    assert (cluster.tls, cluster.proxy_protocol) == (None, 1)
    assert cluster.transport_socket_matches == (
        TransportSocketMatch("a", {"x": True}),
        TransportSocketMatch("b", {}, UpstreamTlsContext(sni="b"), 2),
    )


def options(written: str) -> str:
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return f'typed_extension_protocol_options: {{{name}: {{"@type": type.googleapis.com/{name}, {written}}}}}'


@pytest.mark.parametrize(
    ("written", "protocol", "trailers", "streams"),
    [
        (options("auto_config: {http2_protocol_options: {max_concurrent_streams: 7}}"), UpstreamProtocol.AUTO, False, 7),
        (options("auto_config: {http_protocol_options: {enable_trailers: true}}"), UpstreamProtocol.AUTO, True, 1024),
        (options("use_downstream_protocol_config: {http2_protocol_options: {}}"), UpstreamProtocol.DOWNSTREAM, False, 1024),
        (options("explicit_http_config: {http2_protocol_options: {}}"), UpstreamProtocol.HTTP2, False, 1024),
        (options("explicit_http_config: {http_protocol_options: {enable_trailers: true}}"), UpstreamProtocol.HTTP1, True, 1024),
        ("protocol_selection: USE_DOWNSTREAM_PROTOCOL", UpstreamProtocol.DOWNSTREAM, False, 1024),
        ("http2_protocol_options: {max_concurrent_streams: 7}", UpstreamProtocol.HTTP2, False, 7),
        ("http_protocol_options: {enable_trailers: true}", UpstreamProtocol.HTTP1, True, 1024),
    ],
)
def test_protocols(written: str, protocol: UpstreamProtocol, trailers: bool, streams: int) -> None:
    cluster = of_endpoints(upstream(CHECKED, f", {written}"))
    assert (cluster.protocol, cluster.enable_trailers, cluster.http2.max_concurrent_streams) == (protocol, trailers, streams)


NAMES = "upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true, override_auto_sni_header: X-Name}"


@pytest.mark.parametrize("written", [NAMES, options(f"explicit_http_config: {{http2_protocol_options: {{}}}}, {NAMES}")])
def test_server_names_that_follow_from_requests(written: str) -> None:
    cluster = of_endpoints(upstream(CHECKED, f", {written}"))
    assert (cluster.auto_sni, cluster.auto_san_validation, cluster.override_auto_sni_header) == (True, True, b"x-name")


def test_keys_are_shown_nowhere() -> None:
    key = json.dumps(files()["locked.key"].decode())
    certificate = f"{{certificate_chain: {{filename: a.pem}}, private_key: {{inline_string: {key}}}, password: {{inline_bytes: b3Blbg==}}}}"
    found = loaded(downstream(f"common_tls_context: {{tls_certificates: [{certificate}]}}"))
    shown = json.dumps(found.document) + repr(found.bootstrap)
    assert shown.count("[redacted]") == 2 and "a.pem" in shown
    assert "ENCRYPTED" not in shown and "b3Blbg" not in shown and "open" not in shown.replace("opentelemetry", "")
