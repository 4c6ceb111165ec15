"""Whatever field lists a peer makes up: both implementations refuse them or make heads of them that HTTP/1.1 cannot misread, and alike."""

import importlib
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.wire import h2_heads
from shifter.wire.events import ProtocolError, RequestHead, ResponseHead, block_of
from shifter.wire.heads import METHODS, parse_request

Fields = list[tuple[bytes, bytes]]
BOTH = [h2_heads]
try:
    BOTH.append(importlib.import_module("shifter.wire._h2_heads"))
except ImportError:
    compiled = None
else:
    compiled = BOTH[-1]

needs_compiled = pytest.mark.skipif(compiled is None, reason="the extension module is not built")


NAMES = st.one_of(
    st.sampled_from([b"host", b"content-length", b"cookie", b"te", b"expect", b"x-forwarded-for", b"connection", b":path", b"a_b"]),
    st.binary(max_size=8),
    st.from_regex(rb"[a-z][a-z0-9-]{0,8}", fullmatch=True),
)
VALUES = st.one_of(
    st.binary(max_size=12), st.from_regex(rb"[!-~]{0,12}", fullmatch=True), st.sampled_from([b"5", b"trailers", b"a.example"])
)
PSEUDO = st.fixed_dictionaries(
    {
        ":method": st.one_of(st.just(b"GET"), st.binary(max_size=5)),
        ":scheme": st.one_of(st.just(b"http"), st.binary(max_size=5)),
        ":authority": st.one_of(st.just(b"a.example"), st.none(), st.binary(max_size=8)),
        ":path": st.one_of(st.just(b"/"), st.binary(max_size=8), st.binary(max_size=8).map(lambda path: b"/" + path)),
    }
)
LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+: (?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")


@given(PSEUDO, st.lists(st.tuples(NAMES, VALUES), max_size=5), st.booleans())
def test_whatever_comes_is_canonical_or_refused(pseudo: dict[str, bytes | None], fields: Fields, end: bool) -> None:
    listed = [(name.encode(), value) for name, value in pseudo.items() if value is not None] + fields
    for functions in BOTH:
        try:
            head = functions.request_head(listed, end, 100, 1000)
        except ProtocolError:
            continue
        is_canonical(head)


def is_canonical(head: RequestHead) -> None:
    assert all(LINE.fullmatch(line) for line in head.block.split(b"\r\n")[1:])
    assert head.block == b"" or head.block.startswith(b"\r\n")
    # what HTTP/1.1 makes of it when it is written down is the same request
    if head.method in METHODS:
        raw = b"%b %b HTTP/1.1\r\nhost: %b%b\r\n\r\n" % (head.method, head.path, head.authority, head.block)
        again = parse_request(raw, len(raw) - 4, 101)
        assert (again.method, again.path, again.authority, again.block) == (head.method, head.path, head.authority, head.block)


GOOD_NAMES = st.from_regex(rb"[a-z][a-z0-9-]{0,8}", fullmatch=True)
GOOD_VALUES = st.from_regex(rb"(?:[!-~][ -~]{0,8}[!-~])?", fullmatch=True)


@given(st.lists(st.tuples(GOOD_NAMES, GOOD_VALUES)))
def test_blocks_come_apart_as_they_were_put_together(fields: Fields) -> None:
    assert [list(functions.block_fields(block_of(fields))) for functions in BOTH] == [fields] * len(BOTH)


def said(parse: Callable[..., RequestHead | ResponseHead], *arguments: object) -> object:
    """What *parse* makes of the arguments, as values."""
    try:
        head = parse(*arguments)
    except ProtocolError as error:
        return error.status, error.detail
    return [(name, getattr(head, name, None)) for name in head.__slots__]  # `drawn` is only there once somebody has drawn


MORE_NAMES = st.sampled_from(
    b"cookie server date te expect upgrade x-envoy-a x-envoy-ab x-request-id x-forwarded-proto x-forwarded-for x-forwarded-client-cert "
    b"x-envoy-upstream-service-time transfer-encoding keep-alive proxy-connection".split()
)
MORE_VALUES = st.sampled_from([b"100-continue", b"100-Continue", b"Trailers", b"0", b"00", b"007", b" a", b"a\t", b"a\x80", b"a=1"])


@needs_compiled
@given(PSEUDO, st.lists(st.tuples(NAMES | MORE_NAMES, VALUES | MORE_VALUES), max_size=6), st.booleans(), st.booleans())
def test_both_say_the_same(pseudo: dict[str, bytes | None], fields: Fields, end: bool, to_head: bool) -> None:
    assert compiled is not None
    listed = (*((name.encode(), value) for name, value in pseudo.items() if value is not None), *fields)
    assert said(compiled.request_head, listed, end, 3, 90) == said(h2_heads.request_head, listed, end, 3, 90)
    for status in (b"200", b"204", b"103", b"2x0"):
        answer = ((b":status", status), *fields)
        one, other = (said(module.response_head, answer, end, 3, 60, to_head) for module in (compiled, h2_heads))
        assert one == other
