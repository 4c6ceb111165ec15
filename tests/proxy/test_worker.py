"""One tick for all, and ids by the batch."""

import re
from dataclasses import replace

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from shifter.model.address import SocketAddress
from shifter.model.route import RouteConfiguration
from shifter.proxy.tree import ListenerResource
from shifter.proxy.worker import TICK, Worker
from tests.support.proxies import DATE, WALL, Proxy, get, local
from tests.support.transports import FakeNetwork

UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def test_request_ids_are_random_uuids() -> None:
    worker = Worker(FakeNetwork(Clock()), random=lambda: 0, wall=lambda: WALL)
    ids = [worker.request_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(UUID.fullmatch(one) for one in ids)


@pytest.mark.parametrize(
    ("wall", "date"),
    [
        (0.0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
        (WALL, DATE),
        (951782400.0, b"Tue, 29 Feb 2000 00:00:00 GMT"),
        (1_767_225_599.9, b"Wed, 31 Dec 2025 23:59:59 GMT"),
    ],
)
def test_dates(wall: float, date: bytes) -> None:
    assert Worker(FakeNetwork(Clock()), random=lambda: 0, wall=lambda: wall).date == date


def test_the_date_is_kept_up_to_the_second() -> None:
    proxy = Proxy()
    proxy.worker.wall = lambda: WALL + proxy.clock.seconds()
    proxy.wait(3.0)
    assert proxy.worker.date == DATE.replace(b":20 GMT", b":23 GMT")
    assert proxy.worker.wall_now == WALL + proxy.clock.seconds()


def test_a_tick_ends_only_what_has_taken_too_long() -> None:
    proxy = Proxy()
    clients = []
    for _ in range(4):
        clients.append(proxy.connect(get(b"/timeout")))
        proxy.wait(2 * TICK)
    proxy.wait(TICK)
    assert [client.take() != b"" for client in clients] == [True, True, False, False]
    proxy.wait(4 * TICK)
    assert not proxy.worker.streams
    proxy.settled(c504=4)


def test_a_timeout_that_lets_the_next_request_begin_does_not_disturb_the_tick() -> None:
    proxy = Proxy()
    clients = [proxy.connect(get(b"/timeout") * 3) for _ in range(5)]
    proxy.wait(1.5)
    assert all(client.take().count(b"HTTP/1.1 504 ") == 3 for client in clients)
    proxy.settled(c504=15)


def test_a_fault_in_one_request_keeps_no_other_from_its_end(logged_failures: list[Failure]) -> None:
    class Faulty:
        deadline = idle_timeout = touched = 0.0

        def timed_out(self, now: float) -> None:
            raise RuntimeError

    proxy = Proxy()
    client = proxy.connect(get(b"/timeout"))
    proxy.worker.streams.add(Faulty())
    proxy.wait(0.5)
    assert client.take() == local(b"504 Gateway Timeout", b"upstream request timeout")
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_requests_under_way_keep_the_routes_they_began_with() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one"))
    idle = proxy.connect(get(b"/direct"))
    idle.take()
    manager = replace(proxy.runtime.settings, route_config=RouteConfiguration(), server_name="other")
    tree = ListenerResource(manager, proxy.clusters.__getitem__)
    proxy.runtime.configure(proxy.runtime.listener, manager, tree, proxy.runtime.access_logs)
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 OK\r\n")
    idle.say(get(b"/direct"))
    assert idle.take() == local(b"404 Not Found").replace(b"server: shifter", b"server: other")
    proxy.settled(c200=1, c403=1, c404=1)
    assert proxy.runtime.listener.address == SocketAddress("192.0.2.1", 80)
