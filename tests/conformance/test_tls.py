"""Handshakes with Envoy and with shifter: what the client finds out, what the backend is told, what the access log says.

An exchange of ``tls/*.yaml`` has ``sni``, ``alpn``, ``versions``, ``ciphers`` and ``client`` (the name of a certificate) for the
handshake, or ``clear: true``; with ``resume`` it is made twice, the second time with the session of the first. ``protocol: h2`` sends
HTTP/2; ``before`` are bytes in front of it all, ``raw`` bytes instead of a request. ``differs`` and ``failed`` or ``status`` say
what shifter does otherwise, and why.
"""

import hashlib
import re
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from bench.candidates import envoy_program
from tests.support.backend import Backend, ReservedPort
from tests.support.certificates import DAY, LONG, Authority, subject
from tests.support.differential import HIDDEN, masked, told
from tests.support.envoy import running_envoy
from tests.support.programs import PATIENCE
from tests.support.proxy import Proxy
from tests.support.tls_client import Hello, Told, ask

CASES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((Path(__file__).parent / "tls").glob("*.yaml"))
}
EXCHANGES = [(name, number) for name, case in CASES.items() for number in range(len(case["exchanges"]))]
TLS13 = re.compile(r"\bTLS_[A-Z0-9_]+")
LISTENERS = ("listen", "listen2", "listen3")


@dataclass(frozen=True)
class View:
    """What can be seen of one exchange from outside."""

    client: Told
    forwarded: tuple[object, ...]
    logged: str

    def against(self, other: "View") -> str:
        """What differs, for people."""
        lines = []
        for one in fields(Told):
            ours, theirs = getattr(self.client, one.name), getattr(other.client, one.name)
            if ours != theirs:
                lines.append(f"{one.name}:\n  Envoy   {ours}\n  shifter {theirs}")
        for name in ("forwarded", "logged"):
            if getattr(self, name) != getattr(other, name):
                lines.append(f"{name}:\n  Envoy   {getattr(self, name)}\n  shifter {getattr(other, name)}")
        return "\n".join(lines)


class Side:
    """One of the two, running."""

    def __init__(self, ports: dict[str, int], backend: Backend, certificates: Path, log: Path) -> None:
        self._ports = ports
        self._backend = backend
        self._certificates = certificates
        self._log = log

    def views(self, exchanges: list[dict[str, Any]]) -> list[View]:
        """Make all *exchanges*, one after the other; then look up what the log says of each."""
        made = [self._made(exchange, number) for number, exchange in enumerate(exchanges)]
        logged = self._logged({number for number, (client, _) in enumerate(made) if client.status and "raw" not in exchanges[number]})
        return [View(client, forwarded, TLS13.sub("(TLS 1.3)", logged.get(number, ""))) for number, (client, forwarded) in enumerate(made)]

    def _made(self, exchange: dict[str, Any], number: int) -> tuple[Told, tuple[object, ...]]:
        """Make *exchange*; what is looked at is its last time, if it is made several times."""
        hello = None
        if not exchange.get("clear"):
            client = exchange.get("client")
            hello = Hello(
                exchange.get("sni"),
                tuple(exchange.get("alpn", ())),
                exchange.get("versions"),
                exchange.get("ciphers", ""),
                self._certificates / f"{client}.both.pem" if client else None,
            )
        port = self._ports[exchange.get("listener", "listen")]
        before = str(exchange.get("before", "")).encode("latin-1")
        for _ in range(2 if exchange.get("resume") else 1):
            seen = len(self._backend.requests)
            found = ask(port, hello, _request(exchange, number, hello is not None), before)
        if found.failed and found.version == "TLSv1.3":
            found.failed = "refused"  # after the client was done: whether it reads the alert or meets a reset is chance
        if found.version == "TLSv1.3":
            found.cipher = "(either's favourite)"  # all three are good; Envoy asks the client, OpenSSL the server
        sent = str(exchange).encode()
        found.fields = tuple(sorted(masked(name, value, sent) for name, value in found.fields if name not in HIDDEN))
        found.body = b"" if found.body.startswith(b'{"backend"') else found.body
        return found, tuple(told(self._backend, seen, None))

    def _logged(self, wanted: set[int]) -> dict[int, str]:
        """The last line of each exchange, once all that are *wanted* are there: logs are written now and then."""
        give_up = time.monotonic() + PATIENCE
        while True:
            pairs = [line.split(" ", 1) for line in self._log.read_text(encoding="utf-8").splitlines() if line[0] != "-"]
            lines = {int(number): line for number, line in pairs}
            if wanted <= lines.keys():
                return lines
            assert time.monotonic() < give_up, f"the log says nothing of {sorted(wanted - lines.keys())}"
            time.sleep(0.05)


def _request(exchange: dict[str, Any], number: int, encrypted: bool) -> bytes | list[tuple[str, str]]:
    if "raw" in exchange:
        return str(exchange["raw"]).encode("latin-1")
    path, host = exchange.get("path", "/"), exchange.get("host", "front.test")
    headers = [tuple(line.split(": ", 1)) for line in (f"x-exchange: {number}", *exchange.get("headers", ()))]
    if exchange.get("protocol") != "h2":
        lines = [f"GET {path} HTTP/1.1", f"host: {host}", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    scheme = exchange.get("scheme", "https" if encrypted else "http")
    return [(":method", "GET"), (":scheme", scheme), (":path", path), (":authority", host), *headers]  # type: ignore[list-item]  # pairs


def _filled_in(text: str, certificates: Path, directory: Path, ports: dict[str, int]) -> str:
    """The configuration with the places of files, ports, and digests of certificates."""
    good = x509.load_pem_x509_certificate((certificates / "good.pem").read_bytes())
    digest = hashlib.sha256(good.public_bytes(Encoding.DER)).hexdigest()
    key = hashlib.sha256(good.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    text = text.replace("@certs@", str(certificates)).replace("@directory@", str(directory))
    text = text.replace("@hash:good@", digest).replace("@spki:good@", b64encode(key).decode())
    for name, port in ports.items():
        text = text.replace(f"@{name}@", str(port))
    return yaml.safe_dump(yaml.safe_load(text), sort_keys=False, width=1000)  # Envoy has no merge keys


def _start(stack: ExitStack, kind: str, case: dict[str, Any], program: str, certificates: Path, directory: Path) -> Side:
    directory.mkdir()
    [name] = case["backends"]
    backend = stack.enter_context(Backend(name))
    ports = {name: backend.port} | {name: stack.enter_context(ReservedPort()).port for name in (*LISTENERS, "admin")}
    text = _filled_in(case["config"], certificates, directory, ports)
    if kind == "envoy":
        stack.enter_context(running_envoy(program, text, ports["admin"], directory))
    else:
        stack.enter_context(Proxy(directory / "shifter")).start(text)
    return Side(ports, backend, certificates, directory / "access.log")


def write_certificates(directory: Path) -> Path:
    """Write what the cases name: servers' by their host, clients', the authority and what it has revoked."""
    directory.mkdir()
    ca, stranger = Authority("Conformance CA"), Authority("Another CA")
    middle = Authority("Conformance middle CA", ca)
    for name, names in (("a", ["a.test", "spiffe://server/a"]), ("wild", ["*.wild.test"]), ("two", ["two.test"]), ("b", ["b.test"])):
        ca.issue(*names).write(directory, name)
    ca.issue("two.test", "rsa.test", key="rsa").write(directory, "rsa")
    odd = subject(country_name="DE", organization_name='Quotes "and", commas; equals=signs', common_name="quoted + plus")
    revoked = ca.issue("revoked.client.test")
    for name, client in {
        "good": ca.issue("good.client.test", "spiffe://good/client", "client@example.test", named=subject(common_name="good client")),
        "quoted": ca.issue("other.client.test", "https://x.test/a,b;c=d", "second.client.test", named=odd),
        "nameless": ca.issue(named=subject(common_name="nameless client")),
        "through": middle.issue("through.client.test"),
        "expired": ca.issue("expired.client.test", since=-LONG, until=-30 * DAY),
        "stranger": stranger.issue("stranger.client.test"),
        "server-only": ca.issue("server.client.test", usages=[ExtendedKeyUsageOID.SERVER_AUTH]),
        "revoked": revoked,
    }.items():
        client.write(directory, name)
    (directory / "ca.pem").write_bytes(ca.pem)
    (directory / "ca.crl").write_bytes(ca.revoke(revoked))
    return directory


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[tuple[View, View]]]]:
    """All exchanges of the case files that were needed so far."""
    seen: dict[str, list[tuple[View, View]]] = {}
    yield seen
    seen.clear()


@pytest.fixture
def pair(request: pytest.FixtureRequest, views: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[View, View]:
    name, number = request.param
    envoy = envoy_program()
    if not envoy:
        pytest.skip("Envoy is not installed")
    if name not in views:
        directory = tmp_path_factory.mktemp(name)
        certificates = write_certificates(directory / "certificates")
        with ExitStack() as stack:
            sides = [_start(stack, kind, CASES[name], envoy, certificates, directory / kind) for kind in ("envoy", "shifter")]
            with ThreadPoolExecutor(2) as both:
                views[name] = list(zip(*both.map(lambda side: side.views(CASES[name]["exchanges"]), sides), strict=True))
    found: tuple[View, View] = views[name][number]
    return found


def exchange_id(name: str, number: int) -> str:
    exchange = CASES[name]["exchanges"][number]
    words = [str(exchange[word]) for word in ("note", "sni", "client", "path", "before") if word in exchange]
    return f"{name}-{number}-{' '.join(words)[:60]!r}"


@pytest.mark.parametrize(
    ("pair", "name", "number"), [(one, *one) for one in EXCHANGES], indirect=["pair"], ids=[exchange_id(*one) for one in EXCHANGES]
)
def test_exchange(pair: tuple[View, View], name: str, number: int) -> None:
    envoy, shifter = pair
    exchange = CASES[name]["exchanges"][number]
    difference = envoy.against(shifter)
    if "differs" in exchange:
        assert difference, "no difference any more"
        expected = exchange.get("failed", ""), exchange.get("status", 0)
        assert (shifter.client.failed, shifter.client.status) == expected
    else:
        assert not difference, difference


def test_every_difference_is_in_the_documentation() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
    reasons = {exchange["differs"] for case in CASES.values() for exchange in case["exchanges"] if "differs" in exchange}
    assert reasons
    assert not [reason for reason in reasons if reason not in documented]
