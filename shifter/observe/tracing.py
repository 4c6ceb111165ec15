"""The words in which services tell each other that a request belongs to a trace, and what is known of one span of it.

Rule 1. What cannot be read is not a context; nothing raises. Ids that are all zeros are none (W3C Trace Context section 3.2.2).
Rule 2. W3C's ``traceparent`` goes before B3; B3 is answered in the form that it came in.
"""

import os
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from shifter.model.tracing import CustomTag

Find = Callable[[bytes], bytes | None]
"""Returns the first value of a request's field."""

_HEX = frozenset(b"0123456789abcdef")
_NO_TRACE = b"0" * 32
_NO_SPAN = b"0" * 16
_TRACEPARENT = 55
_REASON_AT = 14
_ID_LENGTH = 36
_ID_DIGITS = 8
_IDS = 256

B3 = (b"x-b3-traceid", b"x-b3-spanid", b"x-b3-parentspanid", b"x-b3-sampled", b"x-b3-flags")


class Form(Enum):
    """How a context is written."""

    W3C = "traceparent"
    SINGLE = "b3"
    MULTI = "x-b3-*"


class Reason(Enum):
    """Why a request is traced (Envoy's ``Tracing::Reason``); the value is what the 15th character of its id says then, where an
    ordinary UUID has its version."""

    NOT_TRACEABLE = b"4"
    SAMPLING = b"9"
    SERVICE_FORCED = b"a"
    CLIENT_FORCED = b"b"


_REASONS = {one.value: one for one in Reason}


class Context(NamedTuple):
    """Where in a trace a request comes from: ids in hexadecimal, and whether whoever sent it tells about it (``None``: has not decided)."""

    trace_id: bytes
    span_id: bytes
    sampled: bool | None
    state: bytes = b""
    form: Form = Form.W3C


def _is_id(text: bytes, *lengths: int) -> bool:
    return len(text) in lengths and _HEX.issuperset(text) and text.strip(b"0") != b""


def read_traceparent(text: bytes, state: bytes = b"") -> Context | None:
    """Return the context that a ``traceparent`` (with its ``tracestate``) tells of, ``None`` if it is none."""
    parts = text.split(b"-")
    if len(parts) < 4 or len(text) < _TRACEPARENT:
        return None
    version, trace_id, span_id, flags = parts[:4]
    if len(version) != 2 or len(flags) != 2 or not _HEX.issuperset(version + flags) or version == b"ff":
        return None
    if version == b"00" and len(text) != _TRACEPARENT:
        return None
    if not _is_id(trace_id, 32) or not _is_id(span_id, 16):
        return None
    return Context(trace_id, span_id, bool(int(flags, 16) & 1), state)


def write_traceparent(trace_id: bytes, span_id: bytes, sampled: bool) -> bytes:
    """Return a ``traceparent``."""
    return b"00-%b-%b-%b" % (trace_id, span_id, b"01" if sampled else b"00")


def read_b3(find: Find) -> Context | None:
    """Return the context that B3 fields tell of, in one field or in several; ``None`` without a whole one. One that only says that nothing
    is told of the request has no ids."""
    single = find(b"b3")
    if single is not None:
        if single == b"0":
            return Context(b"", b"", False, form=Form.SINGLE)
        parts = single.lower().split(b"-")
        if not 2 <= len(parts) <= 4:
            return None
        return _b3(parts[0], parts[1], parts[2] if len(parts) > 2 else None, Form.SINGLE)
    trace_id, span_id, sampled = find(B3[0]), find(B3[1]), find(B3[3])
    if trace_id is None or span_id is None:
        return Context(b"", b"", False, form=Form.MULTI) if sampled == b"0" else None
    said = b"d" if find(B3[4]) == b"1" else sampled
    return _b3(trace_id.lower(), span_id.lower(), said, Form.MULTI)


def _b3(trace_id: bytes, span_id: bytes, said: bytes | None, form: Form) -> Context | None:
    if not _is_id(trace_id, 16, 32) or not _is_id(span_id, 16):
        return None
    sampled = None if said is None else said.lower() in (b"1", b"d", b"true")
    return Context(trace_id.rjust(32, b"0"), span_id, sampled, form=form)


def write_b3(form: Form, trace_id: bytes, span_id: bytes, parent_id: bytes, sampled: bool) -> bytes:
    """Return B3 fields, as lines of a field block."""
    said = b"1" if sampled else b"0"
    if form is Form.SINGLE:
        return (
            b"\r\nb3: %b-%b-%b-%b" % (trace_id, span_id, said, parent_id) if parent_id else b"\r\nb3: %b-%b-%b" % (trace_id, span_id, said)
        )
    parent = b"\r\nx-b3-parentspanid: " + parent_id if parent_id else b""
    return b"\r\nx-b3-traceid: %b\r\nx-b3-spanid: %b%b\r\nx-b3-sampled: %b" % (trace_id, span_id, parent, said)


def number_of(request_id: bytes) -> int | None:
    """Return the number that shares of requests are drawn by: the first eight digits of *request_id*; ``None`` if these are none."""
    digits = request_id[:_ID_DIGITS].lower()
    return int(digits, 16) if len(digits) == _ID_DIGITS and _HEX.issuperset(digits) else None


def reason_of(request_id: bytes) -> Reason:
    """Return why the hop before traces the request called *request_id*."""
    if len(request_id) != _ID_LENGTH:
        return Reason.NOT_TRACEABLE
    return _REASONS.get(request_id[_REASON_AT : _REASON_AT + 1], Reason.NOT_TRACEABLE)


def with_reason(request_id: bytes, reason: Reason) -> bytes:
    """Return *request_id*, which says *reason* from now on; one that is no UUID stays as it is."""
    if len(request_id) != _ID_LENGTH:
        return request_id
    return request_id[:_REASON_AT] + reason.value + request_id[_REASON_AT + 1 :]


class _Ids:
    """Random ids in hexadecimal: to ask the system for each would take longer than all the rest."""

    __slots__ = ("_left", "_size")

    def __init__(self, digits: int) -> None:
        self._size = digits
        self._left: list[bytes] = []

    def __call__(self) -> bytes:
        """Return one that is not all zeros."""
        while True:
            if not self._left:
                digits = os.urandom(self._size // 2 * _IDS).hex().encode()
                self._left = [digits[at : at + self._size] for at in range(0, len(digits), self._size)]
            made = self._left.pop()
            if made.strip(b"0"):
                return made


new_trace_id = _Ids(32)
new_span_id = _Ids(16)


class Trace:
    """One request's place in its trace: ``trace_id``, the ``span_id`` it has here, and the ``parent_id`` it came with (empty: it begins
    here), all in hexadecimal. ``state`` is its ``tracestate``. ``sampled``: a span is told about; ``name`` is what the span is called,
    ``tags`` are what the route has it say besides, ``form`` how it is written.
    """

    __slots__ = ("form", "name", "parent_id", "reason", "sampled", "span_id", "state", "tags", "trace_id")

    def __init__(self, trace_id: bytes, span_id: bytes, parent_id: bytes, state: bytes, sampled: bool, reason: Reason, name: str) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.state = state
        self.sampled = sampled
        self.reason = reason
        self.name = name
        self.tags: tuple[CustomTag, ...] = ()
        self.form = Form.W3C

    def __repr__(self) -> str:
        return f"<Trace {self.trace_id.decode()} {self.span_id.decode()} {'sampled' if self.sampled else 'not sampled'}>"


class Span(NamedTuple):
    """A span that is over. Times are seconds since 1970; ``client`` says that it was a request to an endpoint; ``failed`` that it is one
    to look at. ``remote_parent``: the parent is another process's."""

    name: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    state: bytes
    start: float
    end: float
    attributes: tuple[tuple[str, str], ...]
    failed: bool = False
    client: bool = False
    remote_parent: bool = False
