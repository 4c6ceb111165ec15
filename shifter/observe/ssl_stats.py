"""Envoy's ``ssl.`` statistics, of a listener or a cluster.

Rule 1. They are counters by name (``ClusterStats.more``, ``ListenerStats.more``), and there from the start once anybody speaks TLS
        (`begin`).
"""

from collections.abc import MutableMapping
from typing import Protocol

from shifter.observe.tls_operands import TlsFacts

NAMES = (
    "connection_error", "fail_verify_cert_hash", "fail_verify_error", "fail_verify_no_cert", "fail_verify_san", "handshake",
    "no_certificate", "ocsp_staple_failed", "ocsp_staple_omitted", "ocsp_staple_requests", "ocsp_staple_responses", "session_reused",
)  # fmt: skip


class Session(TlsFacts, Protocol):
    """`TlsFacts` of a handshake that was just done."""

    resumed: bool


def begin(counters: MutableMapping[str, int]) -> None:
    """Have the counters shown that every speaker of TLS has."""
    for name in NAMES:
        counters.setdefault(f"ssl.{name}", 0)


def count_handshake(counters: MutableMapping[str, int], session: Session, asked: bool) -> None:
    """Count a handshake that is done; *asked* where the other end was asked for a certificate, or is a server."""
    counters["ssl.handshake"] += 1
    if session.resumed:
        counters["ssl.session_reused"] += 1
    for name in (f"ssl.ciphers.{session.cipher}", f"ssl.versions.{session.version}"):
        counters[name] = counters.get(name, 0) + 1
    if group := session.group:
        name = f"ssl.curves.{group}"
        counters[name] = counters.get(name, 0) + 1
    if not asked or session.peer_certificate is None:
        counters["ssl.no_certificate"] += 1


def count_failure(counters: MutableMapping[str, int], kind: str) -> None:
    """Count a handshake that failed; *kind* is ``TlsFailure.kind``. One that took too long, or that was broken off, is none of TLS's."""
    name = f"ssl.{kind}"
    if name in counters:
        counters[name] += 1
