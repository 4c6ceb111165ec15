"""Requests that came without TLS where a virtual host wants it (``VirtualHost.require_tls``).

Rule 1. How a request came is what ``x-forwarded-proto`` says; the connection manager has seen to that field.
Rule 2. Who is sent to https gets a 301 to the same authority and path. This is decided before any route is looked at.
"""

from shifter.model.route import TlsRequirement
from shifter.routing.match import Matcher
from shifter.wire.events import RequestHead, first_value

STATUS = 301


def compile_tls_requirement(requirement: TlsRequirement) -> Matcher | None:
    """Return a function that says whether a request must be sent to https; ``None`` where none ever is."""
    if requirement is TlsRequirement.NONE:
        return None
    if requirement is TlsRequirement.ALL:
        return _came_without
    return lambda head: _came_without(head) and first_value(head.block, b"x-envoy-internal") != b"true"


def _came_without(head: RequestHead) -> bool:
    return first_value(head.block, b"x-forwarded-proto") != b"https"


def https_location(head: RequestHead) -> bytes:
    """Return where to send *head*."""
    return b"https://" + head.authority + head.path
