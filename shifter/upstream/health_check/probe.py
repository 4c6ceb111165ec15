"""How one host is asked, whatever is spoken to it: a connection of its own, kept from one check to the next.

Rule 1. A probe is asked (`Probe.ask`) and tells its session exactly once what came of it, unless it is told before that the time is
        over (`Probe.give_up`). It has no timers.
Rule 2. Connections of checks are not those of requests: they count for no circuit breaker and in no figure of the cluster.
Rule 3. What a connection does after it was dropped reaches nobody.
"""

from collections.abc import Callable
from typing import Protocol

from shifter.model.address import Address, SocketAddress
from shifter.net.transport import ConnectOptions, Connector, Transport
from shifter.upstream.health_check.events import FailureType
from shifter.upstream.host import Host

HowToConnect = Callable[[Host], ConnectOptions]

USER_AGENT = b"Envoy/HC"
"""What checks call themselves: backends know checks by it (in logs, and where they let only them in)."""


class Verdict(Protocol):
    """Whom a probe tells (`session.Session`)."""

    def succeeded(self, degraded: bool = False) -> None:
        """The host is well, or *degraded*, as it says itself."""

    def failed(self, kind: FailureType, retriable: bool = False, status: int = 0) -> None:
        """It is not. *retriable*: once is not enough. *status* is that of an HTTP answer."""

    def exclude(self) -> None:
        """It asks to be left out at once (``x-envoy-immediate-health-check-fail``); the failure follows."""


class Probe:
    """See the module. The connection is made as *options* say for the host at that moment. It is kept between checks where *reuse* says
    so, as long as checks of *host* go to the same address."""

    __slots__ = ("_address", "_line", "_network", "_options", "asking", "host", "reuse", "transport", "verdict")

    def __init__(self, host: Host, verdict: Verdict, network: Connector, reuse: bool, options: HowToConnect | None = None) -> None:
        self.host = host
        self.verdict = verdict
        self.reuse = reuse
        self.asking = False
        self.transport: Transport
        self._network = network
        self._options = options
        self._address: Address = host.address
        self._line: _Line | None = None

    @property
    def connection_open(self) -> bool:
        """Whether there is a connection, established or not."""
        return self._line is not None

    # for the session

    def ask(self) -> None:
        """Begin a check."""
        self.asking = True
        address = address_of(self.host)
        if self._line is not None and address != self._address:
            self.drop()
        if self._line is None:
            self._line = line = _Line(self)
            self._address = address
            self.opening()
            options = None if self._options is None else self._options(self.host)
            self.transport = self._network.connect(address, line, options)
        self.send()

    def give_up(self) -> None:
        """The time for the answer is over."""
        self.asking = False
        self.drop()

    def drop(self) -> None:
        """Do without the connection from now on."""
        line = self._line
        if line is not None:
            self._line = line.probe = None
            self.transport.abort()

    # for the protocols

    def opening(self) -> None:
        """A connection is about to be made."""

    def send(self) -> None:
        """Ask; the connection may not be established yet, and what is written waits for it."""
        raise NotImplementedError

    def connected(self) -> None:
        """The connection is established."""

    def received(self, data: bytes) -> None:
        """Bytes arrived on it."""
        raise NotImplementedError

    def lost(self, reason: str) -> None:
        """It is gone."""
        if self.asking:
            self.network_failure()

    def network_failure(self) -> None:
        """There is no answer that could be understood."""
        self.asking = False
        self.drop()
        self.verdict.failed(FailureType.NETWORK)

    def done(self, keep: bool) -> None:
        """The answer is there; *keep* the connection for the next check if that is wished for. The verdict follows."""
        self.asking = False
        line = self._line
        if line is not None and not (keep and self.reuse):
            self._line = line.probe = None
            self.transport.close()

    # for the connection

    def ended(self, reason: str) -> None:
        """The connection that was in use is gone."""
        self._line = None
        self.lost(reason)

    def __repr__(self) -> str:
        state = "asking" if self.asking else "resting"
        return f"<{type(self).__name__} {self._address} {state} {'connected' if self._line else 'not connected'}>"


class _Line:
    """One connection (`transport.Handler`); ``probe`` is ``None`` once nobody listens."""

    __slots__ = ("probe",)

    def __init__(self, probe: Probe) -> None:
        self.probe: Probe | None = probe

    def connection_made(self) -> None:
        if self.probe is not None:
            self.probe.connected()

    def data_received(self, data: bytes) -> None:
        if self.probe is not None:
            self.probe.received(data)

    def connection_lost(self, reason: str) -> None:
        probe = self.probe
        if probe is not None:
            self.probe = None
            probe.ended(reason)

    def write_blocked(self) -> None:
        pass  # a check is a few bytes

    def write_drained(self) -> None:
        pass


def address_of(host: Host) -> Address:
    """Return where the checks of *host* go: where its requests go, unless its ``health_check_config`` has an address or a port."""
    endpoint = host.endpoint
    address = endpoint.health_check_address or host.addresses[0]
    if endpoint.health_check_port and isinstance(address, SocketAddress):
        return SocketAddress(address.host, endpoint.health_check_port)
    return address


def pieces_in(expected: tuple[bytes, ...], data: bytes) -> bool:
    """Say whether *data* has all the *expected* pieces, one after the other, with anything between them."""
    at = 0
    for piece in expected:
        at = data.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True
