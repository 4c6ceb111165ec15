"""What routes are called.                                                                                               (pure)

Rule 1. A route is called by its name or, where it has none, by what it matches: ``prefix /service/1``.
Rule 2. People see the same words everywhere: in what changes, in weights, in releases.
"""

from fractions import Fraction

from shifter.model.route import HeaderMatcher, Route, RouteMatch, StringMatcher, StringMatchKind

_SIGNS = {
    StringMatchKind.EXACT: "=",
    StringMatchKind.PREFIX: "^=",
    StringMatchKind.SUFFIX: "$=",
    StringMatchKind.CONTAINS: "*=",
    StringMatchKind.SAFE_REGEX: "~",
}


def title_of(route: Route) -> str:
    """Return what a route is called: by its name, or by what it matches."""
    return route.name or matched(route.match)


def matched(match: RouteMatch) -> str:
    """Say in a few words what *match* matches."""
    conditions = [_header(header) for header in match.headers]
    conditions += [f"?{_shown(parameter.name)}" + _string(parameter.string) for parameter in match.query_parameters]
    conditions += [f"cookie {_shown(cookie.name)}" + _string(cookie.string) for cookie in match.cookies]
    if match.runtime_fraction is not None:
        share = match.runtime_fraction.default
        conditions.append(f"{percent(Fraction(share.numerator, share.denominator))} of the requests")
    conditions += ["gRPC"] * match.grpc + ["TLS"] * (match.tls_context is not None) + ["metadata"] * len(match.dynamic_metadata)
    path = f"{match.kind.value} {_shown(match.text)}".rstrip()
    return f"{path} ({', '.join(conditions)})" if conditions else path


def percent(share: Fraction, digits: int = 4) -> str:
    """Return *share* in per cent."""
    return f"{float(share * 100):.{digits}g} %"


def _header(header: HeaderMatcher) -> str:
    if header.range is not None:
        said = f" in {header.range.start}..{header.range.end - 1}"
    else:
        said = _string(header.string) if header.string is not None else "" if header.present is not False else " missing"
    return f"{'not ' * header.invert}{_shown(header.name)}{said}"


def _string(matcher: StringMatcher | None) -> str:
    return f" {_SIGNS[matcher.kind]} {_shown(matcher.text)}" if matcher is not None else ""


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")
