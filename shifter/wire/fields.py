"""What fields mean to the proxy itself, whichever protocol brings them: one table for both codecs."""

from shifter.wire.events import HAS_REQUEST_ID, HAS_UNDERSCORE, HAS_X_ENVOY, HAS_XFF, HAS_XFP

_NOTICED = {
    b"x-forwarded-for": HAS_XFF,
    b"x-forwarded-proto": HAS_XFP,
    b"x-request-id": HAS_REQUEST_ID,
    b"x-forwarded-client-cert": HAS_X_ENVOY,
}


def noticed(name: bytes) -> int:
    """Return the flags of ``wire.events`` that a request field called *name* (lower case) sets."""
    flags = _NOTICED.get(name, 0)
    if name.startswith(b"x-envoy-"):
        flags |= HAS_X_ENVOY
    if b"_" in name:
        flags |= HAS_UNDERSCORE
    return flags


UNREPEATED = frozenset(
    b"authorization proxy-authorization cookie set-cookie traceparent tracestate x-request-id if-none-match if-modified-since etag "
    b"last-modified content-length referer x-amzn-trace-id x-b3-traceid x-b3-spanid grpc-timeout".split()
)
"""Fields that a parser does not remember: they are secrets, or hardly ever the same twice."""
