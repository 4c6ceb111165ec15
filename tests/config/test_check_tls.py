"""A table of mistakes in listeners, TLS and the TCP proxy: each is told once, at its place, with the cure."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from shifter.config.check_tls import covers
from tests.support.configs import GOOD, with_cluster, with_manager
from tests.support.tls_configs import CERTIFICATE, TYPES, chain, downstream, listener, loaded, tcp, tell, upstream

TABLE = yaml.safe_load((Path(__file__).parent / "tls_mistakes.yaml").read_text(encoding="utf-8"))
NODE = "node: {id: a, cluster: b}\n"
HOST = '              domains: ["*"]\n'
OWN = "tls_certificates: [CERT]"


def configuration(place: str, written: str) -> str:
    """Return the good configuration with *written* at *place*."""
    places = {
        "common": lambda: downstream(f"common_tls_context: {{{written}}}"),
        "own": lambda: downstream(f"common_tls_context: {{{OWN}, {written}}}"),
        "sds": lambda: NODE + downstream(f"common_tls_context: {{{written}}}"),
        "context": lambda: downstream(written),
        "names": lambda: downstream(f"common_tls_context: {{{OWN}}}", f"filter_chain_match: {{server_names: [a.test, {written}]}}"),
        "secrets": lambda: GOOD.replace("  listeners:", f"  secrets: [{written}]\n  listeners:", 1),
        "upstream": lambda: upstream(written),
        "cluster": lambda: with_cluster(written),
        "chain": lambda: chain(written),
        "listener": lambda: listener(written),
        "tcp": lambda: tcp(written),
    }
    return places[place]().replace("CERT", CERTIFICATE).replace("∎", TYPES)


def rows(kind: str) -> Iterator[tuple[str, ...]]:
    for place, written in TABLE[kind].items():
        for row in written:
            yield (place, *row) if isinstance(row, list) else (place, row)


def name_of(value: str) -> str:
    return "".join(char if char.isalnum() else " " for char in value[:60]).strip()


@pytest.mark.parametrize(("place", "written", "message", "hint"), list(rows("errors")), ids=name_of)
def test_error(place: str, written: str, message: str, hint: str) -> None:
    level, said, cure = tell(configuration(place, written))
    assert level == "error" and said.startswith(message) and hint in cure


@pytest.mark.parametrize(("place", "written", "message", "hint"), list(rows("warnings")), ids=name_of)
def test_warning(place: str, written: str, message: str, hint: str) -> None:
    level, said, cure = tell(configuration(place, written))
    assert level == "warning" and said.startswith(message) and hint in cure


@pytest.mark.parametrize(("place", "written"), list(rows("served")), ids=name_of)
def test_nothing_to_tell(place: str, written: str) -> None:
    assert loaded(configuration(place, written).replace("«", "").replace("»", "")).problems == []


def test_http2_that_is_not_offered() -> None:
    text = downstream(f"common_tls_context: {{{OWN}}}").replace("CERT", CERTIFICATE)
    for old, new in (("codec_type: AUTO", "«codec_type»: HTTP2"), ("codec_type: AUTO", "«http2_protocol_options»: {}")):
        level, message, hint = tell(text.replace(old, new, 1))
        assert (level, message) == ("warning", "clients cannot know that HTTP/2 is spoken here: it is not offered by ALPN")
        assert "alpn_protocols: [h2, http/1.1]" in hint
    offered = downstream(f"common_tls_context: {{{OWN}, alpn_protocols: [h2]}}").replace("CERT", CERTIFICATE)
    assert loaded(offered.replace("codec_type: AUTO", "codec_type: HTTP2", 1)).problems == []


def test_server_names_that_follow_from_requests() -> None:
    checks = "common_tls_context: {validation_context: {trusted_ca: {filename: ca.pem}}}"
    newer = (
        f'{{"@type": {TYPES}upstreams.http.v3.HttpProtocolOptions, auto_config: {{}}, upstream_http_protocol_options: {{auto_sni: true}}}}'
    )
    for more in (
        ", upstream_http_protocol_options: {auto_sni: true}",
        f", typed_extension_protocol_options: {{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {newer}}}",
    ):
        assert loaded(upstream(checks, more).replace("«", "").replace("»", "")).problems == []


def test_secrets_of_the_configuration_itself() -> None:
    secrets = f"[{{name: own, tls_certificate: {CERTIFICATE}}}, {{name: ca, validation_context: {{trusted_ca: {{filename: ca.pem}}}}}}]"
    for wanted, problem in (
        ("tls_certificate_sds_secret_configs: [{name: own}], validation_context_sds_secret_config: {name: ca}", None),
        ("tls_certificate_sds_secret_configs: [{name: «ca»}]", "the secret `ca` is no `tls_certificate`"),
    ):
        text = downstream(f"common_tls_context: {{{wanted}}}").replace("  listeners:", f"  secrets: {secrets}\n  listeners:", 1)
        assert loaded(text).problems == [] if problem is None else tell(text)[1:] == (problem, "it stands at line 2")


def test_tls_that_nobody_speaks() -> None:
    text = with_manager("use_remote_address: true").replace(HOST, f"{HOST}              require_tls: «ALL»\n", 1)
    assert tell(text)[:2] == ("warning", "every request is sent to https, and no listener here speaks TLS")
    believed = text.replace("use_remote_address: true", "use_remote_address: true\n          xff_num_trusted_hops: 1")
    spoken = downstream(f"common_tls_context: {{{OWN}}}").replace("CERT", CERTIFICATE)
    spoken = spoken.replace("codec_type: AUTO", "use_remote_address: true").replace(
        'domains: ["*"]', 'domains: ["*"]\n              require_tls: ALL', 1
    )
    for good in (believed, spoken):
        assert loaded(good.replace("«", "").replace("»", "")).problems == []


@pytest.mark.parametrize(("inner", "told"), [("tls.v3.UpstreamTlsContext", 2), ("raw_buffer.v3.RawBuffer", 0)])
def test_what_stands_behind_a_proxy_header_is_looked_at(inner: str, told: int) -> None:
    socket = f'{{name: t, typed_config: {{"@type": {TYPES}transport_sockets.{inner}}}}}'
    typed = f'{{"@type": {TYPES}transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, transport_socket: {socket}}}'
    assert len(loaded(with_cluster(f"transport_socket: {{name: p, typed_config: {typed}}}")).problems) == told


@pytest.mark.parametrize(
    ("name", "wanted", "fits"),
    [
        ("a.test", "a.test", True),
        ("*.a.test", "x.a.test", True),
        ("*.a.test", "*.a.test", True),
        ("*.a.test", "a.test", False),
        ("*.a.test", "x.y.a.test", False),
        ("*.test", "*.a.test", False),
        ("b.test", "a.test", False),
    ],
)
def test_names_that_cover_others(name: str, wanted: str, fits: bool) -> None:
    assert covers(name, wanted) is fits
