"""Cookies of a request, and conditions on them (``route.v3.CookieMatcher``).

Rule 1. Of several cookies with one name, in one field or in several, the first counts. Names are compared as they are.
Rule 2. A cookie without ``=`` is none. Blanks before a name do not belong to it; all else does, also blanks around the value.
        One pair of double quotes around a value is taken off (RFC 6265 section 4.1.1).
Rule 3. A cookie that is missing fits nothing, so ``invert_match`` makes it fit.
"""

from shifter.model.route import CookieMatcher
from shifter.routing.match_header import Matcher, compile_string
from shifter.wire.events import RequestHead, values

__all__ = ["compile_cookie", "first_cookie"]


def first_cookie(block: bytes, name: bytes) -> bytes | None:
    """Return the value of the first cookie called *name* in a field block, ``None`` if there is none."""
    if block.rfind(b"\r\ncookie: ") < 0:
        return None
    for field in values(block, b"cookie"):
        for cookie in field.split(b";"):
            key, equals, value = cookie.partition(b"=")
            if equals and key.lstrip(b" ") == name:
                return value[1:-1] if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"') else value
    return None


def compile_cookie(matcher: CookieMatcher) -> Matcher:
    """Return a function that says whether a request fits *matcher*. Raises `RoutingError` for a bad regex."""
    name, invert = matcher.name, matcher.invert
    test = compile_string(matcher.string)

    def fits(head: RequestHead) -> bool:
        value = first_cookie(head.block, name)
        return (value is not None and test(value)) is not invert

    return fits
