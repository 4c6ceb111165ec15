"""Checks of hosts that speak something of their own (``HealthCheck.TcpHealthCheck``).

Rule 1. With nothing to receive, that the host can be connected to is enough; the connection is closed again.
Rule 2. Otherwise the pieces are looked for in all that came since the host was asked; there is no wrong answer, only none in time.
Rule 3. A kept connection that ends between two checks counts as a failure, as in Envoy.
"""

from shifter.model.health_check import TcpHealthCheck
from shifter.net.transport import Connector
from shifter.upstream.health_check.probe import HowToConnect, Probe, Verdict, pieces_in
from shifter.upstream.host import Host

_ENOUGH = 1 << 20
"""Bytes that are kept of what a host says: more come only from one that was mistaken for another."""


class TcpProbe(Probe):
    """See the module."""

    __slots__ = ("_config", "_heard")

    def __init__(
        self, config: TcpHealthCheck, host: Host, verdict: Verdict, network: Connector, reuse: bool, options: HowToConnect | None = None
    ) -> None:
        super().__init__(host, verdict, network, reuse, options)
        self._config = config
        self._heard = b""

    def send(self) -> None:
        self._heard = b""
        if self._config.send:
            self.transport.write(self._config.send)

    def connected(self) -> None:
        if not self._config.receive and self.asking:
            self.done(keep=False)
            self.verdict.succeeded()

    def received(self, data: bytes) -> None:
        if not self.asking:
            return
        self._heard += data
        if pieces_in(self._config.receive, self._heard):
            self.done(keep=True)
            self.verdict.succeeded()
        elif len(self._heard) > _ENOUGH:
            self.network_failure()

    def lost(self, reason: str) -> None:
        self.network_failure()
