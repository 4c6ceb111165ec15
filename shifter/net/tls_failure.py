"""Why a TLS connection came to nothing: for machines as Envoy says it, and in a sentence for people.

Rule 1. ``reason`` is what ``%UPSTREAM_TRANSPORT_FAILURE_REASON%`` and ``%DOWNSTREAM_TRANSPORT_FAILURE_REASON%`` say: BoringSSL's number and
        name of the fault where it has one, OpenSSL's otherwise.
Rule 2. ``kind`` is the counter of Envoy's ``ssl.`` statistics that it goes to.
"""

from typing import NamedTuple

SSL_LIBRARY = 16
"""BoringSSL's number for faults of TLS itself; OpenSSL's is 20."""

_BORING = {
    "BAD_PACKET": 100,
    "BAD_SIGNATURE": 123,
    "CERTIFICATE_VERIFY_FAILED": 125,
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": 140,
    "DIGEST_CHECK_FAILED": 142,
    "HTTP_REQUEST": 156,
    "HTTPS_PROXY_REQUEST": 155,
    "INAPPROPRIATE_FALLBACK": 158,
    "LENGTH_MISMATCH": 164,
    "NO_CERTIFICATE_ASSIGNED": 176,
    "NO_COMMON_SIGNATURE_ALGORITHMS": 253,
    "NO_SHARED_CIPHER": 184,
    "NO_SHARED_GROUP": 266,
    "NO_SUPPORTED_VERSIONS_ENABLED": 294,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": 192,
    "TLS_PEER_DID_NOT_RESPOND_WITH_CERTIFICATE_LIST": 232,
    "TOO_MANY_EMPTY_FRAGMENTS": 235,
    "TOO_MANY_WARNING_ALERTS": 237,
    "UNEXPECTED_MESSAGE": 239,
    "UNEXPECTED_RECORD": 242,
    "UNKNOWN_PROTOCOL": 245,
    "UNSUPPORTED_PROTOCOL": 240,
    "WRONG_CERTIFICATE_TYPE": 246,
    "WRONG_VERSION_NUMBER": 247,
}
_ALERTS = {
    1010: "SSLV3_ALERT_UNEXPECTED_MESSAGE",
    1020: "SSLV3_ALERT_BAD_RECORD_MAC",
    1021: "TLSV1_ALERT_DECRYPTION_FAILED",
    1022: "TLSV1_ALERT_RECORD_OVERFLOW",
    1030: "SSLV3_ALERT_DECOMPRESSION_FAILURE",
    1040: "SSLV3_ALERT_HANDSHAKE_FAILURE",
    1041: "SSLV3_ALERT_NO_CERTIFICATE",
    1042: "SSLV3_ALERT_BAD_CERTIFICATE",
    1043: "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    1044: "SSLV3_ALERT_CERTIFICATE_REVOKED",
    1045: "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    1046: "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    1047: "SSLV3_ALERT_ILLEGAL_PARAMETER",
    1048: "TLSV1_ALERT_UNKNOWN_CA",
    1049: "TLSV1_ALERT_ACCESS_DENIED",
    1050: "TLSV1_ALERT_DECODE_ERROR",
    1051: "TLSV1_ALERT_DECRYPT_ERROR",
    1060: "TLSV1_ALERT_EXPORT_RESTRICTION",
    1070: "TLSV1_ALERT_PROTOCOL_VERSION",
    1071: "TLSV1_ALERT_INSUFFICIENT_SECURITY",
    1080: "TLSV1_ALERT_INTERNAL_ERROR",
    1086: "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
    1090: "TLSV1_ALERT_USER_CANCELLED",
    1100: "TLSV1_ALERT_NO_RENEGOTIATION",
    1110: "TLSV1_ALERT_UNSUPPORTED_EXTENSION",
    1111: "TLSV1_ALERT_CERTIFICATE_UNOBTAINABLE",
    1112: "TLSV1_ALERT_UNRECOGNIZED_NAME",
    1113: "TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE",
    1114: "TLSV1_ALERT_BAD_CERTIFICATE_HASH_VALUE",
    1115: "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY",
    1116: "TLSV1_ALERT_CERTIFICATE_REQUIRED",
    1120: "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
}
"""What the peer told us before it gave up: both libraries number these by the alert."""

_NOT_BORING = ("RECORD_LAYER_FAILURE",)
"""What OpenSSL adds to the entry that says it."""

_WORDS = {
    "HTTP_REQUEST": "it was spoken to in plain HTTP",
    "HTTPS_PROXY_REQUEST": "it was spoken to in plain HTTP",
    "NO_SHARED_CIPHER": "the two ends have no cipher suite in common",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "no certificate here is of a kind that the client can check",
    "NO_SHARED_GROUP": "the two ends have no curve in common",
    "NO_SUITABLE_KEY_SHARE": "the two ends have no curve in common",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the client sent no certificate, and one is required",
    "UNSUPPORTED_PROTOCOL": "the two ends have no version of TLS in common",
    "WRONG_VERSION_NUMBER": "the other end does not speak TLS, or no version that is allowed here",
    "PACKET_LENGTH_TOO_LONG": "the other end does not speak TLS",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the other end found nothing in common, or wants a certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the other end does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "to the other end our certificate is expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "to the other end our certificate is revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the other end does not accept our certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the other end does not know who signed our certificate",
    "TLSV1_ALERT_CERTIFICATE_REQUIRED": "the other end wants a certificate, and we have none",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the other end speaks no version of TLS that is allowed here",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "the other end speaks none of the protocols that were offered",
    "TLSV1_ALERT_UNRECOGNIZED_NAME": "the other end has no such server name",
}


class Fault(NamedTuple):
    """One entry of OpenSSL's list of what went wrong: its number of it within TLS, and its words."""

    reason: int
    words: str

    @property
    def name(self) -> str:
        """BoringSSL's name, or what it would be called there."""
        return _ALERTS.get(self.reason) or self.words.upper().replace(" ", "_").replace("-", "_").replace("/", "_")

    def __str__(self) -> str:
        """``268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER``."""
        number = SSL_LIBRARY << 24 | _BORING.get(self.name, self.reason & 0xFFF)
        return f"{number}:SSL routines:OPENSSL_internal:{self.name}"


class TlsFailure(NamedTuple):
    """See the module. ``kind`` is ``connection_error``, ``fail_verify_no_cert``, ``fail_verify_error``, ``fail_verify_san`` or
    ``fail_verify_cert_hash``; ``timeout`` when a handshake took too long, ``closed`` when the peer went away during it: these two
    Envoy does not count as failures of TLS. ``sentence`` is for log lines, without a full stop."""

    reason: str
    kind: str
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def failure_of(faults: list[Fault], detail: str = "", kind: str = "", sentence: str = "") -> TlsFailure:
    """Return what *faults* come to. *detail*, *kind* and *sentence* are what checking a certificate found, if that is what failed."""
    names = [fault.name for fault in faults]
    if "CERTIFICATE_VERIFY_FAILED" in names:
        kind = kind or "fail_verify_error"
    elif "PEER_DID_NOT_RETURN_A_CERTIFICATE" in names:
        kind, detail, sentence = "fail_verify_no_cert", "peer did not provide required client certificate", ""
    else:
        kind, detail, sentence = "connection_error", "", ""
    told = [fault for fault in faults if fault.name not in _NOT_BORING] or faults or [Fault(0, "internal error")]
    first = told[0]
    reason = "TLS_error:" + "".join(f"|{fault}" for fault in told) + (f":{detail}" if detail else "") + ":TLS_error_end"
    return TlsFailure(reason, kind, sentence or _WORDS.get(first.name) or first.words)
