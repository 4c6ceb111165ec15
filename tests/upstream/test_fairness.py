"""Whatever happens to hosts, connections and limits: the books balance, and everybody who waits is told something."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, RoutingPriority, Thresholds, UpstreamProtocol
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import StaticDiscovery
from shifter.upstream.host import HealthFlag
from shifter.upstream.interfaces import PickContext
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_auto import AutoPool
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_key import DEFAULT, HIGH, PoolKey
from shifter.upstream.registry import Registry
from tests.support.effort import examples
from tests.support.transports import FakeNetwork, FakeTransport
from tests.support.upstreams import GET, Leased, RecordingListener

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
HOSTS = tuple(LbEndpoint(SocketAddress(f"192.0.2.{number}", 80)) for number in range(1, 4))
PRIORITIES = tuple(RoutingPriority)
KEYS = (DEFAULT, HIGH, PoolKey(server_name="a.test"), PoolKey(RoutingPriority.HIGH, server_name="a.test"), PoolKey(server_name="b.test"))
LIMITS = st.builds(Thresholds, st.integers(0, 4), st.integers(0, 6), st.integers(0, 5))


def breakers() -> st.SearchStrategy[CircuitBreakers]:
    return st.builds(CircuitBreakers, LIMITS, LIMITS, st.none() | st.integers(0, 3))


class Town:
    """A cluster of three hosts, and all who want something of it."""

    def __init__(self, limits: CircuitBreakers, kind: type[Http1Pool]) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.registry = Registry(self.network, {UpstreamProtocol.HTTP1: kind})
        self.config = Cluster("c", endpoints=HOSTS, circuit_breakers=limits, max_connection_duration=20.0, idle_timeout=10.0)
        self.cluster = LiveCluster(self.config, self.registry, StaticDiscovery(self.config))
        self.cluster.start()
        self.cluster.activate()
        self.state = self.cluster.state
        self.asked: list[tuple[Leased, RecordingListener]] = []
        self.given_up = 0

    def ask(self, number: int) -> None:
        leasing = self.cluster.of(KEYS[number % len(KEYS)])
        context = PickContext() if number % 4 == 0 else None
        pool = leasing.pick() if context is None else leasing.pick_for(context)
        stream = None if pool is None else pool.take()
        listener = RecordingListener()
        if stream is not None:
            stream.send(GET, b"", True, listener)
            return
        deferred = leasing.lease(pool, number % 7 == 0, context)
        deferred.addCallback(lambda stream: stream.send(GET, b"", True, listener) or stream)
        self.asked.append((Leased(deferred), listener))

    def cancel(self, number: int) -> None:
        waiting = [leased for leased, _ in self.asked if leased.stream is None and leased.failure is None]
        if waiting:
            waiting[number % len(waiting)].deferred.cancel()

    def establish(self, number: int) -> None:
        if transport := self._one(number, connecting=True):
            transport.establish()

    def refuse(self, number: int) -> None:
        if transport := self._one(number, connecting=True):
            transport.refuse()

    def answer(self, number: int) -> None:
        self.network.run()
        asked = [one for one in self.network.outgoing if one.open and not one.connecting and one.written]
        if asked:
            transport = asked[number % len(asked)]
            transport.take()
            transport.say(EMPTY)

    def hang_up(self, number: int) -> None:
        if transport := self._one(number, connecting=False):
            transport.hang_up("reset" if number % 2 else "closed")

    def ail(self, number: int) -> None:
        host = self.pools[number % len(self.pools)].host if self.pools else None
        if host is not None and not host.has(HealthFlag.FAILED_ACTIVE_HC):
            host.set(HealthFlag.FAILED_ACTIVE_HC, self.clock.seconds())
        elif host is not None:
            host.clear(HealthFlag.FAILED_ACTIVE_HC, self.clock.seconds())

    def move(self, number: int) -> None:
        self.cluster.update([host for at, host in enumerate(HOSTS) if (number >> at) & 1])

    def renew(self, number: int) -> None:
        """Other certificates are to be shown from now on, or so."""
        for pool in self.pools:
            for one in pool.every:
                one.renew(connecting=number % 2 == 0)

    def wait(self, number: int) -> None:
        self.clock.advance(number % 7)
        self.network.tick()
        self.registry.tick(self.clock.seconds())
        self.network.run()

    def _one(self, number: int, connecting: bool) -> FakeTransport | None:
        found = [one for one in self.network.outgoing if one.open and one.connecting is connecting]
        return found[number % len(found)] if found else None

    @property
    def pools(self) -> list[EndpointPool]:
        return list(self.cluster.pools)

    def check(self) -> None:
        """What is counted is what is there."""
        every = list(self.registry.pools())
        for priority in PRIORITIES:
            resources = self.state.of(priority)
            mine = [pool for pool in every if pool.resources is resources]
            assert resources.connections == sum(len(pool.connections) for pool in mine)
            assert resources.requests == sum(pool.carried for pool in mine)
            assert resources.pending_requests == sum(len(pool.waiting) + len(pool.choosy) for pool in mine)
        for pool in self.pools:
            assert pool.host.active == sum(one.carried for one in pool.every)
            assert pool.host.stats.cx_active == sum(len(one.connections) for one in pool.every)
        waiting = sum(leased.stream is None and leased.failure is None for leased, _ in self.asked)
        assert waiting == self.state.default.pending_requests + self.state.high.pending_requests
        for pool in every:
            assert pool.connections or not pool.waiting, "they would wait for nothing"

    def settle(self) -> None:
        """Have every connection made and every request answered."""
        for _ in range(1000):
            if not (self._one(0, connecting=True) or self.state.default.requests or self.state.high.requests):
                break
            self.establish(0)
            self.answer(0)
        self.check()
        assert all(leased.stream is not None or leased.failure is not None for leased, _ in self.asked)
        assert self.state.stats.upstream_rq_active == self.state.stats.upstream_rq_pending_active == 0
        self.clock.advance(30.0)  # everybody has idled for too long
        self.wait(0)
        assert all(pool.empty and pool.branches is None for pool in self.pools)


STEPS = ("ask", "ask", "ask", "establish", "refuse", "answer", "answer", "hang_up", "cancel", "ail", "move", "renew", "wait")


@settings(max_examples=examples(100), deadline=None)
@given(
    st.sampled_from([Http1Pool, AutoPool]),
    breakers(),
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 30)) | breakers(), max_size=60),
)
def test_the_books_balance_and_nobody_waits_for_ever(
    kind: type[Http1Pool], first: CircuitBreakers, steps: list[tuple[str, int] | CircuitBreakers]
) -> None:
    town = Town(first, kind)
    for step in steps:
        if isinstance(step, CircuitBreakers):
            town.state.activate(Cluster("c", circuit_breakers=step, max_connection_duration=20.0))
        else:
            getattr(town, step[0])(step[1])
        town.network.run()
        town.check()
    town.settle()
