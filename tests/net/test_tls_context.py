"""Which certificate, which protocol, which session; and what cannot be used."""

import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from twisted.internet.task import Clock

from shifter.model.tls import CertificateValidation, TlsCertificate, TlsContext, TlsParameters, TlsVersion, UpstreamTlsContext
from shifter.net.tls import ClientContext, ServerContexts
from shifter.net.tls_context import Identity, TlsMaterialError, choose_protocol
from tests.support.certificates import Authority, subject
from tests.support.tls_ends import Server, Stdlib, authority, carry, downstream, leaf, material, stdlib_client, talk, upstream
from tests.support.transports import FakeNetwork

V12, V13 = TlsVersion.TLSv1_2, TlsVersion.TLSv1_3


def shown(contexts: ServerContexts, server_name: str | None, ecdsa: bool = True, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> str:
    """The names and the kind of the certificate that a client is shown which asks for *server_name*."""
    context = stdlib_client()
    context.check_hostname = False
    context.maximum_version = version
    if not ecdsa:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    server = Server(FakeNetwork(Clock()), contexts)
    end = Stdlib(server.below, context, name=server_name).shake()
    assert end.done, (end.failure, server.failures)
    tls = server.tls.tls
    assert tls is not None
    own = tls.local_certificate
    assert own is not None
    kind = "ec" if isinstance(own.parsed.public_key(), ec.EllipticCurvePublicKey) else "rsa"
    return " ".join([*own.dns_sans, kind])


@pytest.fixture(scope="module")
def many() -> ServerContexts:
    return ServerContexts(
        downstream(
            leaf("first.example", key="rsa"),
            leaf("a.example", "shared.example", key="rsa"),
            leaf("a.example"),
            leaf("*.b.example"),
            leaf("exact.b.example", key="rsa"),
            leaf("shared.example", "only-late.example", key="rsa"),
        )
    )


@pytest.mark.parametrize(
    ("asked", "ecdsa", "expected"),
    [
        ("a.example", True, "a.example ec"),
        ("A.Example", True, "a.example ec"),
        ("a.example", False, "a.example shared.example rsa"),
        ("x.b.example", True, "*.b.example ec"),
        ("exact.b.example", True, "exact.b.example rsa"),
        ("x.y.b.example", True, "first.example rsa"),
        ("b.example", True, "first.example rsa"),
        ("x.b.example", False, "first.example rsa"),
        ("shared.example", True, "a.example shared.example rsa"),
        ("only-late.example", True, "shared.example only-late.example rsa"),
        ("elsewhere.example", True, "first.example rsa"),
        (None, True, "a.example ec"),
        (None, False, "first.example rsa"),
    ],
)
def test_the_certificate_is_envoys_choice(many: ServerContexts, asked: str | None, ecdsa: bool, expected: str) -> None:
    assert shown(many, asked, ecdsa) == expected


def test_in_tls_1_2_too(many: ServerContexts) -> None:
    assert shown(many, "a.example", version=ssl.TLSVersion.TLSv1_2) == "a.example ec"


def test_a_full_scan_prefers_ecdsa_for_who_asks_for_nobody_known() -> None:
    contexts = ServerContexts(downstream(leaf("one.example", key="rsa"), leaf("two.example"), full_scan_certs_on_sni_mismatch=True))
    assert shown(contexts, "elsewhere.example") == "two.example ec"
    assert shown(contexts, "elsewhere.example", ecdsa=False) == "one.example rsa"


def test_a_certificate_without_alternative_names_goes_by_its_common_name() -> None:
    nameless = authority().issue(named=subject(common_name="old.example"))
    assert Identity(material(nameless)).names == ["old.example"]
    assert Identity(material(authority().issue("*.c.example", "C.example"))).names == [".c.example", "c.example"]
    assert Identity(material(authority().issue(named=subject(organization_name="Nobody")))).names == []


def test_intermediates_are_sent_along() -> None:
    below = Authority("Between", parent=authority())
    client, _ = talk(downstream(below.issue("a.example")))
    assert client.tls.tls is not None
    assert [one.subject for one in client.tls.tls.peer_chain][:2] == ["CN=a.example", "CN=Between"]


def test_two_certificates_for_a_name_have_a_chain_each() -> None:
    left, right = Authority("Left", parent=authority()), Authority("Right", parent=authority())
    contexts = ServerContexts(downstream(left.issue("a.example"), right.issue("a.example", key="rsa")))
    for suites, names in ((("ECDHE-ECDSA-AES128-GCM-SHA256",), "Left"), (("ECDHE-RSA-AES128-GCM-SHA256",), "Right")):
        client, _ = talk(contexts, upstream(parameters=TlsParameters(V12, V12, suites)))
        assert client.tls.tls is not None
        assert [one.common_name for one in client.tls.tls.peer_chain] == ["a.example", names]


# ALPN


@pytest.mark.parametrize(
    ("ours", "offered", "chosen"),
    [
        ((b"h2", b"http/1.1"), (b"http/1.1", b"h2"), b"h2"),
        ((b"http/1.1", b"h2"), (b"h2", b"http/1.1"), b"http/1.1"),
        ((b"h2",), (b"spdy/3",), b""),
        ((), (b"h2",), b""),
        ((b"h2",), (), b""),
    ],
)
def test_the_servers_order_counts_and_nothing_in_common_is_no_failure(
    ours: tuple[bytes, ...], offered: tuple[bytes, ...], chosen: bytes
) -> None:
    client, server = talk(downstream(alpn_protocols=ours), upstream(alpn_protocols=offered))
    assert server.tls.tls is not None
    assert client.tls.tls is not None
    assert server.tls.tls.alpn == client.tls.tls.alpn == chosen
    assert choose_protocol(ours, offered) == (chosen or None)


def test_who_says_nothing_of_alpn_speaks_what_its_owner_does() -> None:
    _, server = talk(ServerContexts(downstream(), alpn=(b"http/1.1",)), ClientContext(upstream(), alpn=(b"h2", b"http/1.1")))
    assert server.tls.tls is not None
    assert server.tls.tls.alpn == b"http/1.1"


# versions and suites


def test_the_defaults_are_envoys() -> None:
    _, server = talk()
    assert server.tls.tls is not None
    assert (server.tls.tls.version, server.tls.tls.cipher) == ("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    refusing = Server(FakeNetwork(Clock()), ServerContexts(downstream()))
    Stdlib(refusing.below, old).shake()
    assert "NO_SHARED_CIPHER" in refusing.failures[0].reason


def test_versions_that_are_not_allowed() -> None:
    client, server = talk(downstream(parameters=TlsParameters(V13, V13)), upstream(parameters=TlsParameters(V12, V12)))
    assert "UNSUPPORTED_PROTOCOL" in server.failures[0].reason
    assert "TLSV1_ALERT_PROTOCOL_VERSION" in client.failures[0].reason


def test_old_versions_can_be_had() -> None:
    old = TlsParameters(TlsVersion.TLSv1_0, TlsVersion.TLSv1_1, ("ECDHE-ECDSA-AES128-SHA",))
    client, _ = talk(downstream(parameters=old), upstream(parameters=old))
    assert client.tls.tls is not None
    assert client.tls.tls.version == "TLSv1.1"


def test_suites_in_brackets_are_those_in_them() -> None:
    suites = TlsParameters(V12, V12, ("[ECDHE-ECDSA-AES256-GCM-SHA384|ECDHE-ECDSA-CHACHA20-POLY1305]",))
    client, _ = talk(downstream(parameters=suites))
    assert client.tls.tls is not None
    assert client.tls.tls.cipher in ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305")


def test_curves() -> None:
    client, server = talk(
        downstream(parameters=TlsParameters(ecdh_curves=("P-384",))), upstream(parameters=TlsParameters(ecdh_curves=("X25519", "P-384")))
    )
    assert server.tls.engine.connection.get_group_name() == "secp384r1"
    client, server = talk(downstream(parameters=TlsParameters(ecdh_curves=("P-384",))))
    assert client.failures
    assert str(server.failures[0]) == "the two ends have no curve in common"


# sessions


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize(
    ("stateless", "stateful", "resumed"), [(True, True, True), (True, False, True), (False, True, True), (False, False, False)]
)
def test_sessions_go_on(version: TlsVersion, stateless: bool, stateful: bool, resumed: bool) -> None:
    contexts = ServerContexts(
        downstream(
            parameters=TlsParameters(version, version),
            stateless_session_resumption=stateless,
            stateful_session_resumption=stateful,
            session_timeout=100.0,
        )
    )
    context = ClientContext(upstream())
    for expected in (False, resumed, resumed):
        client, server = talk(contexts, context)
        assert client.tls.tls is not None
        assert server.tls.tls is not None
        assert client.tls.tls.verified
        assert (client.tls.tls.resumed, server.tls.tls.resumed) == (expected, expected)
        client.tls.close()
        carry(client, server)


def test_a_session_of_tls_1_3_is_used_once_and_only_for_its_server() -> None:
    contexts, context = ServerContexts(downstream(leaf("a.example", "b.example"))), ClientContext(upstream(max_session_keys=2))
    talk(contexts, context)
    assert repr(context) == "<ClientContext any sessions=1>"
    assert context.session_for("b.example", "b.example") is None
    assert context.session_for("a.example", "a.example") is not None
    assert context.session_for("a.example", "a.example") is None
    for _ in range(4):
        talk(contexts, context)
    assert repr(context) == "<ClientContext any sessions=2>" or repr(context) == "<ClientContext any sessions=1>"


def test_sessions_need_not_be_kept() -> None:
    contexts, context = ServerContexts(downstream()), ClientContext(upstream(max_session_keys=0))
    talk(contexts, context)
    client, _ = talk(contexts, context)
    assert client.tls.tls is not None
    assert not client.tls.tls.resumed


def test_names_for_which_sessions_are_kept_are_bounded() -> None:
    context = ClientContext(upstream())
    client, _ = talk(client=context)
    session = client.tls.engine.session()
    for number in range(1000):
        context.keep(f"{number}.example", "", session, True)
    assert repr(context) == "<ClientContext any sessions=256>"
    assert context.session_for("999.example", "") is not None


def test_a_session_does_not_go_on_under_other_demands() -> None:
    """A ticket that one context gave is not worth anything to another that asks more, even with the same keys."""
    plain = ServerContexts(downstream())
    asking = ServerContexts(downstream(validation=CertificateValidation(trusted_ca=authority().pem), require_client_certificate=True))
    renamed = ServerContexts(downstream(leaf("b.example")))
    assert len({plain._session_id, asking._session_id, renamed._session_id}) == 3
    assert ServerContexts(downstream())._session_id == plain._session_id


def test_a_verified_client_is_still_verified_when_its_session_goes_on() -> None:
    contexts = ServerContexts(downstream(validation=CertificateValidation(trusted_ca=authority().pem), require_client_certificate=True))
    context = ClientContext(upstream(certificate=leaf("client.example")))
    for resumed in (False, True):
        _, server = talk(contexts, context)
        tls = server.tls.tls
        assert tls is not None
        assert (tls.resumed, tls.verified) == (resumed, True)
        assert tls.peer_certificate is not None
        assert tls.peer_certificate.subject == "CN=client.example"


# what cannot be used


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (TlsCertificate(b"nothing", b"nothing", source="front.pem"), "front.pem: no certificate can be read from it"),
        (TlsCertificate(leaf("a.example").chain_pem, b"nothing"), "certificate: the private key cannot be read"),
        (
            TlsCertificate(leaf("a.example").chain_pem, leaf("b.example").key_pem),
            "certificate: the private key does not belong to the certificate of CN=a.example",
        ),
        (TlsCertificate(leaf("a.example").chain_pem, leaf("a.example").key_pem, password=b"needless"), "the private key cannot be read"),
    ],
)
def test_what_cannot_be_used_is_named(certificate: TlsCertificate, words: str) -> None:
    with pytest.raises(TlsMaterialError, match=words):
        Identity(certificate)


@pytest.mark.parametrize(
    ("validation", "words"),
    [
        (CertificateValidation(trusted_ca=b"nothing", source="ca.pem"), "ca.pem: no trusted_ca can be read from it"),
        (CertificateValidation(trusted_ca=authority().pem, crl=b"nothing", source="x.pem"), "x.pem: there is no revocation list in it"),
        (
            CertificateValidation(crl=b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"),
            "crl: a revocation list cannot be read",
        ),
    ],
)
def test_so_is_what_is_to_be_trusted(validation: CertificateValidation, words: str) -> None:
    with pytest.raises(TlsMaterialError, match=words):
        ServerContexts(downstream(validation=validation))


def test_settings_that_openssl_does_not_know() -> None:
    with pytest.raises(TlsMaterialError, match="cipher_suites: OpenSSL knows none of ROT13"):
        ServerContexts(downstream(parameters=TlsParameters(cipher_suites=("ROT13",))))
    with pytest.raises(TlsMaterialError, match="ecdh_curves: OpenSSL does not know all of X25519:P-1"):
        ServerContexts(downstream(parameters=TlsParameters(ecdh_curves=("X25519", "P-1"))))
    with pytest.raises(TlsMaterialError, match="a server needs a certificate"):
        ServerContexts(downstream().__class__())


def test_an_encrypted_key_opens_with_its_password() -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    one = leaf("a.example")
    pem = one.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame"))
    contexts = ServerContexts(downstream().__class__(TlsContext(certificates=(TlsCertificate(one.chain_pem, pem, b"sesame"),))))
    talk(contexts)
    assert "sesame" not in repr(contexts.config)


def test_a_staple_goes_to_who_asks() -> None:
    one = leaf("a.example")
    stapled = TlsCertificate(one.chain_pem, one.key_pem, ocsp_staple=b"good")
    contexts = ServerContexts(downstream().__class__(TlsContext(certificates=(stapled,))))
    connection = SSL.Connection(contexts.base, None)
    assert contexts._staple(connection, None) == b"good"
    client, _ = talk(contexts)
    assert client.handler.saw == ["made"]


def test_the_systems_authorities_are_asked_without_a_trusted_ca() -> None:
    context = ClientContext(UpstreamTlsContext())
    assert context.validation.system
    client, _ = talk(client=context)
    assert client.failures[0].kind == "fail_verify_error"
