"""Why a request does not fit a route, in words with the values.

Rule 1. Whether a condition holds is asked of `match.compile_match`, with a match that has this one condition: here are only words.
Rule 2. Conditions are gone through in the order of `conditions`, and the first that does not hold is the reason.
Rule 3. What a client sent is shown short, and without anything that a terminal would act upon.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from shifter.model.route import (
    CookieMatcher,
    HeaderMatcher,
    MetadataMatcher,
    PathMatchKind,
    QueryParameterMatcher,
    RouteMatch,
    RuntimeFraction,
    StringMatcher,
    StringMatchKind,
    TlsContextMatch,
)
from shifter.routing.match import path_only
from shifter.routing.match_header import header_values
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead

_LONGEST = 100
_PATH_WORDS = {
    PathMatchKind.PREFIX: "does not begin with",
    PathMatchKind.PATH: "is not",
    PathMatchKind.SAFE_REGEX: "does not fit the pattern",
    PathMatchKind.PATH_SEPARATED_PREFIX: "is not, and is not below,",
    PathMatchKind.URI_TEMPLATE: "does not fit the template",
}
_IS = {
    StringMatchKind.EXACT: "is",
    StringMatchKind.PREFIX: "begins with",
    StringMatchKind.SUFFIX: "ends with",
    StringMatchKind.CONTAINS: "contains",
    StringMatchKind.SAFE_REGEX: "fits the pattern",
}
_IS_NOT = {
    StringMatchKind.EXACT: "is not",
    StringMatchKind.PREFIX: "does not begin with",
    StringMatchKind.SUFFIX: "does not end with",
    StringMatchKind.CONTAINS: "does not contain",
    StringMatchKind.SAFE_REGEX: "does not fit the pattern",
}
_KINDS = {PathMatchKind.URI_TEMPLATE: "template", PathMatchKind.CONNECT: "CONNECT"}
_NOTHING = RouteMatch(PathMatchKind.PREFIX, b"")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a match. ``match`` has nothing but it; ``what`` is the part of the model that says it."""

    match: RouteMatch
    what: PathMatchKind | HeaderMatcher | QueryParameterMatcher | CookieMatcher | RuntimeFraction | TlsContextMatch | MetadataMatcher | str


def conditions(match: RouteMatch) -> Iterator[Condition]:
    """Iterate over the conditions of *match*: the path, then the fields, the fraction of requests last."""
    yield Condition(RouteMatch(match.kind, match.text, match.case_sensitive), match.kind)
    for header in match.headers:
        yield Condition(replace(_NOTHING, headers=(header,)), header)
    for parameter in match.query_parameters:
        yield Condition(replace(_NOTHING, query_parameters=(parameter,)), parameter)
    for cookie in match.cookies:
        yield Condition(replace(_NOTHING, cookies=(cookie,)), cookie)
    if match.grpc:
        yield Condition(replace(_NOTHING, grpc=True), "grpc")
    if match.tls_context is not None:
        yield Condition(replace(_NOTHING, tls_context=match.tls_context), match.tls_context)
    for metadata in match.dynamic_metadata:
        yield Condition(replace(_NOTHING, dynamic_metadata=(metadata,)), metadata)
    if match.runtime_fraction is not None:
        yield Condition(replace(_NOTHING, runtime_fraction=match.runtime_fraction), match.runtime_fraction)


def shown(value: bytes | str) -> str:
    """Return *value* as a line of text may show it."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return "".join(char if char == " " or char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def _quoted(value: bytes | str) -> str:
    return f'"{shown(value)}"'


def reason(condition: Condition, head: RequestHead, runtime: Runtime) -> str:
    """Say why *head* does not fit *condition*, which it does not."""
    what, match = condition.what, condition.match
    if isinstance(what, PathMatchKind):
        if what is PathMatchKind.CONNECT:
            return f"method {shown(head.method)} is not CONNECT"
        folded = "" if match.case_sensitive else ", in any case"
        return f"path {shown(path_only(head.path))} {_PATH_WORDS[what]} {shown(match.text)}{folded}"
    if isinstance(what, HeaderMatcher):
        return f"header {shown(what.name)} {_why_not(what, head)}"
    if isinstance(what, QueryParameterMatcher):
        return f"query parameter {shown(what.name)} {_missing_or_else(what.string, what.present)}"
    if isinstance(what, CookieMatcher):
        return f"cookie {shown(what.name)} {_missing_or_else(what.string, True, what.invert)}"
    if isinstance(what, TlsContextMatch):
        return "the client showed no certificate" if what.presented or what.validated else "the client showed a certificate"
    if isinstance(what, MetadataMatcher):
        place = shown(".".join((what.filter, *what.path)))
        return f"metadata {place} {'is what it must not be' if what.invert else 'is not there, or not what it must be'}"
    if isinstance(what, RuntimeFraction):
        return f"not one of the {fraction_words(what, runtime)}"
    return "content-type is not gRPC's (application/grpc)"


def fraction_words(fraction: RuntimeFraction, runtime: Runtime) -> str:
    """Say which share of requests *fraction* lets through."""
    share = runtime.share(fraction)
    key = f" (runtime key {shown(fraction.runtime_key)})" if fraction.runtime_key else ""
    return f"{share.numerator} in {share.denominator:,} requests{key}"


def _why_not(matcher: HeaderMatcher, head: RequestHead) -> str:
    found = header_values(matcher.name.lower())(head)
    value = ", ".join(map(_quoted, found))
    if matcher.string is None and matcher.range is None:
        return f"is there: {value}" if found else "is not there"
    if not found and not matcher.treat_missing_as_empty:
        return "is not there"
    value = value or _quoted("")
    if matcher.range is not None:
        span = f"a number from {matcher.range.start} to {matcher.range.end - 1}"
        return f"is {value}, {'which must not be' if matcher.invert else 'not'} {span}"
    assert matcher.string is not None
    exact = matcher.string.kind is StringMatchKind.EXACT
    if matcher.invert:
        return f"is {value}, which {'it must not be' if exact else _told(matcher.string)}"
    if exact:
        return f"is {value}, not {_quoted(matcher.string.text)}{_case(matcher.string)}"
    return f"is {value}, which {_told(matcher.string, _IS_NOT)}"


def _told(string: StringMatcher, words: dict[StringMatchKind, str] = _IS) -> str:
    return f"{words[string.kind]} {_quoted(string.text)}{_case(string)}"


def _case(string: StringMatcher) -> str:
    return ", in any case" if string.ignore_case else ""


def _missing_or_else(string: StringMatcher | None, present: bool, invert: bool = False) -> str:
    if string is None:
        return "is not there" if present else "is there"
    return _told(string) if invert else f"is not there, or {_told(string, _IS_NOT)}"


def described(match: RouteMatch) -> str:
    """Return *match* in one line, for tables."""
    kind = _KINDS.get(match.kind, match.kind.value)
    parts = [f"{kind} {shown(match.text)}".rstrip() + ("" if match.case_sensitive else " in any case")]
    parts += [f"{shown(header.name)} {wanted(header)}" for header in match.headers]
    parts += [f"?{shown(one.name)} {_wanted_of(one)}" for one in match.query_parameters]
    parts += [f"cookie {shown(one.name)} {'not: ' if one.invert else ''}{_told(one.string)}" for one in match.cookies]
    if match.grpc:
        parts.append("gRPC")
    if match.tls_context is not None:
        parts.append("TLS certificate")
    parts += [f"metadata {shown('.'.join((one.filter, *one.path)))}" for one in match.dynamic_metadata]
    if match.runtime_fraction is not None:
        fraction = match.runtime_fraction
        parts.append(fraction_words(fraction, Runtime()))
    return ", ".join(parts)


def _wanted_of(parameter: QueryParameterMatcher) -> str:
    if parameter.string is not None:
        return _told(parameter.string)
    return "present" if parameter.present else "absent"


def wanted(header: HeaderMatcher) -> str:
    """Return what *header* wants of the field, as a predicate."""
    if header.range is not None:
        span = f"from {header.range.start} to {header.range.end - 1}"
        return f"not {span}" if header.invert else span
    if header.string is not None:
        return _told(header.string, _IS_NOT if header.invert else _IS)
    return "present" if (header.present is not False) != header.invert else "absent"
