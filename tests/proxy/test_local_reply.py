"""Local replies, to whoever asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.observe.operands import GRPC_OF_HTTP
from shifter.proxy.local_reply import local_reply
from shifter.wire.events import RequestHead, block_of, first_value
from tests.support.proxies import SERVED, Proxy


def asking(content_type: bytes) -> RequestHead:
    return RequestHead(b"POST", b"/", b"a", block_of([(b"x", b"1"), (b"content-type", content_type)]))


@pytest.mark.parametrize("status", [200, 400, 404, 418, 503])
def test_replies_in_plain_words(status: int) -> None:
    runtime = Proxy().runtime
    head = RequestHead(b"GET", b"/", b"a")
    assert local_reply(runtime, head, status, b"") == (status, b"\r\ncontent-length: 0" + SERVED, b"")
    plain = b"\r\ncontent-length: 2\r\ncontent-type: text/plain"
    assert local_reply(runtime, head, status, b"no") == (status, plain + SERVED, b"no")
    fields = b"\r\nx: 1\r\ncontent-type: text/html"
    assert local_reply(runtime, head, status, b"no", fields) == (status, b"\r\ncontent-length: 2" + fields + SERVED, b"no")


@pytest.mark.parametrize("status", [204, 304])
def test_replies_that_have_no_body(status: int) -> None:
    assert local_reply(Proxy().runtime, RequestHead(b"GET", b"/", b"a"), status, b"no") == (status, SERVED, b"")


@given(st.binary(max_size=20), st.sampled_from([400, 401, 404, 429, 503, 504, 418, 200]))
def test_grpc_replies_are_trailers_only_and_keep_to_one_line(message: bytes, code: int) -> None:
    status, block, body = local_reply(Proxy().runtime, asking(b"application/grpc"), code, message)
    assert (status, body) == (200, b"")
    assert first_value(block, b"content-type") == b"application/grpc"
    assert first_value(block, b"grpc-status") == b"%d" % GRPC_OF_HTTP.get(code, 2)
    told = first_value(block, b"grpc-message")
    assert (told is None) == (not message)
    if told is not None:
        assert not told.translate(None, bytes(range(0x20, 0x7F)))
        parts = told.split(b"%")
        assert parts[0] + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in parts[1:]) == message
