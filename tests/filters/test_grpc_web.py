"""gRPC-Web on one side, gRPC on the other."""

import base64

import pytest

from shifter.filters.api import HttpFilter, Reply, WholeBody
from shifter.filters.grpc_web import GrpcWebFactory
from shifter.model.http_filter import GrpcWeb
from shifter.wire.events import FOR_GRPC_WEB, NO_BODY, UNTIL_END, RequestHead, ResponseHead, first_value, values
from tests.support.filters import Bench, FakeStream, request

TEXT = b"application/grpc-web-text"
BINARY = b"application/grpc-web"
MESSAGE = b"\0\0\0\0\5hello"
GRPC = b"\r\ncontent-type: application/grpc"


def asking(kind: bytes, *fields: bytes, length: int = UNTIL_END, end: bool = False) -> tuple[HttpFilter, RequestHead]:
    head = request(b"/p.S/M", b"content-type: " + kind, *fields, method=b"POST", length=length)
    one = GrpcWebFactory(GrpcWeb(), Bench().context).filter_for(FakeStream(head), None)
    assert one is not None
    assert one.on_request_head(head, end) is None
    return one, head


@pytest.mark.parametrize(
    "kind", [b"", b"application/grpc", b"application/grpc-web+json", b"application/grpc-web; a=b", b"Application/grpc-web", b"text/html"]
)
def test_whatever_else_comes_passes(kind: bytes) -> None:
    head = request(b"/", b"content-type: " + kind)
    assert GrpcWebFactory(GrpcWeb(), Bench().context).filter_for(FakeStream(head), None) is None


@pytest.mark.parametrize("kind", [BINARY, BINARY + b"+proto", TEXT, TEXT + b"+proto"])
def test_its_endpoint_sees_grpc(kind: bytes) -> None:
    _, head = asking(kind, b"content-length: 10", b"te: gzip", length=10)
    assert head.block == b"\r\ncontent-type: application/grpc\r\nte: trailers\r\ngrpc-accept-encoding: identity"
    assert head.length == UNTIL_END
    assert head.flags & FOR_GRPC_WEB


def test_what_a_client_says_of_encodings_stays() -> None:
    _, head = asking(BINARY, b"grpc-accept-encoding: gzip")
    assert values(head.block, b"grpc-accept-encoding") == [b"gzip"]


def test_a_request_without_a_body() -> None:
    _, head = asking(BINARY, b"content-length: 0", length=0, end=True)
    assert head.length == NO_BODY
    assert first_value(head.block, b"content-length") is None


def test_a_body_in_text() -> None:
    one, _ = asking(TEXT)
    text = base64.b64encode(MESSAGE)
    assert one.on_request_data(text[:7], False) == MESSAGE[:3]
    assert one.on_request_data(text[7:], True) == MESSAGE[3:]
    refused = asking(TEXT)[0].on_request_data(b"!!!!", True)
    assert isinstance(refused, Reply)
    assert (refused.status, refused.body) == (400, b"Bad gRPC-web request, invalid base64 data.")


def test_a_binary_body() -> None:
    assert asking(BINARY)[0].on_request_data(MESSAGE, True) == MESSAGE


def answered(
    one: HttpFilter, status: int, block: bytes, end: bool = False, length: int = UNTIL_END
) -> tuple[ResponseHead, WholeBody | None]:
    head = ResponseHead(status, block, length)
    return head, one.on_response_head(head, end)


def test_trailers_end_the_body() -> None:
    one, _ = asking(BINARY)
    head, whole = answered(one, 200, GRPC + b"\r\ncontent-length: 10", length=10)
    assert whole is None
    assert (head.block, head.length) == (b"\r\ncontent-type: application/grpc-web+proto", UNTIL_END)
    assert one.on_response_data(MESSAGE, False) == MESSAGE
    assert one.replaces_trailers
    assert one.on_response_trailers(b"\r\ngrpc-status: 0") == b"\x80\0\0\0\x0fgrpc-status:0\r\n"


def test_an_answer_in_text() -> None:
    one, _ = asking(BINARY, b"accept: " + TEXT)
    head, _ = answered(one, 200, b"\r\ncontent-type: application/grpc+proto")
    assert head.block == b"\r\ncontent-type: application/grpc-web-text+proto"
    assert one.on_response_data(MESSAGE, False) == base64.b64encode(MESSAGE)
    assert one.on_response_trailers(b"\r\ngrpc-status: 0") == base64.b64encode(b"\x80\0\0\0\x0fgrpc-status:0\r\n")


def test_half_a_message_goes_before_the_trailers() -> None:
    one, _ = asking(TEXT, b"accept: " + TEXT)
    answered(one, 200, GRPC)
    told = one.on_response_data(MESSAGE[:7], False)
    assert told == base64.b64encode(MESSAGE[:6])
    assert one.on_response_trailers(b"").startswith(base64.b64encode(MESSAGE[6:7]))


def test_an_answer_that_is_all_head() -> None:
    head, whole = answered(asking(BINARY)[0], 200, GRPC + b"\r\ngrpc-status: 5", True, 0)
    assert whole is None
    assert head.length == NO_BODY
    assert head.block == b"\r\ngrpc-status: 5\r\ncontent-type: application/grpc-web+proto"


@pytest.mark.parametrize(
    ("status", "block", "code"),
    [
        (503, b"\r\ncontent-type: text/html", b"14"),
        (404, b"", b"12"),
        (200, b"\r\ncontent-type: text/html\r\ngrpc-status: 0", b"2"),
        (500, GRPC, b"2"),
    ],
)
def test_what_is_no_grpc_is_made_such(status: int, block: bytes, code: bytes) -> None:
    one, _ = asking(TEXT, b"accept: " + TEXT)
    head, whole = answered(one, status, block)
    assert whole == WholeBody(16384)
    assert one.on_response_data(b"sorry %", True) == b""
    assert values(head.block, b"grpc-status") == [code]
    assert first_value(head.block, b"grpc-message") == b"sorry %25"
    assert (head.length, first_value(head.block, b"content-length")) == (0, b"0")
    assert one.on_response_trailers(b"\r\na: b") == b""


def test_an_answer_in_grpc_web_stays() -> None:
    one, _ = asking(BINARY)
    _, whole = answered(one, 200, b"\r\ncontent-type: Application/grpc-web+proto; a=b")
    assert whole is None
    assert one.on_response_data(MESSAGE, True) == MESSAGE
