"""Faults on purpose; figures and words are those of real Envoy 1.40."""

from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from shifter.filters.api import Reply
from shifter.filters.fault import FaultFactory
from shifter.model.http_filter import Fault
from shifter.model.route import FractionalPercent, HeaderMatcher
from shifter.wire.events import RequestHead, ResponseHead
from tests.support.filters import Bench, FakeStream, request

ALL = FractionalPercent(100)
ABORT = Fault(http_status=503, abort_share=ALL)
DELAY = Fault(delay=0.25, delay_share=ALL)
ABORTED = Reply(503, b"fault filter abort", b"", b"FI", "fault_filter_abort")


def made(config: Fault, head: RequestHead, bench: Bench, factory: FaultFactory | None = None) -> Any:
    return (factory or FaultFactory(config, bench.context)).filter_for(FakeStream(head), None)


def asked(config: Fault, head: RequestHead | None = None, bench: Bench | None = None) -> Any:
    head = head or request()
    one = made(config, head, bench or Bench())
    return None if one is None else one.on_request_head(head, True)


def test_a_share_of_the_requests_is_answered_wrongly() -> None:
    bench = Bench()
    config = replace(ABORT, abort_share=FractionalPercent(25))
    answers = []
    for bench.dice in (0, 24, 25, 99, 124):
        answers.append(asked(config, bench=bench))
    assert answers == [ABORTED, ABORTED, None, None, ABORTED]
    assert bench.counters == {"fault.aborts_injected": 3}


def test_grpc_statuses_go_out_with_200() -> None:
    reply = asked(Fault(grpc_status=5, abort_share=ALL))
    assert (reply.status, reply.grpc_status) == (200, 5)


def test_a_delay_comes_first_and_the_client_may_go() -> None:
    bench = Bench()
    head = request()
    stream = FakeStream(head)
    one = FaultFactory(replace(DELAY, http_status=400, abort_share=ALL), bench.context).filter_for(stream, None)
    assert one is not None
    waiting = one.on_request_head(head, True)
    assert isinstance(waiting, Deferred)
    got: list[Any] = []
    waiting.addCallback(got.append)
    bench.clock.advance(0.24)
    assert not got
    bench.clock.advance(0.01)
    assert got[0].status == 400
    assert stream.flags == [b"DI"]
    again = made(DELAY, head, bench)
    waiting = again.on_request_head(head, True)
    waiting.addErrback(lambda _: None)
    waiting.cancel()
    again.on_done()
    assert not bench.clock.getDelayedCalls()


def test_only_those_that_are_meant() -> None:
    config = replace(ABORT, headers=(HeaderMatcher(b"x-fault", present=True),))
    assert asked(config) is None
    assert asked(config, request(b"/", b"x-fault: 1")) == ABORTED
    assert asked(replace(ABORT, upstream_cluster="other")) is None


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((b"x-envoy-fault-abort-request: 418",), 418),
        ((b"x-envoy-fault-abort-request: abc",), None),
        ((b"x-envoy-fault-abort-request: 99",), None),
        ((b"x-envoy-fault-abort-request: 503", b"x-envoy-fault-abort-request-percentage: 0"), None),
        ((b"x-envoy-fault-abort-grpc-request: 5",), 200),
        ((), None),
    ],
)
def test_what_a_request_may_ask_for(fields: tuple[bytes, ...], status: int | None) -> None:
    answer = asked(Fault(abort_by_header=True, abort_share=ALL), request(b"/", *fields))
    assert (answer.status if answer else None) == status
    assert asked(Fault(abort_by_header=True), request(b"/", *fields, b"x-envoy-fault-abort-request-percentage: 100")) is None


def test_a_request_may_ask_to_be_delayed() -> None:
    bench = Bench()
    waiting = asked(Fault(delay_by_header=True, delay_share=ALL), request(b"/", b"x-envoy-fault-delay-request: 150"), bench)
    assert isinstance(waiting, Deferred)
    assert [call.getTime() for call in bench.clock.getDelayedCalls()] == [0.15]
    assert asked(Fault(delay_by_header=True, delay_share=ALL)) is None


def test_a_slow_answer_is_paced() -> None:
    bench = Bench()
    head = request()
    one = made(Fault(limit_kbps=1, limit_share=ALL), head, bench)
    assert one.response_piece == 0
    assert one.on_request_head(head, True) is None
    assert one.response_piece == 51
    one.on_response_head(ResponseHead(200), False)
    got: list[bytes] = []
    one.on_response_data(b"a" * 512, False).addCallback(got.append)
    bench.clock.advance(0.5)
    assert got == [b"a" * 512]
    one.on_response_data(b"b" * 1024, True).addCallback(got.append)
    bench.clock.advance(0.9)
    assert len(got) == 1
    bench.clock.advance(0.1)
    assert got[1] == b"b" * 1024
    assert one.on_response_data(b"", True) == b""
    one.on_done()


def test_no_more_are_active_than_may_be() -> None:
    bench = Bench()
    factory = FaultFactory(replace(ABORT, max_active_faults=1), bench.context)
    first, second = made(ABORT, request(), bench, factory), made(ABORT, request(), bench, factory)
    assert first.on_request_head(request(), True) == ABORTED
    assert second.on_request_head(request(), True) is None
    assert bench.counters["fault.faults_overflow"] == 1
    first.on_done()
    second.on_done()
    assert factory.active == 0
    assert made(ABORT, request(), bench, factory).on_request_head(request(), True) == ABORTED


def test_runtime_has_the_last_word() -> None:
    bench = Bench(**{"fault.http.abort.abort_percent": 0})
    assert asked(ABORT, bench=bench) is None
    bench = Bench(**{"fault.http.abort.http_status": 429})
    assert asked(ABORT, bench=bench).status == 429
