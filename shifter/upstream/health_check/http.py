"""Checks by an HTTP request (``HealthCheck.HttpHealthCheck``), over HTTP/1.1 here and over HTTP/2 in `http2`.

Rule 1. A status that is not expected fails a host at once, unless it is retriable; so do a body without what it must have, and the
        wrong ``x-envoy-upstream-healthchecked-cluster``. What is no answer at all counts towards the threshold.
Rule 2. A host that says ``x-envoy-degraded`` is well, but better left for when others are not.
"""

from shifter.model.health_check import HttpHealthCheck
from shifter.model.route import HeaderMutations, HeaderValueOption
from shifter.net.transport import Connector
from shifter.observe.logentry import LogEntry
from shifter.observe.stats import ClusterStats
from shifter.routing.headers import HeaderEditor
from shifter.routing.match_header import compile_string
from shifter.upstream.health_check.events import FailureType
from shifter.upstream.health_check.probe import USER_AGENT, HowToConnect, Probe, Verdict, pieces_in
from shifter.upstream.host import Host
from shifter.wire import h1
from shifter.wire.events import CLOSE, NO_BODY, UNTIL_END, ProtocolError, RequestHead, ResponseHead, first_value
from shifter.wire.heads import parse_response

IMMEDIATE_FAIL = b"x-envoy-immediate-health-check-fail"
_DEGRADED = b"x-envoy-degraded"
_CHECKED_CLUSTER = b"x-envoy-upstream-healthchecked-cluster"
_MAX_HEAD = 60 * 1024
_MAX_FIELDS = 100


class Fields:
    """The fields of a check: what it always says, with what the configuration adds and removes. Raises `RoutingError` for fields that
    cannot be edited."""

    __slots__ = ("_edit", "_plain")

    def __init__(self, plain: bytes, add: tuple[HeaderValueOption, ...], remove: tuple[bytes, ...] = ()) -> None:
        self._plain = plain
        self._edit = HeaderEditor([HeaderMutations(request_add=add, request_remove=remove)]).request

    def block(self) -> bytes:
        """Return the block to send now."""
        return self._plain if self._edit is None else self._edit(self._plain, self)

    def describe(self) -> LogEntry:
        """There is no client, so there is little to tell in formats (`headers.Subject`)."""
        return LogEntry(0.0, b"", b"", b"")


class HttpQuestion:
    """What all hosts of a cluster are asked by one health check, and what their answers mean."""

    __slots__ = ("_authority", "_fields", "_matches", "_stats", "_verified", "config", "reuse")

    def __init__(self, config: HttpHealthCheck, cluster: str, reuse: bool, stats: ClusterStats, prefix: str) -> None:
        self.config = config
        self.reuse = reuse
        self._authority = config.host or cluster.encode()
        self._fields = Fields(b"\r\nuser-agent: " + USER_AGENT, config.headers_to_add, config.headers_to_remove)
        self._stats = stats
        self._verified = prefix + "verify_cluster"
        matcher = config.service_name_matcher
        self._matches = None if matcher is None else compile_string(matcher)

    def head(self, host: Host) -> RequestHead:
        """Return the head of a request to *host*."""
        authority = host.endpoint.health_check_hostname.encode() or self._authority
        config = self.config
        block = self._fields.block()
        length = len(config.send) or NO_BODY
        if config.send:
            block += b"\r\ncontent-length: %d" % length
        return RequestHead(config.method, config.path, authority, block, length)

    def kept(self, body: bytes, more: bytes) -> bytes:
        """Return what is to be kept of a *body* when there is *more* of it."""
        config = self.config
        if not config.receive:
            return b""
        return (body + more)[: config.response_buffer_size or None]

    def judge(self, head: ResponseHead, body: bytes, verdict: Verdict) -> None:
        """Tell *verdict* what an answer means."""
        config = self.config
        status = head.status
        if config.receive and not pieces_in(config.receive, body):
            self._failed(head, verdict, retriable=False)
        elif not _within(status, config.expected_statuses):
            self._failed(head, verdict, retriable=_within(status, config.retriable_statuses))
        elif self._matches is not None and not self._is_expected(head):
            verdict.failed(FailureType.ACTIVE, status=status)
        else:
            verdict.succeeded(degraded=first_value(head.block, _DEGRADED) is not None)

    def _failed(self, head: ResponseHead, verdict: Verdict, retriable: bool) -> None:
        if first_value(head.block, IMMEDIATE_FAIL) is not None:
            verdict.exclude()
        verdict.failed(FailureType.ACTIVE, retriable, head.status)

    def _is_expected(self, head: ResponseHead) -> bool:
        assert self._matches is not None
        self._stats.more[self._verified] += 1
        return self._matches(first_value(head.block, _CHECKED_CLUSTER) or b"")


def _within(status: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= status < end for first, end in ranges)


class HttpProbe(Probe):
    """A host that is asked over HTTP/1.1."""

    __slots__ = ("_body", "_buffer", "_decoder", "_head", "_question")

    def __init__(
        self, question: HttpQuestion, host: Host, verdict: Verdict, network: Connector, options: HowToConnect | None = None
    ) -> None:
        super().__init__(host, verdict, network, question.reuse, options)
        self._question = question
        self._buffer = self._body = b""
        self._head: ResponseHead | None = None
        self._decoder: h1.Decoder | None = None

    def send(self) -> None:
        self._buffer = self._body = b""
        self._head = self._decoder = None
        self.transport.write(h1.request_bytes(self._question.head(self.host)) + self._question.config.send)

    def received(self, data: bytes) -> None:
        if not self.asking:
            self.drop()  # nobody asked
            return
        try:
            self._read(data)
        except ProtocolError:
            self.network_failure()

    def lost(self, reason: str) -> None:
        if self.asking and isinstance(self._decoder, h1.UntilCloseDecoder) and reason == "closed":
            self._answered(keep=False)
        else:
            super().lost(reason)

    def _read(self, data: bytes) -> None:
        while self._decoder is None:
            data = self._buffer + data
            end = data.find(b"\r\n\r\n", 0, _MAX_HEAD + 4)
            if end < 0:
                if len(data) > _MAX_HEAD:
                    raise ProtocolError(502, "http1.headers_too_large")
                self._buffer = data
                return
            self._buffer = b""
            head = parse_response(data, end, _MAX_FIELDS)
            data = data[end + 4 :]
            if head.status == 101:
                raise ProtocolError(502, "http1.unexpected_interim_response")
            if head.status >= 200:
                self._head = head
                self._decoder = self._decoder_of(head)
        decoder = self._decoder
        if decoder.done:
            self._answered(keep=not data)
            return
        self._body = self._question.kept(self._body, decoder.feed(data))
        if decoder.done:
            self._answered(keep=not decoder.rest)

    def _decoder_of(self, head: ResponseHead) -> h1.Decoder:
        if self._question.config.method == b"HEAD" or head.status in (204, 304):
            return h1.LengthDecoder(0)
        if head.length == UNTIL_END:
            return h1.ChunkedDecoder(502, _MAX_FIELDS, _MAX_HEAD)
        return h1.UntilCloseDecoder() if head.until_close else h1.LengthDecoder(max(head.length, 0))

    def _answered(self, keep: bool) -> None:
        head = self._head
        assert head is not None
        self.done(keep and not head.flags & CLOSE)
        self._question.judge(head, self._body, self.verdict)
