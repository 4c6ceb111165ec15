"""The gRPC health checking protocol. The request is Envoy 1.40's."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.address import SocketAddress
from shifter.model.health_check import GrpcHealthCheck
from shifter.model.route import HeaderValueOption
from shifter.upstream.health_check.grpc import (
    GrpcMessageError,
    GrpcProbe,
    GrpcQuestion,
    ServingStatus,
    request_message,
    response_status,
    varint,
)
from shifter.upstream.host import Host
from shifter.wire import h2_events as ev
from shifter.wire.events import TE_TRAILERS
from tests.support.checks import AskedOverHttp2

BAD = ("ACTIVE",)
TYPE = b"\r\ncontent-type: application/grpc"
FINE = b"\r\ngrpc-status: 0"


def frame(message: bytes, flags: int = 0) -> bytes:
    return bytes((flags,)) + len(message).to_bytes(4, "big") + message


def status(number: int) -> bytes:
    return frame(b"\x08" + varint(number))


class Asked(AskedOverHttp2):
    """A host that is asked, and a server of another make."""

    def __init__(self, config: GrpcHealthCheck | None = None, reuse: bool = True) -> None:
        super().__init__()
        question = GrpcQuestion(config or GrpcHealthCheck(), "cluster", reuse, 0.3)
        self.probe = GrpcProbe(question, Host(SocketAddress("192.0.2.1", 80), 0.0), self.verdicts, self.network)

    def answer(self, *messages: bytes, code: int = 200, block: bytes = TYPE, trailers: bytes = FINE) -> list[object]:
        """Ask, and answer; without messages by trailers alone, which are then in the *block*."""
        stream = self.ask()[1]
        self.server.send_response(stream, code, block, not messages)
        for message in messages:
            self.server.send_data(stream, message, not trailers and message is messages[-1])
        if trailers and messages:
            self.server.send_trailers(stream, trailers)
        self.turn()
        return self.verdicts.told


def test_the_request() -> None:
    asked = Asked(GrpcHealthCheck("svc", b"a.example", (HeaderValueOption(b"x-m", b"1"),)))
    head = asked.ask()[2]
    assert (head.method, head.path, head.authority) == (b"POST", b"/grpc.health.v1.Health/Check", b"a.example")
    assert head.block == b"\r\ncontent-type: application/grpc\r\nuser-agent: Envoy/HC\r\ngrpc-timeout: 300m\r\nx-m: 1"
    assert head.flags & TE_TRAILERS
    assert [event[2:] for event in asked.heard if event[0] == ev.DATA] == [(b"\0\0\0\0\5\n\3svc", True)]
    assert Asked().ask()[2].authority == b"cluster"


@pytest.mark.parametrize("number", list(ServingStatus))
def test_what_it_answers(number: ServingStatus) -> None:
    assert Asked().answer(status(number)) == (["well"] if number is ServingStatus.SERVING else [BAD])


def test_however_it_is_cut() -> None:
    asked = Asked()
    message = status(1)
    for at in range(1, len(message)):
        asked.answer(message[:at], message[at:])
    assert set(asked.verdicts.told) == {"well"}
    assert len(asked.network.outgoing) == 1


@pytest.mark.parametrize(
    ("messages", "code", "block", "trailers"),
    [
        ([status(1)], 200, TYPE, b"\r\ngrpc-status: 14"),
        ([status(1)], 200, TYPE, b"\r\nx-a: b"),
        ([status(1)], 200, TYPE, b""),
        ([frame(b"")], 200, TYPE, FINE),
        ([status(1), status(1)], 200, TYPE, FINE),
        ([frame(b"\x08\x01", flags=1)], 200, TYPE, FINE),
        ([frame(b"\x0b")], 200, TYPE, FINE),
        ([b"\0\x7f\xff\xff\xff"], 200, TYPE, FINE),
        ([status(1)], 200, b"\r\ncontent-type: text/html", FINE),
        ([status(1)], 503, TYPE, FINE),
        ([], 200, TYPE + b"\r\ngrpc-status: 12", b""),
        ([], 200, TYPE + FINE, b""),
        ([], 200, TYPE, b""),
        ([], 404, b"", b""),
    ],
    ids=[
        "grpc-status",
        "no grpc-status",
        "no trailers",
        "empty message",
        "two messages",
        "compressed",
        "no message",
        "too long",
        "no gRPC",
        "status",
        "unimplemented",
        "only trailers",
        "nothing",
        "not found",
    ],
)
def test_what_is_not_well(messages: list[bytes], code: int, block: bytes, trailers: bytes) -> None:
    asked = Asked()
    assert asked.answer(*messages, code=code, block=block, trailers=trailers) == [BAD]
    assert asked.answer(status(1), block=TYPE + b"+proto") == [BAD, "well"]
    assert len(asked.network.outgoing) == 1  # what was wrong with the stream is nothing to the connection


def test_no_answer_in_time_ends_the_stream_only() -> None:
    asked = Asked()
    stream = asked.ask()[1]
    asked.probe.give_up()
    asked.turn()
    assert [event[:2] for event in asked.heard if event[0] == ev.RESET] == [(ev.RESET, stream)]
    assert asked.answer(status(1)) == ["well"]
    assert len(asked.network.outgoing) == 1


def test_unless_the_connection_is_not_to_be_used_again() -> None:
    asked = Asked(reuse=False)
    asked.ask()
    asked.probe.give_up()
    asked.network.run()
    assert asked.transport.lost == "aborted"
    asked.answer(status(1))
    assert asked.transport.end == "fin"


def test_no_connection_and_one_that_ends() -> None:
    asked = Asked()
    asked.probe.ask()
    asked.transport.refuse()
    asked.ask()
    asked.transport.hang_up()
    assert asked.verdicts.told == [("NETWORK",)] * 2


# messages


@given(st.integers(0, 2**64 - 1))
def test_numbers(number: int) -> None:
    assert response_status(b"\x08" + varint(number)) == number


@given(st.text(max_size=300))
def test_names(name: str) -> None:
    message = request_message(name)
    assert message[:5] == frame(message[5:])[:5]
    assert message[5:].endswith(name.encode())
    assert len(message) == 5 if not name else message[5] == 10


@given(st.lists(st.sampled_from([b"\x10\x05", b"\x1a\x02ab", b"\x21" + b"8" * 8, b"\x25" + b"4" * 4, b"\x08\x02"])))
def test_other_fields_are_passed_over(fields: list[bytes]) -> None:
    assert response_status(b"".join([*fields, b"\x08\x01"])) == 1


@given(st.binary(max_size=30))
def test_whatever_comes_is_a_status_or_a_mistake(message: bytes) -> None:
    with suppress(GrpcMessageError):
        assert response_status(message) >= 0


@pytest.mark.parametrize("message", [b"\x08", b"\x08\xff", b"\x1a\x05ab", b"\x21abc", b"\x00\x01", b"\x08" + b"\x80" * 11])
def test_mistakes(message: bytes) -> None:
    with pytest.raises(GrpcMessageError):
        response_status(message)
