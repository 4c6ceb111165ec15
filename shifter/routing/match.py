"""Conditions of a route (``route.v3.RouteMatch``), compiled into one function of a request head.

Rule 1. All conditions must hold; the path is looked at first, for it is what most routes fail by.
Rule 2. What cannot change while a configuration serves is decided when it is compiled: shares without a runtime key, and that
        no client comes by TLS. Such a condition then costs nothing, or its route is never taken.
Rule 3. A condition that a match does not have costs nothing.
Rule 4. ``weighted_clusters`` whose weights in runtime are all 0, or too many, give no route, and the next one is tried (as Envoy
        does it).
"""

from collections.abc import Sequence

from shifter.model.route import (
    CookieMatcher,
    HeaderMatcher,
    MetadataMatcher,
    QueryParameterMatcher,
    RouteAction,
    RouteMatch,
    RuntimeFraction,
    TlsContextMatch,
)
from shifter.routing.cookies import compile_cookie
from shifter.routing.match_header import JOINED, Matcher, always, compile_header, compile_string, integer, never
from shifter.routing.match_path import compile_path, path_matcher, path_only
from shifter.routing.metadata import compile_metadata
from shifter.routing.query import compile_query_parameter
from shifter.routing.runtime import Runtime
from shifter.routing.weights import have_weight, weights_now
from shifter.wire.events import CERTIFICATE_PRESENTED, CERTIFICATE_VALIDATED, RequestHead, values

__all__ = [
    "JOINED", "Matcher", "all_of", "always", "compile_condition", "compile_conditions", "compile_cookie", "compile_header",
    "compile_match", "compile_metadata", "compile_parts", "compile_query_parameter", "compile_runtime_fraction", "compile_string",
    "compile_tls_context", "compile_weights", "integer", "is_grpc", "never", "path_only",
]  # fmt: skip

Condition = HeaderMatcher | QueryParameterMatcher | CookieMatcher | MetadataMatcher | RuntimeFraction | TlsContextMatch
"""The parts of a ``RouteMatch`` that have a class of their own."""

_GRPC = b"application/grpc"
_NO_RUNTIME = Runtime()


def compile_match(match: RouteMatch, runtime: Runtime = _NO_RUNTIME, ignore_path_parameters: bool = False) -> Matcher:
    """Return one function that says whether a request fits *match*. Raises `RoutingError` for what cannot be compiled."""
    prefix, rest = compile_parts(match, runtime, ignore_path_parameters)
    if rest is None:
        return lambda head: head.path.startswith(prefix)
    condition = rest
    if not prefix:
        return condition
    return lambda head: head.path.startswith(prefix) and condition(head)


def compile_parts(match: RouteMatch, runtime: Runtime = _NO_RUNTIME, ignore_path_parameters: bool = False) -> tuple[bytes, Matcher | None]:
    """Return *match* as ``(prefix, condition)``: the path must begin with the one and fit the other, if there is one."""
    path = compile_path(match, ignore_path_parameters)
    rest = compile_conditions(match, runtime)
    if path is None:
        return match.text, never
    prefix, on_path = path_matcher(path, ignore_path_parameters)
    return prefix, all_of([on_path, rest])


def compile_conditions(match: RouteMatch, runtime: Runtime = _NO_RUNTIME) -> Matcher | None:
    """Return all that *match* says but for the path; ``None`` when that is nothing."""
    parts: list[Condition] = [*match.headers, *match.query_parameters, *match.cookies, *match.dynamic_metadata]
    if match.runtime_fraction is not None:
        parts.append(match.runtime_fraction)
    if match.tls_context is not None:
        parts.append(match.tls_context)
    conditions = [compile_condition(part, runtime) for part in parts]
    if match.grpc:
        conditions.append(is_grpc)
    return all_of(conditions)


def compile_condition(part: Condition, runtime: Runtime = _NO_RUNTIME) -> Matcher:
    """Return a function that says whether a request fits one condition. Raises `RoutingError` for a bad regex."""
    if isinstance(part, HeaderMatcher):
        return compile_header(part)
    if isinstance(part, QueryParameterMatcher):
        return compile_query_parameter(part)
    if isinstance(part, CookieMatcher):
        return compile_cookie(part)
    if isinstance(part, MetadataMatcher):
        return compile_metadata(part)
    if isinstance(part, RuntimeFraction):
        return compile_runtime_fraction(part, runtime)
    return compile_tls_context(part)


def compile_runtime_fraction(fraction: RuntimeFraction, runtime: Runtime = _NO_RUNTIME) -> Matcher:
    """Return a function that says whether a request is one of the share that *runtime* has for *fraction*."""
    if fraction.runtime_key:
        return lambda head: runtime.holds(fraction, head.random)
    numerator, denominator = fraction.default.numerator, fraction.default.denominator
    if numerator <= 0:
        return never
    if numerator >= denominator:
        return always
    return lambda head: head.random % denominator < numerator


def compile_tls_context(context: TlsContextMatch) -> Matcher:
    """Return whether what is known of the client's certificate fits *context*; without TLS it has shown none."""
    mask = wanted = 0
    for asked, flag in ((context.presented, CERTIFICATE_PRESENTED), (context.validated, CERTIFICATE_VALIDATED)):
        if asked is not None:
            mask |= flag
            wanted |= flag if asked else 0
    return (lambda head: head.flags & mask == wanted) if mask else always


def is_grpc(head: RequestHead) -> bool:
    """Say whether *head* asks for gRPC by its ``content-type``: ``application/grpc``, alone or with ``+`` and what follows."""
    if head.block.rfind(b"\r\ncontent-type: application/grpc") < 0:
        return False
    kind = b",".join(values(head.block, b"content-type"))
    return kind == _GRPC or kind.startswith(b"application/grpc+")


def compile_weights(action: object, runtime: Runtime = _NO_RUNTIME) -> Matcher | None:
    """Return what the weights of *action*, a route's, are for matching: that something can be chosen by those in *runtime*."""
    if not isinstance(action, RouteAction) or not action.runtime_key_prefix:
        return None
    weighted = action
    return lambda head: have_weight(weights_now(weighted, runtime))


def all_of(parts: Sequence[Matcher | None]) -> Matcher | None:
    """Return the condition that all of *parts* make, ``None`` for one that every request fits."""
    conditions = [part for part in parts if part is not None and part is not always]
    if never in conditions:
        return never
    if not conditions:
        return None
    if len(conditions) == 1:
        return conditions[0]
    first, *others = conditions
    if len(others) == 1:
        second = others[0]
        return lambda head: first(head) and second(head)

    def every(head: RequestHead) -> bool:
        for condition in conditions:  # noqa: SIM110 - a generator would cost more than the conditions
            if not condition(head):
                return False
        return True

    return every
