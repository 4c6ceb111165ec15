"""Below pyOpenSSL's surface: what is relied upon there, and that faults stay where they are."""

from unittest.mock import Mock

import pytest
from OpenSSL._util import lib
from OpenSSL.crypto import X509

from shifter.model.tls import CertificateValidation
from shifter.net.tls import ServerContexts
from shifter.net.tls_engine import Engine, faults, verify_words
from shifter.net.tls_validation import Examination
from tests.support.tls_ends import authority, carry, downstream, talk, upstream

RELIED_UPON = """
SSL_read SSL_write BIO_read BIO_write SSL_do_handshake SSL_get_error SSL_shutdown SSL_set_shutdown SSL_set_bio BIO_new BIO_s_mem
SSL_session_reused SSL_get_verify_result SSL_get_session i2d_SSL_SESSION SSL_CTX_set_verify SSL_CTX_set1_curves_list ERR_get_error
ERR_clear_error ERR_GET_REASON ERR_reason_error_string X509_STORE_CTX_set_error X509_verify_cert_error_string X509_up_ref
"""


def test_what_is_relied_upon_is_there() -> None:
    """Private names of pyOpenSSL and of the bindings: a release that takes one away is to be noticed here."""
    for name in RELIED_UPON.split():
        assert hasattr(lib, name), name
    engine = Engine(ServerContexts(downstream()).base, server=True)
    assert engine.connection._ssl == engine.ssl
    assert repr(engine).startswith("<Engine ")


def test_queues_that_grew_are_thrown_away_and_nothing_is_lost() -> None:
    client, server = talk()
    for size in (1, 20_000, 5, 100_000, 3):
        client.tls.write(b"x" * size)
        carry(client, server)
        server.tls.write(b"y" * size)
        carry(client, server)
    assert len(server.handler.data) == len(client.handler.data) == 120_009


def test_the_list_of_errors_is_empty_after_a_fault() -> None:
    _, server = talk(client=upstream(CertificateValidation(trusted_ca=authority("Other CA").pem)))
    assert server.failures
    assert lib.ERR_peek_error() == 0
    assert faults() == []


def test_a_check_that_fails_lets_nobody_in(monkeypatch: pytest.MonkeyPatch, logged_failures: list[object]) -> None:
    monkeypatch.setattr(Examination, "check", Mock(side_effect=RuntimeError("oops")))
    client, _ = talk()
    assert client.handler.saw[-1].startswith("lost TLS_error")
    assert logged_failures
    logged_failures.clear()


def test_a_certificate_that_only_openssl_can_read_is_refused_and_no_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(X509, "to_cryptography", Mock(side_effect=ValueError("negative serial number")))
    client, _ = talk()
    assert client.failures[0].kind == "fail_verify_error"
    assert str(client.failures[0]).startswith("the certificate at depth ")
    assert str(client.failures[0]).endswith(": negative serial number")


def test_openssls_words() -> None:
    assert verify_words(10) == "certificate has expired"
