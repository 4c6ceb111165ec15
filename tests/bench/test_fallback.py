"""The backend in Python answers requests however they are cut, and never before their end."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fallback import Server, answers


class Written(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.parts.append(bytes(data))


READY = {b"": b"small", b"10k": b"TEN"}
REQUESTS = [
    (b"GET /service/1?x=/10k HTTP/1.1\r\nHost: a\r\n\r\n", b"small"),
    (b"GET /service/1/10k HTTP/1.1\r\nHost: a\r\n\r\n", b"TEN"),
    (b"POST /service/1/10k HTTP/1.1\r\ncontent-length: 5\r\n\r\n12345", b"TEN"),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"small"),
]


def answered(*pieces: bytes) -> list[bytes]:
    server, transport = Server(READY), Written()
    server.connection_made(transport)
    for piece in pieces:
        server.data_received(piece)
    return transport.parts


@given(st.lists(st.sampled_from(REQUESTS), max_size=5), st.lists(st.integers(0, 300), max_size=6))
def test_cuts_do_not_matter(requests: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    raw = b"".join(request for request, _ in requests)
    at = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    pieces = [raw[start:end] for start, end in pairwise(at)]
    assert answered(*pieces) == [answer for _, answer in requests]


@pytest.mark.parametrize("request_", [request for request, _ in REQUESTS])
def test_no_answer_before_the_last_byte(request_: bytes) -> None:
    assert answered(request_[:-1]) == []


def test_answers_say_their_port_and_length() -> None:
    head, _, body = answers(21001)[b"10k"].partition(b"\r\n\r\n")
    assert b"X-Served-By: 21001" in head and b"Content-Length: 10240" in head
    assert len(body) == 10_240
