"""Facts of a session and of certificates, in Envoy's words."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from shifter.model.tls import CertificateValidation, TlsParameters, TlsVersion
from shifter.net.tls_session import Certificate, rfc2253
from tests.support.certificates import subject
from tests.support.tls_ends import authority, downstream, leaf, talk, upstream

CA = authority()


@pytest.mark.parametrize("version", [TlsVersion.TLSv1_2, TlsVersion.TLSv1_3])
def test_what_a_handshake_came_to(version: TlsVersion) -> None:
    client, server = talk(
        downstream(
            parameters=TlsParameters(version, version),
            validation=CertificateValidation(trusted_ca=CA.pem),
            require_client_certificate=True,
            alpn_protocols=(b"h2",),
        ),
        upstream(certificate=leaf("client.example"), alpn_protocols=(b"h2",)),
    )
    ours, theirs = server.tls.tls, client.tls.tls
    assert ours is not None
    assert theirs is not None
    assert ours.version == theirs.version == version.value.replace("_", ".")
    assert ours.cipher == ("TLS_AES_128_GCM_SHA256" if version is TlsVersion.TLSv1_3 else "ECDHE-ECDSA-AES128-GCM-SHA256")
    assert (ours.alpn, ours.server_name, ours.resumed, ours.verified) == (b"h2", "a.example", False, True)
    assert (theirs.alpn, theirs.server_name, theirs.resumed, theirs.verified) == (b"h2", "a.example", False, True)
    assert ours.peer_certificate is not None
    assert ours.peer_certificate is ours.peer_certificate
    assert ours.peer_certificate.subject == "CN=client.example"
    assert ours.local_certificate is not None
    assert ours.local_certificate.dns_sans == ["a.example"]
    assert [one.subject for one in ours.peer_chain] == ["CN=client.example"]
    assert [one.subject for one in theirs.peer_chain] == ["CN=a.example"]
    assert theirs.local_certificate is not None
    assert repr(ours) == f"<TlsSession {ours.version} {ours.cipher} alpn=b'h2' server_name='a.example'>"
    assert version is TlsVersion.TLSv1_2 or (ours.session_id, theirs.session_id) == ("", "")


@pytest.mark.parametrize("group", ["X25519", "P-256", "P-384", "P-521"])
def test_groups_are_called_as_they_are_configured(group: str) -> None:
    only = TlsParameters(ecdh_curves=(group,))
    client, server = talk(downstream(parameters=only), upstream(parameters=only))
    for end in (client, server):
        session = end.tls.tls
        assert session is not None
        assert session.group == group
        session.end()
        assert session.group == group


def test_an_anonymous_client_has_nothing() -> None:
    _, server = talk()
    ours = server.tls.tls
    assert ours is not None
    assert (ours.peer_certificate, ours.peer_chain, ours.verified, ours.alpn) == (None, [], False, b"")


def test_a_stateful_session_has_an_id() -> None:
    both = TlsParameters(TlsVersion.TLSv1_2, TlsVersion.TLSv1_2)
    client, server = talk(downstream(parameters=both, stateless_session_resumption=False))
    assert client.tls.tls is not None
    assert server.tls.tls is not None
    assert len(server.tls.tls.session_id) == 64
    assert client.tls.tls.session_id == server.tls.tls.session_id


def test_what_a_certificate_says() -> None:
    one = Certificate(
        CA.issue(
            "b.example",
            "spiffe://mesh/a",
            "who@example.org",
            "2001:db8::1",
            named=subject(country_name="DE", organization_name="Müller, Söhne", common_name="b.example"),
            serial=0xF3828EB24FD779D,
        ).certificate
    )
    assert one.subject == "CN=b.example,O=M\\C3\\BCller\\, S\\C3\\B6hne,C=DE"
    assert one.issuer == "CN=Test CA"
    assert one.common_name == "b.example"
    assert one.serial == "0f3828eb24fd779d"
    assert (list(one.dns_sans), list(one.uri_sans), list(one.email_sans), list(one.ip_sans)) == (
        ["b.example"],
        ["spiffe://mesh/a"],
        ["who@example.org"],
        ["2001:db8::1"],
    )
    assert list(one.sans) == ["b.example", "spiffe://mesh/a", "who@example.org", "2001:db8::1"]
    assert one.sha256 == one.parsed.fingerprint(hashes.SHA256()).hex()
    assert len(one.sha1) == 40
    assert len(one.spki_sha256) == 32
    assert x509.load_pem_x509_certificate(one.pem.encode()) == x509.load_der_x509_certificate(one.der)
    assert one.valid_from < datetime.datetime.now(datetime.UTC) < one.valid_to
    assert repr(one).startswith("<Certificate certificate of CN=b.example")


def test_a_certificate_that_says_little() -> None:
    one = Certificate(CA.issue(named=x509.Name([])).certificate)
    assert (one.subject, one.common_name, list(one.sans), list(one.ip_sans), list(one.dns_sans)) == ("", "", [], [], [])
    assert not one.has_alternatives
    assert str(one) == "certificate of nobody, signed by CN=Test CA"


def test_names_as_openssl_prints_them() -> None:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "org"),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.org"),
            x509.NameAttribute(NameOID.USER_ID, "#7"),
            x509.NameAttribute(NameOID.COMMON_NAME, 'q"+<>;'),
        ]
    )
    assert rfc2253(name) == 'CN=q\\"\\+\\<\\>\\;,UID=\\#7,emailAddress=a@example.org,DC=org'


def test_what_cannot_be_read_is_not_said() -> None:
    """A name that is not UTF-8, in a certificate that is otherwise whole."""
    der = CA.issue(named=subject(common_name="damaged!")).certificate.public_bytes(Encoding.DER)
    one = Certificate(
        x509.load_der_x509_certificate(der.replace(b"damaged!", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe").replace(b"Test CA", b"\xffest CA"))
    )
    assert (one.subject, one.issuer, one.common_name) == ("", "", "")
    assert str(one) == "certificate of nobody, signed by nobody"


def test_a_key_that_cannot_be_read_is_none_of_those_asked_for() -> None:
    whole = CA.issue("a.example").certificate
    point = whole.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)  # type: ignore[call-arg]
    assert (
        Certificate(x509.load_der_x509_certificate(whole.public_bytes(Encoding.DER).replace(point, b"\4" + b"\1" * 64))).spki_sha256 == b""
    )


def test_alternatives_that_cannot_be_read_are_none() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    broken = (
        x509.CertificateBuilder()
        .subject_name(subject(common_name="x"))
        .issuer_name(subject(common_name="x"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x03\x82\x05a"), critical=False)
        .sign(key, hashes.SHA256())
    )
    assert list(Certificate(broken).sans) == []
