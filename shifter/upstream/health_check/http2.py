"""Checks over HTTP/2: one stream a check, on a connection that is kept.

Rule 1. The peer may say that it goes away while it is asked: the answer still counts, and the next check takes another connection.
Rule 2. What breaks a stream is no answer; what breaks the connection is none either.
"""

from shifter.net.transport import Connector
from shifter.upstream.health_check.http import HttpQuestion
from shifter.upstream.health_check.probe import HowToConnect, Probe, Verdict
from shifter.upstream.host import Host
from shifter.wire.events import RequestHead, ResponseHead
from shifter.wire.h2 import ClientConnection, Http2Options
from shifter.wire.h2_events import CANCEL, CLOSED, DATA, GOAWAY, NO_ERROR, RESET, RESPONSE, TRAILERS, Event

_OPTIONS = Http2Options(stream_window=64 * 1024, connection_window=1 << 20)


class StreamProbe(Probe):
    """A host that is asked over HTTP/2, whatever the request is."""

    __slots__ = ("_codec", "_stream")

    def __init__(self, host: Host, verdict: Verdict, network: Connector, reuse: bool, options: HowToConnect | None = None) -> None:
        super().__init__(host, verdict, network, reuse, options)
        self._codec: ClientConnection
        self._stream = 0

    # for the kinds of checks

    def request(self) -> tuple[RequestHead, bytes]:
        """Return the request to send, and its body."""
        raise NotImplementedError

    def on_head(self, head: ResponseHead, end: bool) -> None:
        """The head of the answer; *end* when there is nothing else."""
        raise NotImplementedError

    def on_data(self, data: bytes, end: bool) -> None:
        """Some of its body."""
        raise NotImplementedError

    def on_trailers(self, block: bytes) -> None:
        """Its trailers, and its end."""
        raise NotImplementedError

    def answered(self, end: bool) -> None:
        """The answer is judged, after its *end* or before. The verdict follows."""
        if not end:
            self._codec.reset(self._stream, CANCEL)
            self._flush()
        self.done(keep=not self._codec.going_away)

    def cancel(self) -> None:
        """End the stream, not the connection."""
        self.asking = False
        if self._codec.going_away or not self.reuse:
            self.drop()
        else:
            self._codec.reset(self._stream, CANCEL)
            self._flush()

    # Probe

    def opening(self) -> None:
        self._codec = ClientConnection(_OPTIONS)

    def ask(self) -> None:
        if self.connection_open and not self._codec.can_request:
            self.drop()
        super().ask()

    def send(self) -> None:
        head, body = self.request()
        self._stream = self._codec.send_request(head, end=not body)
        if body:
            self._codec.send_data(self._stream, body, True)
        self._flush()

    def received(self, data: bytes) -> None:
        for event in self._codec.receive(data):
            if not self.connection_open:
                return
            self._happened(event)
        if self.connection_open:
            self._flush()

    def _flush(self) -> None:
        data = self._codec.data_to_send()
        if data:
            self.transport.write(data)
        for event in self._codec.events():
            self._happened(event)

    def _happened(self, event: Event) -> None:
        if event[0] == GOAWAY:
            if not self.asking:
                self.drop()
            elif event[2] != NO_ERROR:
                self.network_failure()
        elif event[0] == CLOSED:
            if self.asking:
                self.network_failure()
            else:
                self.drop()
        elif self.asking and len(event) > 1 and event[1] == self._stream:
            if event[0] == RESPONSE:
                self.on_head(event[2], event[3])
            elif event[0] == DATA:
                self._codec.consumed(self._stream, len(event[2]))
                self.on_data(event[2], event[3])
            elif event[0] == TRAILERS:
                self.on_trailers(event[2])
            elif event[0] == RESET:
                self.network_failure()


class Http2Probe(StreamProbe):
    """`http.HttpProbe` over HTTP/2."""

    __slots__ = ("_body", "_head", "_question")

    def __init__(
        self, question: HttpQuestion, host: Host, verdict: Verdict, network: Connector, options: HowToConnect | None = None
    ) -> None:
        super().__init__(host, verdict, network, question.reuse, options)
        self._question = question
        self._head: ResponseHead
        self._body = b""

    def request(self) -> tuple[RequestHead, bytes]:
        self._body = b""
        return self._question.head(self.host), self._question.config.send

    def on_head(self, head: ResponseHead, end: bool) -> None:
        self._head = head
        if end:
            self._judge()

    def on_data(self, data: bytes, end: bool) -> None:
        self._body = self._question.kept(self._body, data)
        if end:
            self._judge()

    def on_trailers(self, block: bytes) -> None:
        self._judge()

    def _judge(self) -> None:
        self.answered(end=True)
        self._question.judge(self._head, self._body, self.verdict)
