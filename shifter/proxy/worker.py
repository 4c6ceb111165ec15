"""What all listeners of one process share: the clock's last reading, the streams under way, request ids.

Rule 1. There is one tick. It looks at every stream and connection and ends what has taken too long, so that no request
        needs a timer of its own; a timeout fires at most one tick late (`TICK`).
Rule 2. Nothing outside this process reaches in here: what others may know goes out as a report.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger

from shifter.net.transport import Connector
from shifter.wire.request_id import uuids

if TYPE_CHECKING:
    from shifter.proxy.listener import ListenerRuntime
    from shifter.proxy.virtual_clusters import VirtualClusterBook

_log = Logger()

TICK = 0.05
"""Seconds between two looks at the deadlines."""
DRAIN_TIME = 600.0
"""Seconds; the default of Envoy's ``--drain-time-s``."""
_TICKS_PER_SWEEP = 20
_IDS = 256


class Timed(Protocol):
    """A stream that the tick looks at: until ``deadline`` it must be over, and ``idle_timeout`` seconds after ``touched`` at the
    latest something must have moved."""

    deadline: float
    idle_timeout: float
    touched: float

    def timed_out(self, now: float) -> None:
        """One of the two has passed."""


class Worker:
    """See the module. ``random`` returns 63 random bits; ``wall`` is the wall clock in seconds, for logs and dates.

    ``drain_time``: seconds that connections may have which do not end by themselves when their listener is gone.
    ``address`` is this machine's own, which ``x-forwarded-for`` shows for clients on loopback and for requests that the proxy makes.
    """

    __slots__ = (
        "_ids", "_ticks", "address", "date", "drain_time", "listeners", "monotonic", "network", "now", "random", "streams",
        "virtual_clusters", "wall", "wall_now",
    )  # fmt: skip

    def __init__(self, network: Connector, random: Callable[[], int], wall: Callable[[], float], address: bytes = b"127.0.0.1") -> None:
        self.network = network
        self.monotonic = network.monotonic
        self.random = random
        self.wall = wall
        self.address = address
        self.virtual_clusters: VirtualClusterBook = {}
        self.now = self.monotonic()
        self.wall_now = wall()
        self.date = _http_date(self.wall_now)
        self.drain_time = DRAIN_TIME
        self.streams: set[Timed] = set()
        self.listeners: list[ListenerRuntime] = []
        self._ids: list[bytes] = []
        self._ticks = 0

    def request_id(self) -> bytes:
        """Return a new random UUID (RFC 9562 version 4) in text form."""
        if not self._ids:
            self._ids = uuids(os.urandom(16 * _IDS))
        return self._ids.pop()

    def tick(self) -> None:
        """Called every `TICK` seconds."""
        self.network.tick()
        self.now = now = self.network.now
        self.wall_now = self.wall()
        self._ticks += 1
        for stream in list(self.streams):
            if stream.deadline <= now or stream.touched + stream.idle_timeout <= now:
                try:
                    stream.timed_out(now)
                except Exception:
                    self.streams.discard(stream)
                    _log.failure("a request failed inside the proxy when its time was over")
        if self._ticks % _TICKS_PER_SWEEP == 0:
            self.date = _http_date(self.wall_now)
            for listener in self.listeners:
                listener.sweep(now)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _http_date(seconds: float) -> bytes:
    """Return an IMF-fixdate (RFC 9110 section 5.6.7), whatever the locale."""
    from time import gmtime

    at = gmtime(seconds)
    text = f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
    return text.encode("ascii")
