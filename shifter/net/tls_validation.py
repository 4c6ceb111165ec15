"""What is asked of the other end's certificate, and what was found against it.

Rule 1. It is looked at while the handshake goes on, so that a peer whose certificate is refused hears of it (an alert), and nothing that it
        sent has been looked at.
Rule 2. The first thing found is the one that is told: for the log in Envoy's words, and in a sentence that names the certificate.
Rule 3. ``accept_untrusted`` lets everything through; what was found is in `Examination`, and the session knows that it is not verified.
"""

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

from shifter.model.route import StringMatcher, StringMatchKind
from shifter.model.tls import CertificateValidation, SanType, SubjectAltNameMatcher
from shifter.net.tls_engine import Checks, verify_words
from shifter.net.tls_session import Certificate

TextCompiler = Callable[[StringMatcher], Callable[[bytes], bool]]
"""What makes a test of a matcher for texts (``routing.match_header.compile_string``)."""

_UNKNOWN_ISSUER = (2, 20, 21)
_SELF_SIGNED = (18, 19)
_NOT_YET_VALID, _EXPIRED, _CHAIN_TOO_LONG, _REVOKED, _INVALID_PURPOSE = 9, 10, 22, 23, 26
_NO_CRL, _CRL_NOT_YET_VALID, _CRL_EXPIRED = 3, 11, 12
_BAD_NAME = 1000
"""None of OpenSSL's: the peer gets the alert certificate_unknown, as from Envoy."""
_BAD_HASH = 28
"""OpenSSL's ``X509_V_ERR_CERT_REJECTED``: the alert is bad_certificate."""


class Finding(NamedTuple):
    """Something against a certificate: OpenSSL's number, the counter (`tls_failure.TlsFailure`), Envoy's words, a sentence."""

    code: int
    kind: str
    detail: str
    sentence: str


def dns_fits(pattern: str, name: str) -> bool:
    """Whether *name* is one that a certificate for *pattern* is good for: the same, or with ``*.`` for its first label."""
    pattern, name = pattern.lower(), name.lower()
    if pattern == name:
        return True
    first, dot, rest = name.partition(".")
    return bool(first and dot and rest) and pattern == "*." + rest


class _Names:
    """``match_typed_subject_alt_names``: one of them has to fit one name of its type."""

    def __init__(self, matchers: Iterable[SubjectAltNameMatcher], texts: TextCompiler) -> None:
        self._tests = [(matcher.san_type, self._test(matcher, texts)) for matcher in matchers]

    @staticmethod
    def _test(matcher: SubjectAltNameMatcher, texts: TextCompiler) -> Callable[[str], bool]:
        string = matcher.matcher
        if matcher.san_type is SanType.DNS and string.kind is StringMatchKind.EXACT:
            wanted = string.text.decode("utf-8", "replace")
            return lambda name: dns_fits(name, wanted)
        fits = texts(string)
        return lambda name: fits(name.encode())

    def fit(self, certificate: Certificate) -> bool:
        names = {
            SanType.DNS: certificate.dns_sans,
            SanType.URI: certificate.uri_sans,
            SanType.EMAIL: certificate.email_sans,
            SanType.IP_ADDRESS: certificate.ip_sans,
        }
        return any(test(name) for kind, test in self._tests for name in names[kind])


class Validation:
    """A `CertificateValidation`, compiled. ``checks``: a certificate that is let through has been looked at, in whichever respect."""

    def __init__(self, config: CertificateValidation, texts: TextCompiler, upstream: bool = False, sni_is_name: bool = False) -> None:
        self.config = config
        self.pinned = bool(config.certificate_hashes or config.certificate_spki)
        self.system = upstream and config.trusted_ca is None and not self.pinned
        self.trusts = config.trusted_ca is not None or self.system
        self.lenient = config.accept_untrusted
        self.checks = self.trusts or self.pinned or bool(config.subject_alt_names)
        self._sni_is_name = sni_is_name
        self._names = _Names(config.subject_alt_names, texts) if config.subject_alt_names else None
        self._name_by_default = upstream and not self.pinned and self._names is None

    @property
    def mode(self) -> int:
        """``SSL.VERIFY_*`` for a server: with something to compare there has to be a certificate, as in Envoy."""
        if self.lenient:
            return SSL.VERIFY_PEER
        if self.pinned or self._names is not None:
            return SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        return SSL.VERIFY_PEER if self.trusts else SSL.VERIFY_NONE

    def chain_finding(self, error: int, depth: int, certificate: Certificate) -> Finding:
        """What OpenSSL says of the certificate at *depth*."""
        detail = f"verify cert failed: X509_verify_cert: certificate verification error at depth {depth}: {verify_words(error)}"
        where = "the " if depth == 0 else f"in the chain, at depth {depth}, the "
        return Finding(error, "fail_verify_error", detail, f"{where}{certificate}, {_why(error, certificate)}")

    def name_finding(self, certificate: Certificate, server_name: str, name: str, required: str = "") -> Finding | None:
        """What is wrong with the names of a peer that was asked for as *server_name*, and is to be *name* if nothing else is asked, but
        *required* whatever else is."""
        if required and not is_for(certificate.parsed, required):
            sans = ", ".join(certificate.sans)
            detail = f"verify cert failed: verify SAN list, expected SANs: [{required}], certificate SANs: [{sans}]"
            return Finding(
                _BAD_NAME, "fail_verify_san", detail, f"the {certificate}, is for {sans or 'no name at all'}, not for {required}"
            )
        if self._sni_is_name and server_name:
            fits, wanted = any(dns_fits(pattern, server_name) for pattern in certificate.dns_sans), server_name
        elif self._names is not None:
            fits, wanted = self._names.fit(certificate), "none of those asked for"
        elif self._name_by_default and name:
            fits, wanted = is_for(certificate.parsed, name), name
        else:
            return None
        if fits:
            return None
        detail = f"verify cert failed: SAN matcher, certificate SANs are [{', '.join(certificate.sans)}]"
        names = ", ".join(certificate.sans) or "no name at all"
        but = f"not for {wanted}" if wanted is not None and self._names is None else "for none of the names asked for"
        return Finding(_BAD_NAME, "fail_verify_san", detail, f"the {certificate}, is for {names}, {but}")

    def pin_finding(self, certificate: Certificate) -> Finding | None:
        """What is wrong when it has to be one of a list."""
        config = self.config
        if not self.pinned or bytes.fromhex(certificate.sha256) in config.certificate_hashes:
            return None
        if config.certificate_spki and certificate.spki_sha256 in config.certificate_spki:
            return None
        sentence = f"the {certificate}, is none of those asked for: its SHA-256 is {certificate.sha256}"
        return Finding(_BAD_HASH, "fail_verify_cert_hash", "verify cert failed: cert hash and spki", sentence)


class Examination(Checks):
    """How one peer's certificates did. *name* is who it is to be when the configuration asks for no names (`Validation`), *required* in
    any case."""

    __slots__ = ("_name", "_server_name", "_validation", "finding")

    def __init__(self, validation: Validation, server_name: str = "", name: str = "", required: str = "") -> None:
        self.finding: Finding | None = None
        self._required = required
        self._validation = validation
        self._server_name = server_name
        self._name = name

    def check(self, ok: bool, error: int, depth: int, certificate: x509.Certificate) -> int | None:
        validation = self._validation
        found: Finding | None = None
        if not ok:
            if not validation.trusts:
                return 0  # who signed it is not looked at
            found = validation.chain_finding(error, depth, Certificate(certificate))
        elif depth == 0:
            whole = Certificate(certificate)
            found = validation.name_finding(whole, self._server_name, self._name, self._required) or validation.pin_finding(whole)
        if found is None:
            return None
        self.finding = self.finding or found
        return -found.code if validation.lenient else found.code

    def unreadable(self, depth: int, damage: str) -> int:
        detail = f"verify cert failed: certificate at depth {depth} cannot be read"
        self.finding = self.finding or Finding(_BAD_NAME, "fail_verify_error", detail, f"the certificate at depth {depth}: {damage}")
        return _BAD_NAME


def is_for(certificate: x509.Certificate, name: str) -> bool:
    """Whether *certificate* is good for the host *name*, which may be an IP address (RFC 6125, RFC 2818)."""
    try:
        try:
            ip_address(name)
        except ValueError:
            verify_certificate_hostname(certificate, name)
        else:
            verify_certificate_ip_address(certificate, name)
    except (VerificationError, CertificateError, ValueError):
        return False
    return True


def _why(error: int, certificate: Certificate) -> str:
    if error == _EXPIRED:
        return f"expired on {certificate.valid_to:%Y-%m-%d}"
    if error == _NOT_YET_VALID:
        return f"is not valid before {certificate.valid_from:%Y-%m-%d}"
    if error in _UNKNOWN_ISSUER:
        return f"is signed by an authority that is not known here, {certificate.issuer or 'nobody'}"
    if error in _SELF_SIGNED:
        return "is signed by itself, and not among those trusted"
    if error == _REVOKED:
        return "is revoked"
    if error == _NO_CRL:
        return f"cannot be looked up: there is no revocation list of {certificate.issuer}"
    if error in (_CRL_EXPIRED, _CRL_NOT_YET_VALID):
        return f"cannot be looked up: the revocation list of {certificate.issuer} is not valid at this time"
    if error == _CHAIN_TOO_LONG:
        return "is too far from those trusted (max_verify_depth)"
    if error == _INVALID_PURPOSE:
        return "is not meant for this end of a connection (extended key usage)"
    return f"does not verify: {verify_words(error)}"
