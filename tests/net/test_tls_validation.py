"""What is found against a certificate, in which words, and that the other end hears of it."""

import datetime
from collections.abc import Callable

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import StringMatcher, StringMatchKind
from shifter.model.tls import CertificateValidation, SanType, SubjectAltNameMatcher, TlsParameters, TlsVersion
from shifter.net.tls_session import Certificate as Facts
from shifter.net.tls_validation import dns_fits, is_for
from tests.support.certificates import DAY, Authority, Certificate
from tests.support.tls_ends import authority, carry, downstream, leaf, talk, upstream

CA = authority()
TRUST = CertificateValidation(trusted_ca=CA.pem)


def trusting(**more: object) -> CertificateValidation:
    return CertificateValidation(trusted_ca=CA.pem, **more)  # type: ignore[arg-type]


def san(kind: SanType, text: str, how: StringMatchKind = StringMatchKind.EXACT, ignore_case: bool = False) -> CertificateValidation:
    return trusting(subject_alt_names=(SubjectAltNameMatcher(kind, StringMatcher(how, text.encode(), ignore_case)),))


def hash_of(certificate: Certificate) -> bytes:
    return bytes.fromhex(Facts(certificate.certificate).sha256)


def judged(certificate: Certificate | None, validation: CertificateValidation, required: bool = True) -> tuple[str, str, str]:
    """A client with *certificate* comes to a server that asks what *validation* says: how it ended, in which words, and the alert."""
    client, server = talk(
        downstream(validation=validation, require_client_certificate=required),
        upstream(certificate=certificate, parameters=TlsParameters(TlsVersion.TLSv1_2, TlsVersion.TLSv1_2)),
    )
    if server.failures:
        [failure] = server.failures
        alert = client.failures[0].reason if client.failures else client.handler.saw[-1]
        return failure.kind, failure.sentence, alert.removesuffix(":TLS_error_end").rpartition(":")[2]
    tls = server.tls.tls
    assert tls is not None
    return ("verified" if tls.verified else "let in"), "", ""


CALLER = CA.issue("client.example", "spiffe://mesh/ns/a", "who@example.org", "192.0.2.44")
SIGNED = "the certificate of CN=client.example for client.example, spiffe://mesh/ns/a, who@example.org, 192.0.2.44, signed by CN=Test CA"


def test_a_good_one_is_verified() -> None:
    assert judged(CALLER, TRUST) == ("verified", "", "")
    assert judged(CALLER, TRUST, required=False) == ("verified", "", "")


def test_none_may_do_or_not() -> None:
    assert judged(None, TRUST, required=False) == ("let in", "", "")
    assert judged(None, TRUST) == (
        "fail_verify_no_cert",
        "the client sent no certificate, and one is required",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
    )
    assert judged(None, CertificateValidation(), required=True)[0] == "fail_verify_no_cert"


def test_who_asks_nothing_looks_at_nothing() -> None:
    assert judged(CALLER, CertificateValidation(), required=False) == ("let in", "", "")


@pytest.mark.parametrize(
    ("made", "words", "alert"),
    [
        (lambda: CA.issue("x.example", until=-DAY, since=-2 * DAY), "expired on", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
        (lambda: CA.issue("x.example", since=DAY), "is not valid before", "SSLV3_ALERT_BAD_CERTIFICATE"),
        (
            lambda: Authority("Stranger").issue("x.example"),
            "is signed by an authority that is not known here, CN=Stranger",
            "TLSV1_ALERT_UNKNOWN_CA",
        ),
        (
            lambda: CA.issue("x.example", usages=[ExtendedKeyUsageOID.SERVER_AUTH]),
            "is not meant for this end of a connection (extended key usage)",
            "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        ),
    ],
)
def test_chains_that_do_not_verify(made: Callable[[], Certificate], words: str, alert: str) -> None:
    kind, sentence, told = judged(made(), TRUST)
    assert (kind, told) == ("fail_verify_error", alert)
    assert sentence.startswith("the certificate of CN=x.example for x.example, signed by CN=")
    assert words in sentence


def test_the_date_is_told() -> None:
    yesterday = (datetime.datetime.now(datetime.UTC) - DAY).strftime("%Y-%m-%d")
    _, sentence, _ = judged(CA.issue("x.example", until=-DAY, since=-2 * DAY), TRUST)
    assert sentence == f"the certificate of CN=x.example for x.example, signed by CN=Test CA, expired on {yesterday}"


def test_envoys_words() -> None:
    client, _ = talk(client=upstream(CertificateValidation(trusted_ca=Authority("Other").pem)))
    assert client.failures[0].reason == (
        "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: X509_verify_cert: "
        "certificate verification error at depth 0: unable to get local issuer certificate:TLS_error_end"
    )


def test_what_has_expired_may_be_let_in() -> None:
    assert judged(CA.issue("x.example", until=-DAY, since=-2 * DAY), trusting(allow_expired=True))[0] == "verified"


def test_what_is_not_trusted_may_be_let_in_and_is_known_as_that() -> None:
    stranger = Authority("Stranger").issue("x.example")
    assert judged(stranger, trusting(accept_untrusted=True)) == ("let in", "", "")
    assert judged(None, trusting(accept_untrusted=True)) == ("let in", "", "")
    assert judged(CALLER, trusting(accept_untrusted=True)) == ("verified", "", "")
    wrong = san(SanType.DNS, "other.example")
    assert judged(CALLER, CertificateValidation(CA.pem, wrong.subject_alt_names, accept_untrusted=True)) == ("let in", "", "")


def test_a_chain_may_be_too_long() -> None:
    between = Authority("Between", parent=CA)
    assert judged(between.issue("x.example"), trusting(max_verify_depth=2))[0] == "verified"
    kind, sentence, _ = judged(between.issue("x.example"), trusting(max_verify_depth=1))
    assert kind == "fail_verify_error"
    assert "max_verify_depth" in sentence or "not known here" in sentence


def test_an_authority_in_between_may_be_all_that_is_trusted() -> None:
    between = Authority("Between", parent=CA)
    assert judged(between.issue("x.example"), CertificateValidation(trusted_ca=between.pem))[0] == "verified"


def test_faults_above_the_peers_own_certificate_say_where() -> None:
    between = Authority("Between", parent=Authority("Lost"))
    _, sentence, _ = judged(between.issue("x.example"), TRUST)
    assert sentence.startswith("in the chain, at depth 1, the certificate of CN=Between, signed by CN=Lost, is signed by an authority")


def test_revoked_certificates() -> None:
    revoked, fine = CA.issue("gone.example"), CA.issue("fine.example")
    lists = CA.revoke(revoked)
    kind, sentence, alert = judged(revoked, trusting(crl=lists))
    assert (kind, alert) == ("fail_verify_error", "SSLV3_ALERT_CERTIFICATE_REVOKED")
    assert sentence.endswith("signed by CN=Test CA, is revoked")
    assert judged(fine, trusting(crl=lists))[0] == "verified"
    assert judged(revoked, CertificateValidation(trusted_ca=CA.pem + lists))[0] == "fail_verify_error"


def test_a_list_is_needed_for_all_of_the_chain_or_only_for_the_end_of_it() -> None:
    between = Authority("Between", parent=CA)
    lists = between.revoke()
    _, sentence, _ = judged(between.issue("x.example"), trusting(crl=lists))
    assert "there is no revocation list of CN=Test CA" in sentence
    assert judged(between.issue("x.example"), trusting(crl=lists, only_verify_leaf_crl=True))[0] == "verified"


@pytest.mark.parametrize(
    ("validation", "fits"),
    [
        (san(SanType.DNS, "client.example"), True),
        (san(SanType.DNS, "CLIENT.example"), True),
        (san(SanType.DNS, "client", StringMatchKind.PREFIX), True),
        (san(SanType.DNS, "mesh", StringMatchKind.CONTAINS), False),
        (san(SanType.URI, "spiffe://mesh/", StringMatchKind.PREFIX), True),
        (san(SanType.URI, "spiffe://mesh/ns/[ab]", StringMatchKind.SAFE_REGEX), True),
        (san(SanType.URI, "spiffe://mesh/ns", StringMatchKind.SAFE_REGEX), False),
        (san(SanType.URI, "SPIFFE://MESH/NS/A", ignore_case=True), True),
        (san(SanType.URI, "client.example"), False),
        (san(SanType.EMAIL, "@example.org", StringMatchKind.SUFFIX), True),
        (san(SanType.IP_ADDRESS, "192.0.2.44"), True),
        (san(SanType.IP_ADDRESS, "192.0.2.4"), False),
    ],
)
def test_names(validation: CertificateValidation, fits: bool) -> None:
    kind, sentence, alert = judged(CALLER, validation)
    if fits:
        assert kind == "verified"
    else:
        assert (kind, alert) == ("fail_verify_san", "SSLV3_ALERT_CERTIFICATE_UNKNOWN")
        names = "client.example, spiffe://mesh/ns/a, who@example.org, 192.0.2.44"
        assert sentence == f"{SIGNED}, is for {names}, for none of the names asked for"


def test_names_without_an_authority_are_enough_for_a_server() -> None:
    names = san(SanType.DNS, "x.example").subject_alt_names
    assert judged(Authority("Stranger").issue("x.example"), CertificateValidation(subject_alt_names=names))[0] == "verified"
    assert judged(None, CertificateValidation(subject_alt_names=names), required=False)[0] == "fail_verify_no_cert"


def test_one_of_a_list() -> None:
    other = leaf("other.example")
    spki = Facts(CALLER.certificate).spki_sha256
    assert judged(CALLER, trusting(certificate_hashes=(hash_of(other), hash_of(CALLER))))[0] == "verified"
    assert judged(CALLER, trusting(certificate_spki=(spki,)))[0] == "verified"
    assert judged(CALLER, trusting(certificate_hashes=(hash_of(other),), certificate_spki=(spki,)))[0] == "verified"
    assert judged(CALLER, CertificateValidation(certificate_hashes=(hash_of(CALLER),)))[0] == "verified"
    kind, sentence, alert = judged(CALLER, trusting(certificate_hashes=(hash_of(other),)))
    assert (kind, alert) == ("fail_verify_cert_hash", "SSLV3_ALERT_BAD_CERTIFICATE")
    assert sentence == f"{SIGNED}, is none of those asked for: its SHA-256 is {hash_of(CALLER).hex()}"
    assert judged(CALLER, trusting(certificate_spki=(hash_of(CALLER),)))[0] == "fail_verify_cert_hash"


def test_tls_1_3_tells_the_client_afterwards() -> None:
    client, server = talk(downstream(validation=TRUST, require_client_certificate=True))
    assert server.failures[0].kind == "fail_verify_no_cert"
    carry(client, server)
    assert client.handler.saw[0] == "made"
    assert "TLSV1_ALERT_CERTIFICATE_REQUIRED" in client.handler.saw[-1]


# the other way: who the server is


def answered(certificate: Certificate, validation: CertificateValidation = TRUST, name: str = "", **more: object) -> tuple[str, str]:
    client, _ = talk(downstream(certificate), upstream(validation, **more), name=name)
    if client.failures:
        return client.failures[0].kind, client.failures[0].sentence
    assert client.tls.tls is not None
    return ("verified" if client.tls.tls.verified else "let in"), ""


def test_a_server_has_to_be_who_was_asked_for() -> None:
    assert answered(leaf("a.example")) == ("verified", "")
    assert answered(leaf("*.many.example"), name="one.many.example") == ("verified", "")
    kind, sentence = answered(leaf("b.example", "c.example"))
    assert kind == "fail_verify_san"
    assert sentence == (
        "the certificate of CN=b.example for b.example, c.example, signed by CN=Test CA, is for b.example, c.example, not for a.example"
    )
    assert answered(leaf("b.example"), name="b.example") == ("verified", "")


def test_names_that_the_configuration_asks_for_count_instead() -> None:
    assert answered(leaf("b.example"), san(SanType.DNS, "b.example")) == ("verified", "")
    assert answered(leaf("a.example"), san(SanType.DNS, "b.example"))[0] == "fail_verify_san"
    assert answered(leaf("a.example"), san(SanType.DNS, "b.example"), auto_sni_san_validation=True) == ("verified", "")
    assert answered(leaf("b.example"), san(SanType.DNS, "b.example"), auto_sni_san_validation=True)[0] == "fail_verify_san"


def test_a_pinned_server_needs_no_authority_and_no_name() -> None:
    stranger = Authority("Stranger").issue("elsewhere.example")
    assert answered(stranger, CertificateValidation(certificate_hashes=(hash_of(stranger),))) == ("verified", "")
    assert answered(leaf("a.example"), CertificateValidation(certificate_hashes=(hash_of(stranger),)))[0] == "fail_verify_cert_hash"


def test_a_server_may_be_anybody_where_that_is_said() -> None:
    stranger = Authority("Stranger").issue("elsewhere.example")
    assert answered(stranger, CertificateValidation(accept_untrusted=True)) == ("let in", "")


def test_a_certificate_without_a_usable_name_is_for_nobody() -> None:
    nameless = CA.issue()
    assert not is_for(nameless.certificate, "nobody")
    assert not is_for(nameless.certificate, "not a name at all")
    assert not is_for(leaf("a.example").certificate, "192.0.2.1")
    assert is_for(CALLER.certificate, "192.0.2.44")


@given(st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5}){0,3}", fullmatch=True), st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5}){0,3}", fullmatch=True))
def test_a_wildcard_stands_for_one_label(name: str, other: str) -> None:
    assert dns_fits(name, name.upper())
    _, dot, rest = name.partition(".")
    assert dns_fits("*." + rest, name) == bool(dot)
    assert not dns_fits("*." + name, name)
    assert not dns_fits("*." + name, f"a.b.{name}")
    assert dns_fits(name, other) == (name == other)
