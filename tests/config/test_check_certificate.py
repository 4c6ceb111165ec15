"""Certificates are read, or it is told why not, whatever has become of their bytes."""

from base64 import b64encode

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given
from hypothesis import strategies as st

from shifter.config.check_certificate import Leaf, read_leaf
from tests.support.tls_configs import files

PEM = files()["a.pem"]
DER = load_pem_x509_certificate(PEM).public_bytes(Encoding.DER)


def pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + b64encode(der) + b"\n-----END CERTIFICATE-----\n"


def test_a_good_one() -> None:
    leaf = read_leaf(PEM)
    assert isinstance(leaf, Leaf) and leaf == read_leaf(pem(DER))
    assert (leaf.names, leaf.subject) == (["a.test", "*.a.test"], "CN=a.test") and leaf.since < leaf.until


@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_damage(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(DER)
    for at, byte in changes:
        damaged[at] = byte
    found = read_leaf(pem(bytes(damaged)))
    assert isinstance(found, Leaf) or found


def test_a_version_that_there_is_not() -> None:
    at = DER.index(b"\xa0\x03\x02\x01\x02") + 4
    assert read_leaf(pem(DER[:at] + b"S" + DER[at + 1 :])) == "83 is not a valid X509 version"


@given(st.binary(max_size=200))
def test_what_is_no_certificate(content: bytes) -> None:
    assert isinstance(read_leaf(content), str)
