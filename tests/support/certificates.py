"""Certificates that tests need: a small authority that signs what it is told to, right or wrong."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
LONG = 3650 * DAY


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    """One for all: it takes long to find."""
    return rsa.generate_private_key(65537, 2048)


def new_key(kind: str = "ec") -> Key:
    """Return a private key, ``ec`` (P-256) or ``rsa`` (2048 bits)."""
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else _rsa_key()


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, and those above it that a server sends along."""

    certificate: x509.Certificate
    key: Key
    above: tuple[x509.Certificate, ...] = ()

    @property
    def chain_pem(self) -> bytes:
        """The certificate and those above it, leaf first."""
        return b"".join(one.public_bytes(Encoding.PEM) for one in (self.certificate, *self.above))

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, directory: Path, name: str) -> None:
        """Write ``<name>.pem``, ``<name>.key`` and, for clients that want one file, ``<name>.both.pem``."""
        (directory / f"{name}.pem").write_bytes(self.chain_pem)
        (directory / f"{name}.key").write_bytes(self.key_pem)
        (directory / f"{name}.both.pem").write_bytes(self.chain_pem + self.key_pem)


def _general_name(name: str) -> x509.GeneralName:
    """``spiffe://x`` is a URI, ``a@b`` an e-mail address, ``192.0.2.1`` an address, all else a DNS name."""
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    if "@" in name:
        return x509.RFC822Name(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def subject(**parts: str) -> x509.Name:
    """Return a name of these parts in this order: ``common_name``, ``organization_name``, ..."""
    return x509.Name([x509.NameAttribute(getattr(NameOID, part.upper()), value) for part, value in parts.items()])


class Authority:
    """A certificate authority, below *parent* if it has one."""

    def __init__(self, name: str = "Test CA", parent: "Authority | None" = None) -> None:
        self.key = new_key()
        self._name = subject(common_name=name)
        self._above: tuple[x509.Certificate, ...] = ()
        signer = parent or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(signer._name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - LONG)
            .not_valid_after(NOW + LONG)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        )
        self.certificate = builder.sign(signer.key, hashes.SHA256())
        if parent is not None:
            self._above = (self.certificate, *parent._above)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        *names: str,
        named: x509.Name | None = None,
        key: str = "ec",
        since: datetime.timedelta = -DAY,
        until: datetime.timedelta = 365 * DAY,
        usages: Iterable[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
        serial: int | None = None,
    ) -> Certificate:
        """Return a certificate for *names* (see `_general_name`), valid from *since* to *until*, counted from now."""
        own = new_key(key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(named if named is not None else subject(common_name=names[0] if names else "nobody"))
            .issuer_name(self._name)
            .public_key(own.public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(NOW + since)
            .not_valid_after(NOW + until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        return Certificate(builder.sign(self.key, hashes.SHA256()), own, self._above)

    def revoke(self, *revoked: Certificate) -> bytes:
        """Return a revocation list (PEM) of these."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name).last_update(NOW - DAY).next_update(NOW + LONG)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(NOW - DAY).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)
