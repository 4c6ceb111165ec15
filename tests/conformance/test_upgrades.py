"""Upgrades and CONNECT through Envoy and through shifter, over raw sockets: what the client and the endpoint see of each other.

All exchanges of one side are made at the same time; ``x00`` in a target or in bytes is the number by which the endpoint's view of an
exchange is found. Deliberate differences stand beside their exchange with their reason, and in ``docs/differences.md``.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.candidates import envoy_program
from tests.support.backend import ReservedPort
from tests.support.envoy import running_envoy
from tests.support.proxy import Config, Proxy, bootstrap, cluster, http2, listener
from tests.support.tunnels import Client, Endpoint, Http1Client, Http1Endpoint, Http2Client, Http2Endpoint, Seen, TcpEndpoint

Step = bytes | str | int
Request = bytes | tuple[tuple[bytes, bytes], ...]

HALVES = "Each direction of a tunnel ends by itself"
CUT = "A tunnel that breaks on one side is reset on the other"
BODY = "A request for another protocol has no body"
PORT = "A CONNECT names a host and a port, in HTTP/2 too"
LENGTH = "An extended CONNECT has no `content-length`"


@dataclass(frozen=True)
class Exchange:
    """One request, as bytes (HTTP/1.1) or fields (HTTP/2), and what its client does. *differs*: why shifter does otherwise."""

    note: str
    request: Request
    steps: tuple[Step, ...] = ("head",)
    differs: str = ""
    whole: bool = False
    listener: str = "on"


def upgrade(path: str, protocol: str = "websocket", more: str = "", method: str = "GET") -> bytes:
    return f"{method} {path}-x00 HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: {protocol}\r\n{more}\r\n".encode()


def connect(host: str, more: str = "", version: str = "1.1") -> bytes:
    return f"CONNECT {host} HTTP/{version}\r\nhost: {host}\r\n{more}\r\n".encode()


def extended(path: str, protocol: bytes = b"websocket", method: bytes = b"CONNECT", *more: tuple[bytes, bytes]) -> tuple[Any, ...]:
    target = (b":scheme", b"http"), (b":authority", b"a"), (b":path", path.encode() + b"-x00")
    return (b":method", method), (b":protocol", protocol), *target, (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="), *more


def plain(host: str, *more: tuple[bytes, bytes]) -> tuple[Any, ...]:
    return (b":method", b"CONNECT"), (b":authority", host.encode()), *more


def early(request: Request) -> tuple[Request, tuple[Step, ...]]:
    """*request* with bytes behind it that no tunnel takes: in HTTP/1.1 in one piece with the head, later ones may reset the connection."""
    if isinstance(request, bytes):
        return request + b"early", ("head",)
    return request, (b"early", "head")


def _table() -> Iterator[Exchange]:
    for endpoint in ("one", "two"):
        for speaks, ask in (("h1", upgrade), ("h2", extended)):
            name = f"{speaks} to {endpoint}"
            yield Exchange(f"{name}: bytes both ways", ask(f"/{endpoint}/echo"), ("head", b"hello", 5))
            yield Exchange(f"{name}: bytes too early", ask(f"/{endpoint}/late/echo"), (b"hello", "head", 5))
            same = (speaks, endpoint) == ("h2", "two")
            ends: tuple[Step, ...] = ("head", b"hello", 5, "fin")
            yield Exchange(f"{name}: the client ends first", ask(f"/{endpoint}/echo/tail"), ends, "" if same else HALVES)
            yield Exchange(f"{name}: the endpoint ends first", ask(f"/{endpoint}/bye"), ("head", 3, "pause", b"more"), HALVES)
            yield Exchange(f"{name}: the endpoint refuses", *early(ask(f"/{endpoint}/403")))
            yield Exchange(f"{name}: the endpoint hangs up", ask(f"/{endpoint}/ends"))
            yield Exchange(
                f"{name}: the client resets", ask(f"/{endpoint}/echo"), ("head", b"hello", 5, "rst"), CUT if endpoint == "one" else ""
            )
        for speaks, ask in (("h1", connect), ("h2", plain)):
            name = f"CONNECT of {speaks} to {endpoint}"
            yield Exchange(f"{name}: bytes both ways", ask(f"echo.x00.{endpoint}.test:80"), ("head", b"hello", 5))
            yield Exchange(f"{name}: bytes too early", ask(f"late.echo.x00.{endpoint}.test:80"), (b"hello", "head", 5))
            same = (speaks, endpoint) == ("h2", "two")
            yield Exchange(f"{name}: the client ends first", ask(f"echo.tail.x00.{endpoint}.test:80"), ends, "" if same else HALVES)
            yield Exchange(f"{name}: the endpoint refuses", *early(ask(f"403.x00.{endpoint}.test:80")))
    for speaks, ask in (("h1", connect), ("h2", plain)):
        name = f"CONNECT of {speaks} that ends here"
        yield Exchange(f"{name}: bytes both ways", ask("tcp.test:80"), (b"early x00", "head", b"hello", 14))
        yield Exchange(f"{name}: the endpoint ends first", ask("tcp.test:80"), ("head", b"x00<bye>", 8, "pause", b"more"), HALVES)
        yield Exchange(f"{name}: nobody is there", *early(ask("dead.test:80")))
        yield Exchange(f"{name}: the route does not allow it", ask("off.test:80"))
        yield Exchange(f"{name}: no route is for it", ask("none.test:80"))
    yield Exchange("CONNECT of h2 that ends here: the client ends first", plain("tcp.test:80"), ("head", b"x00<tail>", 9, "fin"))
    yield Exchange("CONNECT of h1 that ends here: the client ends first", connect("tcp.test:80"), ("head", b"x00<tail>", 9, "fin"), HALVES)
    yield Exchange("CONNECT of h1 that ends here: the endpoint breaks", connect("tcp.test:80"), ("head", b"x00<breaks>"), CUT)
    yield Exchange("CONNECT of h2 that ends here: the endpoint breaks", plain("tcp.test:80"), ("head", b"x00<breaks>"))
    yield Exchange("a POST instead", b"POST / HTTP/1.1\r\nhost: post.test\r\ncontent-length: 3\r\n\r\nx00", ("head", 3))
    yield Exchange("CONNECT with a path", b"CONNECT /x HTTP/1.1\r\nhost: tcp.test:80\r\n\r\n")
    yield Exchange("CONNECT with a URL", b"CONNECT http://tcp.test:80/ HTTP/1.1\r\nhost: tcp.test:80\r\n\r\n")
    yield Exchange("CONNECT without a port", connect("tcp.test"))
    yield Exchange("CONNECT of h2 without a port", plain("tcp.test"), ("head", b"x00", 3), PORT)
    yield Exchange("CONNECT that a route answers", connect("said.test:80"))
    yield Exchange("CONNECT of h2 that a route answers", plain("said.test:80"))
    yield Exchange("CONNECT with another host", b"CONNECT tcp.test:80 HTTP/1.1\r\nhost: other.test\r\n\r\n", ("head", b"x00", 3))
    yield Exchange("CONNECT with an empty body", connect("tcp.test:80", "content-length: 0\r\n"), ("head", b"x00", 3))
    yield Exchange("CONNECT with a body", connect("tcp.test:80", "content-length: 5\r\n"))
    yield Exchange("CONNECT with chunks", connect("tcp.test:80", "transfer-encoding: chunked\r\n"))
    yield Exchange("CONNECT with an upgrade", connect("tcp.test:80", "connection: upgrade\r\nupgrade: websocket\r\n"), ("head", b"x00", 3))
    yield Exchange("CONNECT of HTTP/1.0", connect("tcp.test:80", version="1.0"))
    yield Exchange("bytes behind a refusal", connect("off.test:80") + b"GET /one/200 HTTP/1.1\r\nhost: a\r\n\r\n")
    yield Exchange("CONNECT of h2 where extended CONNECT is off", plain("echo.x00.one.test:80"), ("head", b"hello", 5), listener="off")
    yield Exchange("an endpoint without extended CONNECT, h1", upgrade("/without/echo"))
    yield Exchange("an endpoint without extended CONNECT, h2", extended("/without/echo"))
    yield Exchange("another protocol, switched off", upgrade("/one/echo", "chat"))
    yield Exchange("another protocol, switched off, h2", extended("/one/echo", b"chat"))
    yield Exchange("another protocol, switched on for a route", upgrade("/chat/late/echo", "chat"), (b"hello", "head", 5))
    yield Exchange("another protocol, switched on for a route, h2", extended("/chat/echo", b"chat"), ("head", b"hello", 5))
    yield Exchange("websocket, switched off for a route", extended("/off/echo"))
    yield Exchange("HEAD", upgrade("/one/echo", method="HEAD"), ("head", b"hello", 5))
    yield Exchange("POST to HTTP/2", upgrade("/two/echo", method="POST"), ("head", b"hello", 5))
    yield Exchange("no route", extended("/nowhere/echo"))
    yield Exchange("two protocols at once", upgrade("/one/echo", "h2c, websocket"))
    yield Exchange("two protocols at once, h2", extended("/one/echo", b"websocket, chat"))
    yield Exchange("HTTP/2 within HTTP/2", extended("/one/echo", b"h2c"))
    yield Exchange("however it is spelled", extended("/one/echo", b"WebSocket"), ("head", b"hello", 5))
    yield Exchange("a body before the switch", upgrade("/one/echo", more="content-length: 3\r\n", method="POST") + b"abc", ("head",), BODY)
    yield Exchange("a length", extended("/one/echo", b"websocket", b"CONNECT", (b"content-length", b"5")), ("head", b"hello", 5), LENGTH)
    yield Exchange("nothing is said for too long", extended("/brief/hangs"), differs=CUT)
    yield Exchange("it lasts too long", extended("/max/echo"), ("head", b"hello", 5), CUT)


TABLE = list(_table())


@dataclass(frozen=True)
class View:
    """What both ends saw."""

    client: Seen
    endpoints: tuple[Seen, ...]

    def against(self, other: "View") -> str:
        """What differs, for people."""
        pairs = [("client", self.client, other.client), ("endpoints", self.endpoints, other.endpoints)]
        return "\n".join(f"{name}:\n  Envoy   {ours}\n  shifter {theirs}" for name, ours, theirs in pairs if ours != theirs)


def _manager(allow_connect: bool) -> Config:
    def to(cluster: str, **action: object) -> Config:
        return {"cluster": cluster, **action}

    def tunnels(name: str, domains: list[str], cluster: str, config: Config | None = None, match: Config | None = None) -> Config:
        upgrades = [{"upgrade_type": "CONNECT", **({} if config is None else {"connect_config": config})}]
        found = {"match": match or {"connect_matcher": {}}, "route": to(cluster, upgrade_configs=upgrades)}
        return {"name": name, "domains": domains, "routes": [found]}

    web = [
        {"match": {"prefix": "/brief"}, "route": to("one", timeout="0.2s")},
        {"match": {"prefix": "/max"}, "route": to("one", max_stream_duration={"max_stream_duration": "0.5s"})},
        {"match": {"prefix": "/off"}, "route": to("one", upgrade_configs=[{"upgrade_type": "websocket", "enabled": False}])},
        {"match": {"prefix": "/chat"}, "route": to("one", upgrade_configs=[{"upgrade_type": "chat"}])},
        *({"match": {"prefix": f"/{name}"}, "route": to(name)} for name in ("one", "two", "without")),
    ]
    said = {"status": 200, "body": {"inline_string": "hello"}}
    hosts = [
        tunnels("tcp", ["tcp.test:80", "tcp.test"], "tcp", {}),
        tunnels("post", ["post.test"], "tcp", {"allow_post": True}, {"prefix": "/"}),
        tunnels("dead", ["dead.test:80"], "dead", {}),
        {"name": "forbidden", "domains": ["off.test:80"], "routes": [{"match": {"connect_matcher": {}}, "route": to("one")}]},
        {"name": "said", "domains": ["said.test:80"], "routes": [{"match": {"connect_matcher": {}}, "direct_response": said}]},
        tunnels("nobody", ["none.test:80"], "one", match={"prefix": "/"}),
        tunnels("to_one", ["*.one.test:80"], "one"),
        tunnels("to_two", ["*.two.test:80"], "two"),
        {"name": "web", "domains": ["*"], "routes": web},
    ]
    return {
        "http2_protocol_options": {"allow_connect": allow_connect},
        "delayed_close_timeout": "0.05s",
        "upgrade_configs": [{"upgrade_type": "websocket"}, {"upgrade_type": "chat", "enabled": False}],
        "route_config": {"name": "local", "virtual_hosts": hosts},
        "access_log": [],
    }


class Sides:
    """Both proxies' views of all exchanges."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.endpoints: dict[str, Endpoint] = {
            "one": Http1Endpoint(),
            "two": Http2Endpoint(),
            "without": Http2Endpoint(extended=False),
            "tcp": TcpEndpoint(),
        }

    def close(self) -> None:
        for endpoint in self.endpoints.values():
            endpoint.close()

    def config(self, ports: dict[str, int], dead: int) -> Config:
        clusters = [
            cluster(name, endpoint.port, **(http2(allow_connect=True) if isinstance(endpoint, Http2Endpoint) else {}))
            for name, endpoint in self.endpoints.items()
        ]
        listeners = [listener(ports[name], (), name, **_manager(name == "on")) for name in ("on", "off")]
        return bootstrap(ports["admin"], listeners, [*clusters, cluster("dead", dead)])

    def envoy(self, program: str) -> list[View]:
        with ExitStack() as stack:
            reserved = {name: stack.enter_context(ReservedPort()) for name in ("on", "off", "admin", "dead")}
            ports = {name: one.port for name, one in reserved.items()}
            text = yaml.safe_dump(self.config(ports, ports["dead"]))
            stack.enter_context(running_envoy(program, text, ports["admin"], self.directory))
            return self.views(ports)

    def shifter(self) -> list[View]:
        with Proxy(self.directory / "shifter") as proxy, ReservedPort() as dead:
            ports = {"on": proxy.port, "off": proxy.reserve(), "admin": proxy.admin}
            proxy.start(self.config(ports, dead.port))
            return self.views(ports)

    def views(self, ports: dict[str, int]) -> list[View]:
        for endpoint in self.endpoints.values():
            endpoint.seen.clear()
        with ThreadPoolExecutor(44) as together:
            clients = list(together.map(lambda number: self.made(number, ports), range(len(TABLE))))
        return [self.seen(number, client) for number, client in enumerate(clients)]

    def made(self, number: int, ports: dict[str, int]) -> Seen:
        exchange = TABLE[number]
        port = ports[exchange.listener]
        tag = b"x%02d" % number
        steps: list[Step] = [step.replace(b"x00", tag) if isinstance(step, bytes) else step for step in exchange.steps]
        client: Client
        if isinstance(exchange.request, bytes):
            client = Http1Client(port)
            steps.insert(0, exchange.request.replace(b"x00", tag))
        else:
            fields = [(name, value.replace(b"x00", tag)) for name, value in exchange.request]
            client = Http2Client(port, fields=fields, whole=exchange.whole)
        seen = client.run(steps)
        if seen.end.startswith("end"):
            seen.end = "end"  # what a server says behind the end is its own affair
        return seen

    def seen(self, number: int, client: Seen) -> View:
        tag = f"x{number:02}"
        found = [one for each in self.endpoints.values() for one in each.seen if tag in one.start or tag.encode() in one.data]
        for one in found:
            one.end = "" if client.end == "open" else one.end.partition(" ")[0]  # when a client that has seen enough leaves, this is over
        return View(client, tuple(found))


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[View], list[View]]]:
    program = envoy_program()
    if not program:
        pytest.skip("Envoy is not installed")
    sides = Sides(tmp_path_factory.mktemp("tunnels"))
    yield sides.envoy(program), sides.shifter()
    sides.close()


@pytest.mark.parametrize("number", range(len(TABLE)), ids=[exchange.note for exchange in TABLE])
def test_exchange(views: tuple[list[View], list[View]], number: int) -> None:
    envoy, shifter = views[0][number], views[1][number]
    difference = envoy.against(shifter)
    if TABLE[number].differs:
        assert difference, "no difference any more"
    else:
        assert not difference, difference


def test_every_difference_is_in_the_documentation() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
    assert not [exchange.note for exchange in TABLE if exchange.differs not in documented]
