"""Who is sent to https."""

import pytest

from shifter.model.route import TlsRequirement
from shifter.routing.require_tls import compile_tls_requirement, https_location
from shifter.wire.events import RequestHead, block_of

HTTP, HTTPS, INTERNAL = (b"x-forwarded-proto", b"http"), (b"x-forwarded-proto", b"https"), (b"x-envoy-internal", b"true")


@pytest.mark.parametrize(
    ("requirement", "fields", "sent"),
    [
        (TlsRequirement.ALL, [HTTP], True),
        (TlsRequirement.ALL, [HTTP, INTERNAL], True),
        (TlsRequirement.ALL, [HTTPS], False),
        (TlsRequirement.EXTERNAL_ONLY, [HTTP], True),
        (TlsRequirement.EXTERNAL_ONLY, [HTTP, INTERNAL], False),
        (TlsRequirement.EXTERNAL_ONLY, [HTTPS], False),
    ],
)
def test_who_is_sent_to_https(requirement: TlsRequirement, fields: list[tuple[bytes, bytes]], sent: bool) -> None:
    needed = compile_tls_requirement(requirement)
    assert needed is not None
    assert needed(RequestHead(b"GET", b"/", b"h.test", block_of(fields))) is sent


def test_without_a_requirement_there_is_nothing_to_ask() -> None:
    assert compile_tls_requirement(TlsRequirement.NONE) is None


def test_the_location_keeps_authority_and_path() -> None:
    assert https_location(RequestHead(b"GET", b"/a?b", b"h.test:8000")) == b"https://h.test:8000/a?b"
