"""What is counted of TLS, under Envoy's names."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

from shifter.observe import ssl_stats


def session(**facts: Any) -> Any:
    return SimpleNamespace(
        version="TLSv1.2", cipher="ECDHE-RSA-AES128-GCM-SHA256", group="X25519", resumed=False, peer_certificate=None, **facts
    )


def counters() -> defaultdict[str, int]:
    counted: defaultdict[str, int] = defaultdict(int)
    ssl_stats.begin(counted)
    return counted


def test_all_are_there_from_the_start() -> None:
    assert dict(counters()) == {f"ssl.{name}": 0 for name in ssl_stats.NAMES}


@pytest.mark.parametrize(("asked", "shown", "without"), [(False, None, 1), (True, None, 1), (True, object(), 0)])
def test_handshakes(asked: bool, shown: object, without: int) -> None:
    counted = counters()
    done = session()
    done.resumed, done.peer_certificate = True, shown
    ssl_stats.count_handshake(counted, done, asked)
    assert {name: count for name, count in counted.items() if count} == {
        "ssl.handshake": 1,
        "ssl.session_reused": 1,
        "ssl.ciphers.ECDHE-RSA-AES128-GCM-SHA256": 1,
        "ssl.curves.X25519": 1,
        "ssl.versions.TLSv1.2": 1,
        **({"ssl.no_certificate": 1} if without else {}),
    }


@pytest.mark.parametrize(("kind", "counts"), [("fail_verify_san", 1), ("connection_error", 1), ("closed", 0), ("timeout", 0)])
def test_failures(kind: str, counts: int) -> None:
    counted = counters()
    ssl_stats.count_failure(counted, kind)
    assert sum(counted.values()) == counted.get(f"ssl.{kind}", 0) == counts
