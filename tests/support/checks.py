"""Hosts in memory that are checked: each does what the test says, and time passes when the test says so."""

from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, LbEndpoint
from shifter.model.health_check import HealthCheck, HttpHealthCheck
from shifter.observe.stats import ClusterStats
from shifter.upstream.health_check import HealthChecker, HealthCheckEvent
from shifter.upstream.health_check.events import FailureType
from shifter.upstream.health_check.probe import Probe
from shifter.upstream.host import HealthFlag, Host
from shifter.wire import h2_events as ev
from shifter.wire.h2 import Http2Options, ServerConnection
from tests.support.h2ends import converse
from tests.support.transports import FakeNetwork, FakeTransport

HTTP = HealthCheck(
    HttpHealthCheck(b"/hc"),
    timeout=0.5,
    interval=1.0,
    no_traffic_interval=1.0,
    unhealthy_threshold=3,
    healthy_threshold=2,
    reuse_connection=True,
)
REFUSE = "refuse"
HANG = "hang"


def answer(status: int = 200, *fields: bytes, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n%b\r\n%b" % (status, len(body), b"".join(b"%b\r\n" % field for field in fields), body)


OK = answer()
BAD = answer(500)


class Lot(Random):
    """Chance, as the test wants it: ``value`` is drawn each time."""

    value = 0.0

    def random(self) -> float:
        return self.value


class Verdicts:
    """What a probe told (`probe.Verdict`)."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def succeeded(self, degraded: bool = False) -> None:
        self.told.append("degraded" if degraded else "well")

    def failed(self, kind: FailureType, retriable: bool = False, status: int = 0) -> None:
        self.told.append((kind.name, *["retriable"] * retriable, *[status] * bool(status)))

    def exclude(self) -> None:
        self.told.append("exclude")


class Asked:
    """A host that is asked by a ``probe``, which its heirs make, and its end of the connection."""

    probe: Probe

    def __init__(self) -> None:
        self.network = FakeNetwork(Clock())
        self.verdicts = Verdicts()

    @property
    def told(self) -> list[object]:
        return self.verdicts.told

    @property
    def transport(self) -> FakeTransport:
        return self.network.outgoing[-1]


class AskedForBytes(Asked):
    """One that answers with bytes."""

    def ask(self, *pieces: bytes) -> list[object]:
        """Ask, and answer with *pieces*; return what has been told by now."""
        self.probe.ask()
        if self.transport.connecting:
            self.transport.establish()
        self.network.run()
        self.transport.say(*pieces)
        return self.told


class AskedOverHttp2(Asked):
    """One with a server of another make."""

    def __init__(self) -> None:
        super().__init__()
        self.servers: dict[FakeTransport, ServerConnection] = {}
        self.heard: list[ev.Event] = []

    @property
    def server(self) -> ServerConnection:
        return self.servers[self.transport]

    def turn(self) -> None:
        converse(self.network, self.servers, lambda server, event: self.heard.append(event))

    def ask(self) -> ev.RequestEvent:
        """Have the probe ask; return the request."""
        self.probe.ask()
        if self.transport.connecting:
            self.servers[self.transport] = ServerConnection(Http2Options())
            self.transport.establish()
        self.turn()
        (request,) = [event for event in self.heard if event[0] == ev.REQUEST][-1:]
        return request


class Ward:
    """A cluster's hosts and their health checks. ``does`` says what each host does, by its port: `REFUSE`, `HANG`, or the bytes that
    it answers."""

    def __init__(self, *checks: HealthCheck, hosts: int = 1, traffic: bool = True, **config: Any) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.stats = ClusterStats()
        self.stats.upstream_cx_total = int(traffic)
        self.lot = Lot()
        self.does: dict[int, str | bytes] = dict.fromkeys(range(1, hosts + 1), OK)
        self.asked: list[tuple[float, int]] = []
        self.requests: list[bytes] = []
        self.failed: list[Host] = []
        self.events: list[HealthCheckEvent] = []
        self.hosts = [self.host(port) for port in range(1, hosts + 1)]
        self.config = Cluster("c", health_checks=checks or (HTTP,), **config)

    @property
    def first(self) -> Host:
        return self.hosts[0]

    def host(self, port: int, **endpoint: Any) -> Host:
        address = SocketAddress("192.0.2.1", port)
        host = Host(address, 0.0)
        host.describe(LbEndpoint(address, **endpoint), 1, 0.0)
        return host

    def checker(self, *checks: HealthCheck, in_force: bool = True) -> HealthChecker:
        """Check the hosts; with *checks*, by another configuration."""
        config = replace(self.config, health_checks=checks) if checks else self.config
        checker = HealthChecker(
            config, self.stats, self.network, self.lot, self.failed.append, lambda path, event: self.events.append(event)
        )
        if in_force:
            checker.activate()
        checker.watch(self.hosts)
        self.settle()
        return checker

    def wait(self, seconds: float, step: float = 0.125) -> None:
        """Let time pass, and the hosts do what they do."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.settle()

    def settle(self) -> None:
        self.network.run()
        busy = True
        while busy:
            served = [self._serve(transport) for transport in list(self.network.transports)]
            busy = any(served)
            self.network.run()

    def flags(self, host: Host | None = None) -> list[str]:
        """The health flags of a host (the first, by default)."""
        return [str(flag.name).lower() for flag in HealthFlag if (host or self.first).has(flag)]

    def counted(self) -> dict[str, int]:
        """Figures that are not 0, without ``health_check.``."""
        figures = {**self.stats.more, **self.stats.more_gauges}
        return {name.removeprefix("health_check."): count for name, count in figures.items() if count}

    def times(self, port: int = 1) -> list[float]:
        """When a host was asked."""
        return [round(when, 3) for when, asked in self.asked if asked == port]

    def _serve(self, transport: FakeTransport) -> bool:
        """Do what the host at the other end does; return whether it did anything."""
        port = transport.peer.port
        does = self.does[port]
        if transport.connecting:
            if does == REFUSE:
                self.asked.append((self.clock.seconds(), port))
                transport.refuse()
            elif does != HANG:
                transport.establish()
            return does != HANG
        request = transport.take()
        if not request:
            return False
        self.asked.append((self.clock.seconds(), port))
        self.requests.append(request)
        if isinstance(does, bytes):
            transport.say(does)
        return True
