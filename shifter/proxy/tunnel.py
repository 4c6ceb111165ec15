"""What makes an exchange a tunnel: a request for another protocol, or a CONNECT, and the bytes behind it.

Rule 1. Nothing that follows the request's head goes upstream before the endpoint has agreed: bytes behind a request that is refused
        are nobody's.
Rule 2. Each direction ends by itself, and the exchange with the second. An end goes on as what the other side has for it: END_STREAM
        or FIN. A tunnel that breaks on one side is reset on the other: RST_STREAM, or a TCP reset. One that idles or lasts too long just
        ends for an HTTP/1.1 client, as in Envoy.
Rule 3. The route's timeout bounds the wait for the endpoint to agree, and nothing after it.
"""

from shifter.model.address import SocketAddress
from shifter.proxy.downstream import Downstream
from shifter.wire.events import RequestHead, ResponseHead, first_value
from shifter.wire.proxy_protocol import v1_header, v2_header
from shifter.wire.websocket import KEY, new_key, signed, unsigned

_WEBSOCKET = b"websocket"


def proxy_header(version: int | None, downstream: Downstream) -> bytes:
    """Return the PROXY header of *version* that names the two ends of the client's connection; ``None``: there is none."""
    if version is None:
        return b""
    ends = _address(downstream.peer), _address(downstream.local)
    return v1_header(*ends) if version == 1 else v2_header(*ends)


def _address(text: bytes) -> SocketAddress:
    host, _, port = text.decode("latin-1").rpartition(":")
    return SocketAddress(host.strip("[]"), int(port) if port.isdigit() else 0)


class Tunnel:
    """The state of one, kept by its exchange (`fullstream.FullStream`).

    ``agreed`` is ``None`` until the endpoint has answered. ``request_over``, ``answer_over``: the directions that have ended.
    ``broken``: the endpoint's side was cut.
    """

    __slots__ = ("_early", "_key", "_keyed", "_raw", "agreed", "answer_over", "broken", "request_over")

    def __init__(self) -> None:
        self.agreed: bool | None = None
        self.request_over = False
        self.answer_over = False
        self._early: list[bytes] = []
        self.broken = False
        self._key = b""  # the client's, which the endpoint will not sign
        self._keyed = False  # the client has none, and the endpoint wants one
        self._raw = False

    def end_here(self, header: bytes) -> None:
        """What is in the tunnel goes to an endpoint as it is, behind *header*."""
        self._raw = True
        self.keep(header, False)

    def ask(self, head: RequestHead, protocol: bytes) -> None:
        """Make *head* what an endpoint understands that speaks *protocol*."""
        if (first_value(head.block, b"upgrade") or b"").lower() == _WEBSOCKET:
            key = first_value(head.block, KEY)
            if key is None and protocol != b"HTTP/2" and head.version == 20:
                head.block += b"\r\n%b: %b" % (KEY, new_key(head.random))
                self._keyed = True
            elif key is not None and protocol == b"HTTP/2" and head.version != 20:
                self._key = key

    def keep(self, data: bytes, end: bool) -> None:
        """Remember what came too early."""
        if end:
            self.request_over = True
        if data:
            self._early.append(data)

    def answered(self, head: ResponseHead, asked: RequestHead, end: bool) -> None:
        """Look at the answer to *asked*: does the endpoint agree?"""
        if self._raw or asked.method == b"CONNECT":
            self.agreed = head.status < 300 and not end
            return
        self.agreed = head.status == 101 and not end
        if self.agreed and self._key:
            head.block = signed(head.block, self._key)
        elif self.agreed and self._keyed:
            head.block = unsigned(head.block)

    def take_early(self) -> bytes:
        """Return what came too early, once."""
        early = b"".join(self._early)
        self._early.clear()
        return early
