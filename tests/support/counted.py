"""The same traffic through Envoy and through shifter, and what each then says it has counted.

Rule 1. Each has backends, ports and clients of its own; requests are made one after the other, so that what is counted is no accident.
Rule 2. Figures are read when nothing is under way any more, and when both have closed what clients and backends have closed.
"""

import contextlib
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

import yaml

import tests.support.flaky  # noqa: F401  # a mode of backends
from tests.support.backend import Backend, ReservedPort
from tests.support.certificates import Authority
from tests.support.envoy import running_envoy
from tests.support.proxy import Proxy
from tests.support.tls_backend import TlsBackend
from tests.support.tls_client import Hello, ask
from tests.support.wireclient import Wire

CONFIG = Path(__file__).parents[1] / "conformance" / "statistics" / "config.yaml"
RESET = struct.pack("ii", 1, 0)


@dataclass
class Side:
    """One of the two: its name, its ports by name, and how to read its admin pages."""

    name: str
    ports: dict[str, int]
    pages: dict[str, str] = field(default_factory=dict)

    def page(self, path: str) -> str:
        """A page of the admin listener, over a connection of its own."""
        with Wire(self.ports["admin"]) as wire:
            return wire.ask("GET", path, "connection: close", host="localhost").body.decode()

    def stats(self) -> dict[str, int]:
        """Counters and gauges by name."""
        pairs = (line.partition(": ") for line in self.page("/stats").splitlines())
        return {name: int(value) for name, _, value in pairs if value.lstrip("-").isdigit()}

    def until(self, condition: Callable[[dict[str, int]], object]) -> None:
        """Wait until *condition* holds of the figures."""
        end = time.monotonic() + 10
        while not condition(stats := self.stats()):
            assert time.monotonic() < end, f"{self.name}: {[one for one in stats.items() if one[1]]}"
            time.sleep(0.02)  # nobody tells us when a figure changes


def traffic(side: Side) -> None:
    """Make all requests, and wait until both ends of every connection have ended."""
    front = side.ports["front"]
    with Wire(front) as wire:
        for _ in range(5):
            wire.ask("GET", "/split/name")
        wire.ask("POST", "/name", body=b"x" * 1000)
        wire.ask("GET", "/canary/name")
        wire.ask("GET", "/status/404")
        wire.ask("GET", "/status/503")
        wire.ask("GET", "/raw?keep=1&bytes=HTTP/1.1%20200%20OK%0d%0ax-envoy-upstream-canary:%20true%0d%0acontent-length:%200%0d%0a%0d%0a")
        wire.ask("GET", "/direct")
        wire.ask("GET", "/gone")
        wire.ask("GET", "/dead")
        wire.ask("GET", "/empty")
        wire.ask("GET", "/tight")
        wire.ask("GET", "/watched/name")
        wire.ask("GET", "/watched/flaky?how=500")
        wire.ask("HEAD", "/retried/flaky?how=503&first=1")
        wire.ask("HEAD", "/retried/flaky")
        wire.ask("GET", "/tls")
        wire.ask("GET", "/name", host="")
    for path in ("/fresh/close-start", "/fresh/reset-start", "/fresh/hang"):
        with Wire(front) as wire:
            wire.ask("GET", path)
    with Wire(front) as wire:  # a client that leaves
        wire.request("GET", "/hold")
        side.until(lambda stats: stats.get("cluster.service1.upstream_rq_active") == 1)
    with Wire(front) as wire:  # one that resets
        wire.request("GET", "/hold")
        side.until(lambda stats: stats.get("cluster.service1.upstream_rq_active") == 1)
        wire.socket.setsockopt(SOL_SOCKET, SO_LINGER, RESET)
    with Wire(side.ports["odd"]) as wire:
        wire.send(b"nonsense\r\n\r\n")
        wire.answer()
    with Wire(side.ports["odd"]) as wire:
        wire.request("GET", "/switching", "connection: upgrade", "upgrade: websocket")
        wire.socket.recv(1000)
    http2 = [(":method", "GET"), (":scheme", "https"), (":authority", "front.test"), (":path", "/name")]
    ask(side.ports["encrypted"], Hello(alpn=("h2",)), http2)
    ask(side.ports["encrypted"], Hello(alpn=("http/1.1",)), b"GET /name HTTP/1.1\r\nhost: front.test\r\n\r\n")
    with contextlib.suppress(OSError), Wire(side.ports["encrypted"]) as wire:
        wire.send(b"GET / HTTP/1.1\r\n\r\n")
        wire.rest()
    with Wire(side.ports["passed"]) as wire:
        wire.ask("GET", "/name")
    with Wire(side.ports["passed"]) as wire:
        wire.ask("GET", "/close-start")
    side.until(
        lambda stats: (
            not any(
                value for name, value in stats.items() if name.endswith(("rq_active", "downstream_cx_active")) and ".admin." not in name
            )
        )
    )


def counted(program: str, directory: Path, *paths: str) -> tuple[Side, Side]:
    """Return Envoy and shifter after the traffic, with their admin pages at *paths* (`Side.pages`)."""
    authority = Authority()
    certificate = authority.issue("localhost", "127.0.0.1", serial=7)
    (directory / "ca.pem").write_bytes(authority.pem)
    (directory / "cert.pem").write_bytes(certificate.chain_pem)
    (directory / "key.pem").write_bytes(certificate.key_pem)
    with ExitStack() as stack:
        sides = []
        for name in ("envoy", "shifter"):
            backend = stack.enter_context(Backend("one"))
            secure = stack.enter_context(TlsBackend(certificate, directory, alpn=("h2",)))
            ports = {one: stack.enter_context(ReservedPort()).port for one in ("front", "encrypted", "odd", "passed", "admin", "dead")}
            ports |= {"backend": backend.port, "secure": secure.port}
            files = {"certificate": "cert.pem", "key": "key.pem", "authority": "ca.pem"}
            text = CONFIG.read_text()
            for key, value in {**ports, **{key: directory / value for key, value in files.items()}}.items():
                text = text.replace(f"@{key}@", str(value))
            text = yaml.safe_dump(yaml.safe_load(text), sort_keys=False)  # Envoy has no merge keys
            if name == "envoy":
                stack.enter_context(running_envoy(program, text, ports["admin"], directory))
            else:
                stack.enter_context(Proxy(directory / "shifter")).start(text)
            sides.append(Side(name, ports))
        with ThreadPoolExecutor(2) as both:
            list(both.map(traffic, sides))
        for side in sides:
            side.pages = {path: side.page(path) for path in paths}
    return sides[0], sides[1]
