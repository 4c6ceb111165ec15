"""Whether a peer that says nothing is still there: PING frames in intervals (Envoy ``core.v3.KeepaliveSettings``).

Rule 1. No clock: who owns the connection says what time it is, about once a second; no interval or timeout is kept more exactly.
Rule 2. Any byte of the peer is a sign of life, not only an answer to PING.
"""

from collections.abc import Callable
from typing import Protocol

from shifter.model.http2 import ConnectionKeepalive


class Pinging(Protocol):
    """A codec, as far as it is asked here."""

    def ping(self) -> None: ...


class Keepalive:
    """See the module. *random* gives numbers of [0, 1)."""

    __slots__ = ("_heard", "_next", "_options", "_random", "_waits_since")

    def __init__(self, options: ConnectionKeepalive, now: float, random: Callable[[], float]) -> None:
        self._options = options
        self._random = random
        self._heard = 0
        self._waits_since: float | None = None
        self._next = self._after(now)

    def step(self, codec: Pinging, received: int, now: float) -> bool:
        """The peer has sent *received* bytes so far, and it is *now*. Ping it if it is time to; False when it is gone."""
        if received != self._heard:
            self._heard = received
            if self._waits_since is not None:
                self._waits_since = None
                self._next = self._after(now)
        if self._waits_since is not None:
            return now - self._waits_since < self._options.timeout
        if self._next is not None and now >= self._next:
            self.ping(codec, now)
        return True

    def used_after(self, idle: float, codec: Pinging, now: float) -> None:
        """A request begins on the connection, which was idle for *idle* seconds."""
        limit = self._options.connection_idle_interval
        if limit is not None and idle >= limit and self._waits_since is None:
            self.ping(codec, now)

    def ping(self, codec: Pinging, now: float) -> None:
        self._waits_since = now
        codec.ping()

    def _after(self, now: float) -> float | None:
        interval = self._options.interval
        if interval is None:
            return None
        return now + interval * (1 + self._random() * self._options.interval_jitter / 100)
