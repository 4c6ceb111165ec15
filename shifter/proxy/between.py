"""What stands between an exchange and one try's connection, and passes on what it does not want for itself."""

from typing import TYPE_CHECKING

from shifter.upstream.interfaces import UpstreamStream
from shifter.upstream.pool import EndpointPool

if TYPE_CHECKING:
    from shifter.proxy.stream import ProxyStream


class Between:
    """The half that its exchange sees: an `UpstreamStream` that is *upstream*, but for `send`, which says who listens."""

    __slots__ = ("_upstream", "may_switch", "pool", "protocol", "reused", "transport")

    def __init__(self, exchange: "ProxyStream", upstream: UpstreamStream) -> None:
        self._upstream = upstream
        self.pool: EndpointPool = upstream.pool
        self.protocol = upstream.protocol
        self.transport = upstream.transport
        self.reused = upstream.reused
        self.may_switch = exchange.may_switch

    def send_data(self, data: bytes, end: bool) -> None:
        self._upstream.send_data(data, end)

    def send_trailers(self, block: bytes) -> None:
        self._upstream.send_trailers(block)

    def cancel(self) -> None:
        self._upstream.cancel()

    def pause(self) -> None:
        self._upstream.pause()

    def resume(self) -> None:
        self._upstream.resume()
