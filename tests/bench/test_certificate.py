"""The certificate of the proxies that are measured: a server can use it, and it is made once."""

import ssl
import stat
from pathlib import Path

from bench.certificate import certificate, trusting


def test_a_server_can_use_it(tmp_path: Path) -> None:
    path = certificate(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    assert path.read_text().count("-----BEGIN") == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_made_once(tmp_path: Path) -> None:
    first = certificate(tmp_path).read_bytes()
    assert certificate(tmp_path).read_bytes() == first


def test_the_load_asks_nobody_who_they_are() -> None:
    assert trusting().verify_mode is ssl.CERT_NONE
