"""A field block is a list of fields, whatever is asked of it."""

from hypothesis import given
from hypothesis import strategies as st

from shifter.wire.events import (
    EXPECT_CONTINUE,
    NO_BODY,
    ProtocolError,
    RequestHead,
    ResponseHead,
    block_of,
    expects_continue,
    fields,
    first_value,
    joined_value,
    values,
    without,
)
from shifter.wire.heads import first_value as in_use

names = st.sampled_from([b"a", b"b", b"ab", b"b-a", b"a_b", b"x-request-id"])
# values that try to look like fields; no CR, LF or outer blanks
texts = st.one_of(st.sampled_from([b"", b"a: b", b"a", b": a: ", b"b-a: 1", b"\xff"]), st.binary(max_size=6)).map(
    lambda text: text.translate(None, b"\r\n\x00").strip(b" \t")
)
pairs = st.lists(st.tuples(names, texts), max_size=8)


@given(pairs)
def test_a_block_says_its_fields(some: list[tuple[bytes, bytes]]) -> None:
    block = block_of(some)
    assert list(fields(block)) == some
    assert block == b"".join(b"\r\n" + name + b": " + value for name, value in some)


@given(pairs, names)
def test_questions_about_a_name(some: list[tuple[bytes, bytes]], name: bytes) -> None:
    block = block_of(some)
    expected = [value for one, value in some if one == name]
    assert values(block, name) == expected
    assert joined_value(block, name) == (b",".join(expected) if expected else None)
    assert first_value(block, name) == (expected[0] if expected else None)
    assert without(block, name) == block_of(pair for pair in some if pair[0] != name)


def test_nothing_is_a_block() -> None:
    assert block_of(()) == b""
    assert list(fields(b"")) == []
    assert first_value(b"", b"a") is None
    assert values(b"", b"a") == []
    assert without(b"", b"a") == b""


def test_heads_and_errors_say_what_they_are() -> None:
    assert repr(RequestHead(b"GET", b"/a", b"host")) == "<RequestHead b'GET' b'host' b'/a' length=-1>"
    assert repr(ResponseHead(204)) == "<ResponseHead 204 length=-1>"
    error = ProtocolError(400, "http1.invalid_url")
    assert (error.status, error.detail, str(error)) == (400, "http1.invalid_url", "(400, 'http1.invalid_url')")


@given(pairs, names)
def test_the_finder_in_use_finds_the_same(fields_of_it: list[tuple[bytes, bytes]], name: bytes) -> None:
    block = block_of(fields_of_it)
    assert in_use(block, name) == first_value(block, name)


def test_who_waits_to_be_told_to_go_on() -> None:
    assert expects_continue(RequestHead(b"PUT", b"/", b"a", length=5, flags=EXPECT_CONTINUE))
    assert not expects_continue(RequestHead(b"PUT", b"/", b"a", length=NO_BODY, flags=EXPECT_CONTINUE))
    assert not expects_continue(RequestHead(b"PUT", b"/", b"a", length=5))
    assert not expects_continue(RequestHead(b"PUT", b"/", b"a", length=5, flags=EXPECT_CONTINUE, version=10))
