"""Parameters of a query string, and conditions on them (``route.v3.QueryParameterMatcher``).

Rule 1. Names and values are compared as they were sent: nothing is decoded, as in Envoy (``a%20b`` and ``a+b`` are two values).
Rule 2. Parameters are parted by ``&`` only. One without ``=`` has an empty value. Of a repeated one the first counts.
"""

from shifter.model.route import QueryParameterMatcher
from shifter.routing.match_header import Matcher, compile_string
from shifter.wire.events import RequestHead

__all__ = ["compile_query_parameter", "first_parameter"]


def first_parameter(target: bytes, name: bytes) -> bytes | None:
    """Return the value of the first parameter called *name* in *target*, ``None`` if there is none."""
    start = target.find(b"?")
    if start < 0 or target.find(name, start) < 0:
        return None
    for parameter in target[start + 1 :].split(b"&"):
        key, _, value = parameter.partition(b"=")
        if key == name:
            return value
    return None


def compile_query_parameter(matcher: QueryParameterMatcher) -> Matcher:
    """Return a function that says whether a request fits *matcher*. Raises `RoutingError` for a bad regex."""
    name = matcher.name
    if matcher.string is None:
        wanted = matcher.present
        return lambda head: (first_parameter(head.path, name) is not None) is wanted
    test = compile_string(matcher.string)

    def fits(head: RequestHead) -> bool:
        value = first_parameter(head.path, name)
        return value is not None and test(value)

    return fits
