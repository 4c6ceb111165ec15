"""The last fields of every answer: ``server``, ``via`` and ``x-request-id`` (``HttpConnectionManager``, Envoy's ``encodeHeaders``).

Rule 1. They come behind the edits of the route table, which cannot forge what is overwritten here.
        An internal client that asks for a trace is told its request's id, too.
Rule 2. Where the settings ask for no more than ``server``, nobody comes here: the listener has the line ready.
"""

from collections.abc import Callable

from shifter.model.http_connection_manager import HttpConnectionManager, ServerHeader
from shifter.wire.events import RequestHead, first_value, values, without

LastFields = Callable[[bytes, RequestHead], bytes]
"""Returns the field block of an answer to a request with the last fields in it. The upstream's ``server`` is in the block."""

_TRACE = b"\r\nx-envoy-force-trace: "


def compile_last_fields(settings: HttpConnectionManager) -> LastFields | None:
    """Return the function that ends the answers' fields, or ``None`` where one line, ``server``, is all there is to it."""
    transformation = settings.server_header
    tells_id = settings.always_set_request_id_in_response
    may_trace = settings.internal_addresses is not None
    if transformation is ServerHeader.OVERWRITE and not settings.via and not tells_id and not may_trace:
        return None
    line = b"\r\nserver: " + settings.server_name.encode("latin-1")
    via = settings.via

    def last_fields(block: bytes, head: RequestHead) -> bytes:
        if transformation is ServerHeader.OVERWRITE:
            block = without(block, b"server") + line
        elif transformation is ServerHeader.APPEND_IF_ABSENT and block.rfind(b"\r\nserver: ") < 0:
            block += line
        if tells_id or (may_trace and head.block.rfind(_TRACE) >= 0):
            known = first_value(head.block, b"x-request-id")
            if known:
                block = b"%b\r\nx-request-id: %b" % (without(block, b"x-request-id"), known)
        return appended_via(block, via) if via else block

    return last_fields


def appended_via(block: bytes, via: bytes) -> bytes:
    """Return *block* with *via* behind what ``via`` says already (RFC 9110 section 7.6.3)."""
    before = values(block, b"via")
    return b"%b\r\nvia: %b" % (without(block, b"via") if before else block, b", ".join([b",".join(before), via] if before else [via]))
