"""Certificates, their keys and authorities, as they stand in PEM.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
Rule 2. ``cryptography`` is imported where a certificate is read, so that a configuration without any starts as fast as before.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shifter.config.check_texts import Texts
from shifter.config.document import MapNode, map_in, text_in
from shifter.config.judge import Judge
from shifter.config.report import Report, shown
from shifter.config.schema.base import names_of as names_of_message
from shifter.config.schema.tls import TlsCertificate

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_FIELDS = names_of_message(TlsCertificate)
_KEY = b" PRIVATE KEY-----"
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


class Certificates:
    """Checks ``TlsCertificate``, and the files of a ``CertificateValidationContext``."""

    def __init__(self, report: Report, texts: Texts, judge: Judge) -> None:
        self._report = report
        self._texts = texts
        self._judge = judge

    def check(self, node: MapNode) -> list[str] | None:
        """Check a ``TlsCertificate``; return the names that it is for, ``None`` when that is not known."""
        leaf = self._chain(node)
        self._key(node, leaf)
        self._staple(map_in(node, "ocsp_staple"))
        return leaf.names if leaf is not None else None

    def names(self, node: MapNode) -> list[str] | None:
        """Return the names that a ``TlsCertificate`` which was checked is for."""
        found = self._texts.content(map_in(node, "certificate_chain"))
        leaf = read_leaf(found[0]) if found is not None else None
        return leaf.names if isinstance(leaf, Leaf) else None

    def _staple(self, node: MapNode | None) -> None:
        found = self._texts.content(node)
        if found is not None:
            from cryptography.x509.ocsp import load_der_ocsp_response

            try:
                load_der_ocsp_response(found[0])
            except ValueError:
                self._report.error(found[1], "there is no OCSP answer here that could be read", "DER is wanted, not PEM")

    def _chain(self, node: MapNode) -> "Leaf | None":
        if "certificate_chain" not in node:
            if node.keys() <= _FIELDS:  # with an unknown word around, that word is the problem
                self._report.error(node, "a certificate without its chain is none", "give `certificate_chain`")
            return None
        return self._certificate(map_in(node, "certificate_chain"))

    def _certificate(self, node: MapNode | None) -> "Leaf | None":
        found = self._texts.content(node)
        if found is None:
            return None
        content, spot = found
        leaf = read_leaf(content)
        if isinstance(leaf, str):
            why = "this is a key" if _KEY in content else "PEM is wanted: -----BEGIN CERTIFICATE-----"
            self._report.error(spot, f"no certificate can be read here: {leaf}", why)
            return None
        now = datetime.fromtimestamp(self._judge.now(), UTC) if self._judge.now is not None else None
        if now is not None and leaf.until < now:
            self._report.warn(spot, f"this certificate has expired on {leaf.until:%Y-%m-%d}")
        elif now is not None and leaf.since > now:
            self._report.warn(spot, f"this certificate is not valid before {leaf.since:%Y-%m-%d}")
        return leaf

    def _key(self, node: MapNode, leaf: "Leaf | None") -> None:
        if "private_key" not in node:
            if node.keys() <= _FIELDS:
                self._report.error(node, "a certificate without its key cannot be shown to anybody", "give `private_key`")
            return
        source = map_in(node, "private_key")
        found, password = self._texts.content(source), self._texts.content(map_in(node, "password"))
        name = text_in(source, "filename") if source is not None else None
        if found is None:
            return
        if name and _KEY in found[0] and self._judge.readable_by_others is not None and self._judge.readable_by_others(str(name)):
            self._report.warn(name, f"everybody on this machine can read the key in `{shown(name)}`", "chmod o-r")
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

        content, spot = found
        try:
            key = load_pem_private_key(content, password[0] if password is not None else None)
        except TypeError:  # it is encrypted and there is no password, or the other way round
            wants = "it is encrypted, and there is no `password`" if password is None else "it is not encrypted, but there is a `password`"
            self._report.error(spot, f"the key cannot be read: {wants}")
            return
        except Exception:
            if b"-----BEGIN" not in content:
                why = "PEM is wanted: -----BEGIN PRIVATE KEY-----"
            elif _KEY not in content:
                why = "this is a certificate" if _CERTIFICATE in content else ""
            else:
                why = "the password may be wrong" if password is not None else ""
            self._report.error(spot, "there is no key here that could be read", why)
            return
        if leaf is not None and key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != leaf.public_key:
            self._report.error(spot, "this is not the key of the certificate", f"that is for {leaf.subject or ', '.join(leaf.names)}")

    def authorities(self, node: MapNode) -> None:
        """Check ``trusted_ca`` and ``crl`` of a ``CertificateValidationContext``."""
        self._certificate(map_in(node, "trusted_ca"))
        found = self._texts.content(map_in(node, "crl"))
        if found is not None:
            from cryptography.x509 import load_pem_x509_crl

            try:
                load_pem_x509_crl(found[0])
            except ValueError:
                self._report.error(found[1], "there is no list of revoked certificates here that could be read", "PEM is wanted")


@dataclass(frozen=True, slots=True)
class Leaf:
    """The first certificate of a chain: the DNS names it is for (lower case), its public key (DER), subject and time."""

    names: list[str]
    public_key: bytes
    subject: str
    since: datetime
    until: datetime


def read_leaf(content: bytes) -> Leaf | str:
    """Return the first of the certificates in *content*, PEM, all of which can be read; or why not."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import DuplicateExtension, InvalidVersion, UnsupportedGeneralNameType, load_pem_x509_certificates

    if not content.strip():
        return "it is empty"
    try:
        first = load_pem_x509_certificates(content)[0]
        key = first.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return Leaf(_names_of(first), key, first.subject.rfc4514_string(), first.not_valid_before_utc, first.not_valid_after_utc)
    except (ValueError, UnsupportedAlgorithm, InvalidVersion, DuplicateExtension, UnsupportedGeneralNameType) as error:
        return str(error).split("\n", 1)[0].split(". See ", 1)[0]


def _names_of(certificate: "Certificate") -> list[str]:
    from cryptography.x509 import DNSName, ExtensionNotFound, SubjectAlternativeName
    from cryptography.x509.oid import NameOID

    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value.get_values_for_type(DNSName)
    except ExtensionNotFound:
        names = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return [name.lower() for name in names]
