"""One connection to a place that has several addresses: they are raced, and the first to be connected is it (RFC 8305, as Envoy does).

Rule 1. An address is tried when the one before it has failed, or has not answered for 300 ms. Attempts under way go on meanwhile.
Rule 2. The race is the handler's transport until it is won; then the winner is, before the handler hears of it.
Rule 3. It is lost when every attempt has failed; the last reason is told.
"""

from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Optional, Protocol

from shifter.model.address import Address, SocketAddress
from shifter.model.cluster import UpstreamConnectionOptions
from shifter.net.transport import ConnectOptions, Connector, Delayed, Handler, Transport

if TYPE_CHECKING:
    from shifter.net.tls_session import TlsSession

ATTEMPT_DELAY = 0.3
"""Seconds that an attempt has before the next begins beside it (RFC 8305 section 5 allows 0.1 to 2)."""


class Racing(Handler, Protocol):
    """A handler that finds its transport where the race has put it."""

    transport: Transport


def in_order(addresses: Sequence[Address], options: UpstreamConnectionOptions) -> list[Address]:
    """Return *addresses* in the order they are tried: so many of one family, one of the other, and so on
    (``UpstreamConnectionOptions.HappyEyeballsConfig``)."""
    v4_first = options.happy_eyeballs_first_family_v4
    if v4_first is None:
        v4_first = not _is_v6(addresses[0])
    first = [address for address in addresses if _is_v6(address) is not v4_first]
    other = [address for address in addresses if _is_v6(address) is v4_first]
    count = options.happy_eyeballs_first_family_count
    groups = [first[at : at + count] for at in range(0, len(first), count)]
    none: list[Address] = []
    return list(chain.from_iterable([*group, *one] for group, one in zip_longest(groups, [[one] for one in other], fillvalue=none)))


def _is_v6(address: Address) -> bool:
    return isinstance(address, SocketAddress) and ":" in address.host


class Race:
    """See the module; a `Transport` as far as somebody who waits for a connection needs one."""

    tls: Optional["TlsSession"] = None
    server_name = ""

    def __init__(self, network: Connector, addresses: Sequence[Address], handler: Racing, options: ConnectOptions) -> None:
        self.handler: Handler = handler
        self.bytes_received = 0
        self.bytes_sent = 0
        self.peer_ended: Callable[[], None] | None = None
        self._racing = handler
        self._network = network
        self._options = options
        self._left = in_order(addresses, options.socket)
        self._attempts: list[_Attempt] = []
        self._timer: Delayed | None = None
        self._written: list[bytes] = []
        self._paused = False
        self._over = False
        self._next()
        self.peer = self.direct_peer = self._attempts[0].transport.peer

    @property
    def local(self) -> SocketAddress:
        """Our end of it."""
        return self._attempts[0].transport.local

    # Transport

    def half_close(self) -> None:
        """Nobody ends what has not begun."""

    def unread(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self._written.append(data)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def close(self, linger: float = 0.0) -> None:
        self.abort()

    def abort(self) -> None:
        if not self._over:
            self._over = True
            self._stop_waiting()
            for attempt in self._attempts:
                attempt.transport.abort()

    # the attempts

    def _next(self) -> None:
        self._timer = None
        attempt = _Attempt(self)
        attempt.transport = self._network.connect(self._left.pop(0), attempt, self._options)
        self._attempts.append(attempt)
        if self._left:
            self._timer = self._network.call_later(ATTEMPT_DELAY, self._next)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def won(self, attempt: "_Attempt") -> None:
        """The first connection is made."""
        if self._over:
            return  # it was being aborted
        self._over = True
        self._stop_waiting()
        self._attempts.remove(attempt)
        for other in self._attempts:
            other.orphaned = True
            other.transport.abort()
        transport = attempt.transport
        transport.handler = self.handler
        transport.peer_ended = self.peer_ended
        self._racing.transport = transport
        if self._paused:
            transport.pause()
        for data in self._written:
            transport.write(data)
        self.handler.connection_made()

    def lost(self, attempt: "_Attempt", reason: str) -> None:
        """One of them failed."""
        if attempt.orphaned:
            return
        last = len(self._attempts) == 1
        if self._left and not self._over:
            self._stop_waiting()
            self._next()
        elif last:
            self._over = True
            self.handler.connection_lost(reason)
            return
        self._attempts.remove(attempt)

    def __repr__(self) -> str:
        return f"<Race {'over' if self._over else 'on'} attempts={len(self._attempts)} left={len(self._left)}>"


class _Attempt:
    """Hears of one connection until the race is over."""

    def __init__(self, race: Race) -> None:
        self.race = race
        self.transport: Transport
        self.orphaned = False

    def connection_made(self) -> None:
        self.race.won(self)

    def connection_lost(self, reason: str) -> None:
        self.race.lost(self, reason)

    def data_received(self, data: bytes) -> None: ...

    def write_blocked(self) -> None: ...

    def write_drained(self) -> None: ...
