"""Envoy's numbers and names of what went wrong."""

import pytest

from shifter.net.tls_failure import Fault, failure_of


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(267, "wrong version number"), "268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER"),
        (Fault(134, "certificate verify failed"), "268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED"),
        (Fault(193, "no shared cipher"), "268435640:SSL routines:OPENSSL_internal:NO_SHARED_CIPHER"),
        (Fault(1048, "tlsv1 alert unknown ca"), "268436504:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA"),
        (Fault(1046, "ssl/tls alert certificate unknown"), "268436502:SSL routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_UNKNOWN"),
        (Fault(313, "record layer failure"), "268435769:SSL routines:OPENSSL_internal:RECORD_LAYER_FAILURE"),
    ],
)
def test_numbers_are_boringssls(fault: Fault, words: str) -> None:
    assert str(fault) == words


def test_what_a_failure_counts_as() -> None:
    assert failure_of([Fault(134, "certificate verify failed")]).kind == "fail_verify_error"
    found = failure_of([Fault(134, "certificate verify failed")], "why", "fail_verify_san", "a sentence")
    assert (found.kind, str(found)) == ("fail_verify_san", "a sentence")
    assert found.reason.endswith("CERTIFICATE_VERIFY_FAILED:why:TLS_error_end")
    assert failure_of([Fault(199, "peer did not return a certificate")]).reason == (
        "TLS_error:|268435648:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:"
        "peer did not provide required client certificate:TLS_error_end"
    )


def test_what_was_found_against_a_certificate_says_nothing_of_other_faults() -> None:
    found = failure_of([Fault(267, "wrong version number")], "why", "fail_verify_san", "a sentence")
    assert (found.kind, "why" in found.reason, "sentence" in found.sentence) == ("connection_error", False, False)


def test_openssls_second_word_for_the_same_is_left_out_unless_it_is_the_only_one() -> None:
    assert "RECORD_LAYER" not in failure_of([Fault(281, "decryption failed or bad record mac"), Fault(313, "record layer failure")]).reason
    assert "RECORD_LAYER" in failure_of([Fault(313, "record layer failure")]).reason
    assert failure_of([]).sentence == "internal error"
