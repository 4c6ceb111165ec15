"""Bodies that are compressed on their way, and those that are not."""

import gzip
import zlib
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.filters.compression import make_encoder
from shifter.filters.compressor import CompressorFactory, CompressorFilter
from shifter.model.http_filter import Compression, Compressor, CompressorDirection, CompressorPerRoute
from shifter.wire.events import NO_BODY, UNTIL_END, UPGRADE, ResponseHead, first_value
from tests.support.filters import Bench, FakeStream, request

GZIP = Compressor(Compression.GZIP, "text")
TEXT = b"\r\ncontent-type: text/plain"


def decode(compression: Compression, data: bytes) -> bytes:
    if compression is Compression.GZIP:
        return gzip.decompress(data)
    if compression is Compression.BROTLI:
        return bytes(import_module("brotli").decompress(data))
    return bytes(import_module("zstandard").ZstdDecompressor().decompressobj().decompress(data))


@given(st.sampled_from(Compression), st.lists(st.binary(max_size=300), max_size=8))
def test_every_piece_can_be_read_when_it_has_gone_out(compression: Compression, pieces: list[bytes]) -> None:
    encoder = make_encoder(Compressor(compression))()
    out = b"".join([encoder.encode(piece, False) for piece in pieces]) + encoder.encode(b"", True)
    assert decode(compression, out) == b"".join(pieces)


@pytest.mark.parametrize("compression", Compression)
def test_answers_at_the_same_time_have_nothing_of_each_other(compression: Compression) -> None:
    make = make_encoder(Compressor(compression))
    one, other = make(), make()
    ours = one.encode(b"a" * 500, False)
    theirs = other.encode(b"b" * 500, False)
    ours += one.encode(b"c" * 500, True)
    theirs += other.encode(b"d" * 500, True)
    assert decode(compression, ours) == b"a" * 500 + b"c" * 500
    assert decode(compression, theirs) == b"b" * 500 + b"d" * 500


def test_a_piece_is_not_held_back() -> None:
    encoder = make_encoder(GZIP)()
    reader = zlib.decompressobj(31)
    assert reader.decompress(encoder.encode(b"data: 1\n\n", False)) == b"data: 1\n\n"


def filters(bench: Bench, *configs: Compressor, accept: bytes | None = b"gzip", override: CompressorPerRoute | None = None) -> list[Any]:
    head = request(b"/", *([b"accept-encoding: " + accept] if accept is not None else []))
    stream = FakeStream(head)
    made = [CompressorFactory(config, bench.context).filter_for(stream, override) for config in configs]
    for one in made:
        one.on_request_head(head, True)
    return made


def answered(head: ResponseHead, *configs: Compressor, end: bool = False, **how: Any) -> ResponseHead:
    for one in reversed(filters(Bench(), *configs, **how)):
        one.on_response_head(head, end)
    return head


def test_an_answer_is_compressed_and_says_so() -> None:
    bench = Bench()
    (one,) = filters(bench, GZIP)
    head = ResponseHead(200, b'\r\ncontent-length: 100\r\netag: "a"' + TEXT, 100)
    one.on_response_head(head, False)
    assert head.length == UNTIL_END
    assert head.block == TEXT + b"\r\ncontent-encoding: gzip\r\nvary: Accept-Encoding"
    assert gzip.decompress(one.on_response_data(b"a" * 60, False) + one.on_response_data(b"b" * 40, True)) == b"a" * 60 + b"b" * 40
    assert bench.counters["compressor.text.gzip.response.total_uncompressed_bytes"] == 100
    assert bench.counters["compressor.text.gzip.header_compressor_used"] == 1


@pytest.mark.parametrize(
    ("fields", "length", "vary"),
    [
        (b"\r\ncontent-length: 29" + TEXT, 29, False),
        (b"\r\ncontent-type: image/png", UNTIL_END, False),
        (b"\r\ncontent-encoding: br" + TEXT, UNTIL_END, False),
        (b"\r\ncache-control: public, No-Transform" + TEXT, UNTIL_END, False),
    ],
)
def test_what_cannot_or_must_not_be_compressed_goes_as_it_is(fields: bytes, length: int, vary: bool) -> None:
    head = answered(ResponseHead(200, fields, length), GZIP)
    assert (head.block, head.length) == (fields, length)


@pytest.mark.parametrize("accept", [None, b"br", b"gzip;q=0"])
def test_who_does_not_accept_it_gets_it_plain_with_vary(accept: bytes | None) -> None:
    head = answered(ResponseHead(200, TEXT, UNTIL_END), GZIP, accept=accept)
    assert head.block == TEXT + b"\r\nvary: Accept-Encoding"


def test_vary_is_added_to_once_and_weak_validators_stay() -> None:
    head = answered(ResponseHead(200, b'\r\nvary: Origin\r\netag: W/"a"' + TEXT, UNTIL_END), GZIP)
    assert head.block == b'\r\netag: W/"a"' + TEXT + b"\r\ncontent-encoding: gzip\r\nvary: Origin, Accept-Encoding"
    head = answered(ResponseHead(200, b"\r\nvary: accept-encoding" + TEXT, UNTIL_END), GZIP)
    assert head.block.count(b"vary") == 1


def test_head_and_bodiless_answers_are_not_touched_but_vary() -> None:
    head = answered(ResponseHead(200, b"\r\ncontent-length: 100" + TEXT, NO_BODY), GZIP, end=True)
    assert head.block == b"\r\ncontent-length: 100" + TEXT + b"\r\nvary: Accept-Encoding"


def test_settings_of_answers() -> None:
    strict = CompressorDirection(disable_on_etag_header=True, uncompressible_response_codes=frozenset([404]), status_header_enabled=True)
    config = replace(GZIP, response=strict)
    for status, fields, told in (
        (404, TEXT, b"gzip;StatusCodeNotAllowed"),
        (200, b"\r\netag: a" + TEXT, b"gzip;EtagNotAllowed"),
        (404, b"\r\netag: a" + TEXT, b"gzip;EtagNotAllowed"),
        (200, b"\r\ncontent-type: image/png", b"gzip;ContentTypeNotAllowed"),
    ):
        head = answered(ResponseHead(status, fields, UNTIL_END), config)
        assert first_value(head.block, b"content-encoding") is None
        assert first_value(head.block, b"x-envoy-compression-status") == told
    head = answered(ResponseHead(200, b"\r\ncontent-length: 50" + TEXT, 50), config)
    assert first_value(head.block, b"x-envoy-compression-status") == b"gzip;Compressed;OriginalLength=50"
    off = replace(GZIP, response=CompressorDirection(enabled=False))
    assert answered(ResponseHead(200, TEXT, UNTIL_END), off).block == TEXT


def test_of_several_one_compresses() -> None:
    brotli = Compressor(Compression.BROTLI, "b")
    head = answered(ResponseHead(200, TEXT, UNTIL_END), GZIP, brotli, accept=b"gzip;q=0.5, br")
    assert [value for value in head.block.split(b"\r\n") if value.startswith(b"content-encoding")] == [b"content-encoding: br"]
    head = answered(ResponseHead(200, TEXT, UNTIL_END), GZIP, brotli, accept=b"*")
    assert first_value(head.block, b"content-encoding") == b"gzip"


def test_routes_switch_it_off_and_requests_lose_their_field() -> None:
    assert answered(ResponseHead(200, TEXT, UNTIL_END), GZIP, override=CompressorPerRoute(disabled=True)).block == TEXT
    config = replace(GZIP, response=CompressorDirection(remove_accept_encoding_header=True))
    for override, kept in ((None, False), (CompressorPerRoute(remove_accept_encoding_header=False), True)):
        head = request(b"/", b"accept-encoding: gzip")
        one = CompressorFactory(config, Bench().context).filter_for(FakeStream(head), override)
        one.on_request_head(head, True)
        assert (b"accept-encoding" in head.block) is kept


def test_requests_are_compressed_where_the_configuration_says_so() -> None:
    config = replace(GZIP, request=CompressorDirection())
    head = request(b"/", b"content-length: 40", b"content-type: text/plain", method=b"POST", length=40)
    one = CompressorFactory(config, Bench().context).filter_for(FakeStream(head), None)
    assert isinstance(one, CompressorFilter)
    one.on_request_head(head, False)
    assert (head.length, first_value(head.block, b"content-encoding")) == (UNTIL_END, b"gzip")
    assert gzip.decompress(one.on_request_data(b"x" * 40, True)) == b"x" * 40


def test_what_was_answered_before_it_came_here_goes_as_it_is() -> None:
    stream = FakeStream(request(b"/", b"accept-encoding: gzip"))
    removing = replace(GZIP, response=CompressorDirection(remove_accept_encoding_header=True))
    one = CompressorFactory(removing, Bench().context).filter_for(stream, None)
    assert first_value(stream.head.block, b"accept-encoding") == b"gzip"
    head = ResponseHead(401, TEXT + b"\r\ncontent-length: 100", 100)
    one.on_response_head(head, False)
    assert head.length == 100 and first_value(head.block, b"content-encoding") is None


def test_the_bytes_of_another_protocol_are_not_compressed() -> None:
    config = Compressor(Compression.GZIP, "text", request=CompressorDirection(min_content_length=1))
    head = request(b"/", b"accept-encoding: gzip")
    head.flags |= UPGRADE
    one = CompressorFactory(config, Bench().context).filter_for(FakeStream(head), None)
    assert isinstance(one, CompressorFilter)
    one.on_request_head(head, False)
    assert first_value(head.block, b"content-encoding") is None
    assert one.on_request_data(b"hello", False) == b"hello"
    answer = ResponseHead(101, b"\r\nupgrade: websocket")
    one.on_response_head(answer, False)
    assert answer.block == b"\r\nupgrade: websocket"
    assert one.on_response_data(b"hello", False) == b"hello"
