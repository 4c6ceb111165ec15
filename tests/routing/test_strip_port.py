"""Which form of the host a request is routed by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.http_connection_manager import HttpConnectionManager, StripPort
from shifter.model.route import RouteConfiguration
from shifter.routing.forwarded import Forwarding
from shifter.routing.strip_port import compile_host_form
from shifter.wire.events import RequestHead


def test_a_manager_that_says_nothing_pays_nothing() -> None:
    assert compile_host_form(StripPort.NONE, 80, False) is None


@pytest.mark.parametrize(
    ("strip", "dot", "host", "formed"),
    [
        (StripPort.MATCHING, False, b"a:80", b"a"),
        (StripPort.MATCHING, False, b"a:8080", b"a:8080"),
        (StripPort.MATCHING, False, b"a", b"a"),
        (StripPort.ANY, False, b"a:8080", b"a"),
        (StripPort.ANY, False, b"[::1]:80", b"[::1]"),
        (StripPort.ANY, False, b"[::1]", b"[::1]"),
        (StripPort.ANY, False, b"a:", b"a:"),
        (StripPort.ANY, False, b"a:b", b"a:b"),
        (StripPort.ANY, False, b"", b""),
        (StripPort.NONE, True, b"a.", b"a"),
        (StripPort.NONE, True, b"a..", b"a."),
        (StripPort.NONE, True, b"a.:80", b"a:80"),
        (StripPort.ANY, True, b"a.:80", b"a"),
        (StripPort.MATCHING, True, b"a.:81", b"a:81"),
    ],
)
def test_forms(strip: StripPort, dot: bool, host: bytes, formed: bytes) -> None:
    form = compile_host_form(strip, 80, dot)
    assert form is not None
    assert form(host) == formed


@given(st.from_regex(rb"[a-z.]{0,8}(:[0-9]{0,5})?", fullmatch=True))
def test_any_port_goes_once_and_for_all(host: bytes) -> None:
    form = compile_host_form(StripPort.ANY, 80, False)
    assert form is not None
    assert form(form(host)) == form(host)
    assert host.startswith(form(host))


def test_it_is_done_before_all_else() -> None:
    manager = HttpConnectionManager("http", RouteConfiguration(), strip_port=StripPort.ANY, generate_request_id=False)
    head = RequestHead(b"GET", b"/", b"a:81")
    Forwarding(manager, local_port=80).prepare(head, b"192.0.2.7", lambda: b"id")
    assert head.authority == b"a"
    assert head.block == b"\r\nx-forwarded-proto: http"
