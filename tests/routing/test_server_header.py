"""The last fields of an answer."""

from typing import Any

import pytest

from shifter.model.http_connection_manager import HttpConnectionManager, ServerHeader
from shifter.model.route import RouteConfiguration
from shifter.routing.server_header import appended_via, compile_last_fields
from shifter.wire.events import RequestHead

ASKED = b"\r\nx-request-id: theirs"


def ended(block: bytes, asked: bytes = ASKED, **settings: Any) -> bytes:
    last_fields = compile_last_fields(HttpConnectionManager("x", RouteConfiguration(), server_name="us", **settings))
    assert last_fields is not None
    return last_fields(block, RequestHead(b"GET", b"/", b"h", asked))


def test_the_usual_settings_need_nobody() -> None:
    assert compile_last_fields(HttpConnectionManager("x", RouteConfiguration())) is None


@pytest.mark.parametrize(
    ("transformation", "sent", "told"),
    [
        (ServerHeader.OVERWRITE, b"\r\nserver: them", b"\r\nserver: us\r\nvia: v"),
        (ServerHeader.OVERWRITE, b"", b"\r\nserver: us\r\nvia: v"),
        (ServerHeader.APPEND_IF_ABSENT, b"\r\nserver: them", b"\r\nserver: them\r\nvia: v"),
        (ServerHeader.APPEND_IF_ABSENT, b"", b"\r\nserver: us\r\nvia: v"),
        (ServerHeader.PASS_THROUGH, b"\r\nserver: them", b"\r\nserver: them\r\nvia: v"),
        (ServerHeader.PASS_THROUGH, b"", b"\r\nvia: v"),
    ],
)
def test_server(transformation: ServerHeader, sent: bytes, told: bytes) -> None:
    assert ended(sent, server_header=transformation, via=b"v") == told


def test_request_ids() -> None:
    always = {"always_set_request_id_in_response": True}
    assert ended(b"\r\nx-request-id: own", **always) == b"\r\nserver: us\r\nx-request-id: theirs"
    assert ended(b"\r\nx-request-id: own", b"", **always) == b"\r\nx-request-id: own\r\nserver: us"
    internal = {"internal_addresses": ("10.0.0.0/8",)}
    assert ended(b"", **internal) == b"\r\nserver: us"
    assert ended(b"", ASKED + b"\r\nx-envoy-force-trace: 1", **internal) == b"\r\nserver: us\r\nx-request-id: theirs"


def test_via_is_one_line() -> None:
    assert appended_via(b"\r\na: 1", b"me") == b"\r\na: 1\r\nvia: me"
    assert appended_via(b"\r\nvia: 1.1 x\r\na: 1\r\nvia: 1.0 y", b"me") == b"\r\na: 1\r\nvia: 1.1 x,1.0 y, me"
