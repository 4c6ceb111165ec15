"""The scenarios: what is asked of a proxy, how, and what the answer tells. Names are the command line's."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from bench.work import PATH


class Kind(Enum):
    """Which procedure measures a scenario."""

    CLOSED = "closed loop: every connection asks again as soon as it is answered"
    OPEN = "open loop: requests arrive at a fixed rate, whatever the proxy does"
    IDLE = "many connections, then nothing"
    START = "from nothing to the first answer"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. ``rate`` is requests a second (open loop), ``streams`` concurrent requests per HTTP/2 connection.

    ``varied`` sends 20,000 different requests in turn, so that no cache of parsed heads can hit.
    ``log_compared`` measures every proxy with and without an access log, side by side in each round. ``routes`` is the length
    of the route table, at the end of which stands what is asked for. ``tls`` is TLS 1.3 towards the clients; with ``renewed``
    every request comes on a new connection. ``tcp``: the proxy passes connections on, and knows nothing of requests.
    """

    name: str
    meaning: str
    kind: Kind = Kind.CLOSED
    path: str = PATH
    connections: int = 32
    streams: int = 1
    upload_bytes: int = 0
    rate: int = 0
    varied: bool = False
    h2_down: bool = False
    h2_up: bool = False
    log_compared: bool = False
    routes: int = 10
    tls: bool = False
    renewed: bool = False
    tcp: bool = False


ALL: Final = (
    Scenario("headers", "keep-alive GET, 20,000 different requests, header match and 25/75 split over 10 routes", varied=True),
    Scenario("plain", "the same route, every request alike"),
    Scenario("log", "as `headers`, with and without the proxy's default access log to a file", varied=True, log_compared=True),
    Scenario("routes-1000", "as `headers`, with 1,000 routes, the one that is asked for at the end", varied=True, routes=1_000),
    Scenario("routes-10000", "as `headers`, with 10,000 routes, the one that is asked for at the end", varied=True, routes=10_000),
    Scenario("10k", "GET with a 10 KB response", path=PATH + "/10k"),
    Scenario("1m", "GET with a 1 MB response (µs per request are µs per megabyte)", path=PATH + "/1m", connections=16),
    Scenario("upload", "POST of 10 KB with a small response", upload_bytes=10_240),
    Scenario("h2c-up", "HTTP/1.1 from clients, HTTP/2 without TLS to the backend", h2_up=True),
    Scenario(
        "h2-down", "HTTP/2 from clients (4 connections, 8 streams each), HTTP/1.1 to the backend", connections=4, streams=8, h2_down=True
    ),
    Scenario("h2-h2", "HTTP/2 without TLS on both sides", connections=4, streams=8, h2_down=True, h2_up=True),
    Scenario("tls", "as `headers`, over TLS 1.3 from clients", varied=True, tls=True),
    Scenario("tls-10k", "GET with a 10 KB response, over TLS 1.3", path=PATH + "/10k", tls=True),
    Scenario("tls-1m", "GET with a 1 MB response, over TLS 1.3", path=PATH + "/1m", connections=16, tls=True),
    Scenario("tls-new", "a connection, a full handshake (ECDSA P-256, X25519) and a request", tls=True, renewed=True),
    Scenario("tcp", "as `plain`, through a TCP proxy: connections are split 25/75, and bytes passed on", tcp=True),
    Scenario("tcp-1m", "GET with a 1 MB response, through a TCP proxy", path=PATH + "/1m", connections=16, tcp=True),
    Scenario("tcp-new", "a connection and a request, through a TCP proxy", tcp=True, renewed=True),
    Scenario("idle", "10,000 keep-alive connections that each had one request and then rest", Kind.IDLE, connections=10_000),
    Scenario("h2-idle", "3,000 HTTP/2 connections that each had one request and then rest", Kind.IDLE, connections=3_000, h2_down=True),
    Scenario("tls-idle", "3,000 such connections over TLS 1.3", Kind.IDLE, connections=3_000, tls=True),
    Scenario("start", "from starting the process to its first answer from the backend", Kind.START, connections=1),
    Scenario("latency", "2,000 requests a second on 16 connections", Kind.OPEN, connections=16, rate=2_000),
)
BY_NAME: Final = {scenario.name: scenario for scenario in ALL}
