"""What services tell each other of a trace is read as the standards have it, and nothing else is."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.observe.tracing import (
    Context,
    Form,
    Reason,
    new_span_id,
    new_trace_id,
    number_of,
    read_b3,
    read_traceparent,
    reason_of,
    with_reason,
    write_b3,
    write_traceparent,
)

TRACE = b"0af7651916cd43dd8448eb211c80319c"
SPAN = b"b7ad6b7169203331"


def an_id(digits: int) -> st.SearchStrategy[bytes]:
    return st.integers(1, 16**digits - 1).map(lambda number: f"{number:0{digits}x}".encode())


@given(trace_id=an_id(32), span_id=an_id(16), sampled=st.booleans(), state=st.binary(max_size=9))
def test_what_is_written_is_read(trace_id: bytes, span_id: bytes, sampled: bool, state: bytes) -> None:
    said = write_traceparent(trace_id, span_id, sampled)
    assert read_traceparent(said, state) == Context(trace_id, span_id, sampled, state)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"bad",
        b"00-" + TRACE + b"-" + SPAN,
        b"00-" + TRACE + b"-" + SPAN + b"-01-more",
        b"ff-" + TRACE + b"-" + SPAN + b"-01",
        b"0-" + TRACE + b"-" + SPAN + b"-011",
        b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
        b"00-" + TRACE.upper() + b"-" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + SPAN + b"-0x",
    ],
)
def test_what_is_no_traceparent(text: bytes) -> None:
    assert read_traceparent(text) is None


def test_a_later_version_may_say_more() -> None:
    assert read_traceparent(b"cc-" + TRACE + b"-" + SPAN + b"-03-what-ever") == Context(TRACE, SPAN, True)


@given(st.binary(max_size=70))
def test_nothing_that_is_sent_raises(text: bytes) -> None:
    read_traceparent(text)
    read_b3(lambda name: text)
    number_of(text)
    reason_of(text)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({b"b3": TRACE + b"-" + SPAN + b"-1"}, Context(TRACE, SPAN, True, form=Form.SINGLE)),
        ({b"b3": TRACE + b"-" + SPAN + b"-0-" + SPAN}, Context(TRACE, SPAN, False, form=Form.SINGLE)),
        ({b"b3": SPAN + b"-" + SPAN + b"-d"}, Context(SPAN.rjust(32, b"0"), SPAN, True, form=Form.SINGLE)),
        ({b"b3": TRACE + b"-" + SPAN}, Context(TRACE, SPAN, None, form=Form.SINGLE)),
        ({b"b3": b"0"}, Context(b"", b"", False, form=Form.SINGLE)),
        ({b"b3": b"1"}, None),
        ({b"x-b3-sampled": b"0"}, Context(b"", b"", False, form=Form.MULTI)),
        ({b"x-b3-traceid": TRACE, b"x-b3-spanid": SPAN.upper()}, Context(TRACE, SPAN, None, form=Form.MULTI)),
        ({b"x-b3-traceid": TRACE, b"x-b3-spanid": SPAN, b"x-b3-sampled": b"0"}, Context(TRACE, SPAN, False, form=Form.MULTI)),
        ({b"x-b3-traceid": TRACE, b"x-b3-spanid": SPAN, b"x-b3-flags": b"1"}, Context(TRACE, SPAN, True, form=Form.MULTI)),
        ({b"x-b3-traceid": TRACE, b"x-b3-spanid": b"1"}, None),
        ({b"x-b3-sampled": b"1"}, None),
        ({}, None),
    ],
)
def test_b3(fields: dict[bytes, bytes], expected: Context | None) -> None:
    assert read_b3(fields.get) == expected


@given(
    trace_id=an_id(32),
    span_id=an_id(16),
    parent=an_id(16) | st.just(b""),
    sampled=st.booleans(),
    form=st.sampled_from([Form.SINGLE, Form.MULTI]),
)
def test_b3_that_is_written_is_read(form: Form, trace_id: bytes, span_id: bytes, parent: bytes, sampled: bool) -> None:
    written = write_b3(form, trace_id, span_id, parent, sampled)
    fields = dict(line.split(b": ") for line in written.removeprefix(b"\r\n").split(b"\r\n"))
    assert read_b3(fields.get) == Context(trace_id, span_id, sampled, form=form)


@given(number=st.integers(0, 2**128 - 1), reason=st.sampled_from(Reason))
def test_an_id_says_why_its_request_is_traced(number: int, reason: Reason) -> None:
    plain = str(uuid.UUID(int=number, version=4)).encode()
    assert reason_of(plain) is Reason.NOT_TRACEABLE
    told = with_reason(plain, reason)
    assert reason_of(told) is reason
    assert number_of(told) == number_of(plain) == number >> 96
    assert with_reason(told, Reason.NOT_TRACEABLE) == plain


def test_what_is_no_id_says_nothing() -> None:
    assert number_of(b"bad") is None
    assert number_of(b"zzzzzzzzz") is None
    assert with_reason(b"bad", Reason.SAMPLING) == b"bad"


def test_ids_are_new() -> None:
    for make, digits in ((new_trace_id, 32), (new_span_id, 16)):
        made = [make() for _ in range(1000)]
        assert len(set(made)) == 1000
        assert {len(one) for one in made} == {digits}
