"""What formats tell of TLS: of real certificates, and of connections without any."""

from types import SimpleNamespace

import pytest

from shifter.net.tls_session import Certificate
from shifter.observe.logformat import LogEntry, compile_format
from tests.support.certificates import Authority, subject

AUTHORITY = Authority()
ISSUED = AUTHORITY.issue("www.example.com", "spiffe://example.com/web", "192.0.2.1")
MINE = Certificate(ISSUED.certificate)


def told(text: str, **facts: object) -> bytes:
    entry = LogEntry(0.0, b"GET", b"/", b"host:8000")
    for name, value in facts.items():
        setattr(entry, name, value)
    return compile_format(text)(entry)


SESSION = SimpleNamespace(
    version="TLSv1.3", cipher="TLS_AES_128_GCM_SHA256", group="X25519", session_id="", server_name="a", peer_certificate=MINE,
    local_certificate=MINE, peer_chain=[MINE, MINE],
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %DOWNSTREAM_TLS_SESSION_ID%", "TLSv1.3 TLS_AES_128_GCM_SHA256 -"),
        ("%DOWNSTREAM_TLS_GROUP% %UPSTREAM_TLS_GROUP%", "X25519 -"),
        ("%DOWNSTREAM_PEER_DNS_SAN% %DOWNSTREAM_PEER_URI_SAN%", "www.example.com spiffe://example.com/web"),
        ("%DOWNSTREAM_LOCAL_IP_SAN% %DOWNSTREAM_LOCAL_EMAIL_SAN%", "192.0.2.1 -"),
        ("%DOWNSTREAM_PEER_FINGERPRINT_256%", MINE.sha256),
        ("%DOWNSTREAM_PEER_CHAIN_SERIALS%", f"{MINE.serial},{MINE.serial}"),
        ("%DOWNSTREAM_PEER_ISSUER_SERIAL%", MINE.serial),
        ("%DOWNSTREAM_PEER_CERT_V_START(%Y)%", f"{MINE.valid_from:%Y}"),
        ("%DOWNSTREAM_PEER_CERT_V_END%", f"{MINE.valid_to:%Y-%m-%dT%H:%M:%S}.000Z"),
        ("%UPSTREAM_TLS_VERSION% %UPSTREAM_PEER_SUBJECT%", "- -"),
    ],
    ids=lambda text: text if "%" in text else "",  # what is random has no place in a test's name
)
def test_a_connection_with_tls(text: str, expected: str) -> None:
    assert told(text, tls=SESSION) == expected.encode()


def test_both_sides_have_their_own() -> None:
    assert told("%UPSTREAM_TLS_VERSION% %UPSTREAM_PEER_CERT_V_END(%Y)%", upstream_tls=SESSION) == f"TLSv1.3 {MINE.valid_to:%Y}".encode()


def test_a_certificate_is_shown_on_one_line() -> None:
    shown = told("%DOWNSTREAM_PEER_CERT%", tls=SESSION)
    assert shown.startswith(b"-----BEGIN%20CERTIFICATE-----%0A")
    assert shown.endswith(b"%0A-----END%20CERTIFICATE-----%0A")


def test_without_tls_nothing_is_known() -> None:
    assert told("%DOWNSTREAM_PEER_CERT% %DOWNSTREAM_PEER_CERT_V_END% %FILTER_CHAIN_NAME% %DOWNSTREAM_PEER_CHAIN_SERIALS%") == b"- - - -"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("www.example.com", "%REQUESTED_SERVER_NAME%", b"www.example.com"),
        ("www.example.com", "%REQUESTED_SERVER_NAME(HOST_FIRST)%", b"host:8000"),
        ("", "%REQUESTED_SERVER_NAME(SNI_FIRST)%", b"host:8000"),
        ("a b\n", "%REQUESTED_SERVER_NAME%", b"invalid:a_b_"),
    ],
)
def test_server_names(name: str, text: str, expected: bytes) -> None:
    assert told(text, server_name=name) == expected


def test_failures_and_names() -> None:
    assert told("%DOWNSTREAM_TRANSPORT_FAILURE_REASON%", transport_failure="TLS_error: no way") == b"TLS_error:_no_way"
    assert told("%FILTER_CHAIN_NAME%", filter_chain="one") == b"one"


def test_subjects_are_written_as_in_rfc_2253() -> None:
    issued = AUTHORITY.issue("a", named=subject(organization_name="Ex, Inc.", common_name="Jürgen"))
    session = SimpleNamespace(peer_certificate=Certificate(issued.certificate))
    assert told("%DOWNSTREAM_PEER_SUBJECT%", tls=session) == b"CN=J\\\\C3\\\\BCrgen,O=Ex\\\\, Inc."
