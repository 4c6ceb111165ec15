"""What a request must be for a route to hold, from the checked schema to the frozen model."""

from shifter.config.build_common import header_matcher, runtime_fraction, string_matcher
from shifter.config.schema import match as schema
from shifter.model.route import (
    AnyOf,
    CookieMatcher,
    DoubleMatcher,
    ListMatcher,
    MetadataMatcher,
    PathMatchKind,
    Presence,
    QueryParameterMatcher,
    RouteMatch,
    TlsContextMatch,
    ValueMatcher,
)


def route_match(config: schema.RouteMatch) -> RouteMatch:
    """Return *config* as the model."""
    kind, text = _path(config)
    tls = config.tls_context
    return RouteMatch(
        kind=kind,
        text=text.encode(),
        case_sensitive=config.case_sensitive,
        headers=tuple(map(header_matcher, config.headers)),
        query_parameters=tuple(map(_query_parameter, config.query_parameters)),
        cookies=tuple(CookieMatcher(one.name.encode(), string_matcher(one.string_match), one.invert_match) for one in config.cookies),
        runtime_fraction=runtime_fraction(config.runtime_fraction),
        grpc=config.grpc is not None,
        tls_context=TlsContextMatch(tls.presented, tls.validated) if tls is not None else None,
        dynamic_metadata=tuple(map(metadata_matcher, config.dynamic_metadata)),
    )


def _path(config: schema.RouteMatch) -> tuple[PathMatchKind, str]:
    if config.prefix is not None:
        return PathMatchKind.PREFIX, config.prefix
    if config.path is not None:
        return PathMatchKind.PATH, config.path
    if config.safe_regex is not None:
        return PathMatchKind.SAFE_REGEX, config.safe_regex.regex
    if config.path_separated_prefix is not None:
        return PathMatchKind.PATH_SEPARATED_PREFIX, config.path_separated_prefix
    if config.path_match_policy is not None:
        return PathMatchKind.URI_TEMPLATE, config.path_match_policy.typed_config.path_template
    return PathMatchKind.CONNECT, ""


def _query_parameter(config: schema.QueryParameterMatcher) -> QueryParameterMatcher:
    text, present = config.string_match, config.present_match
    return QueryParameterMatcher(config.name.encode(), string_matcher(text) if text is not None else None, present is not False)


def metadata_matcher(config: schema.MetadataMatcher) -> MetadataMatcher:
    """Return a condition on what filters left."""
    return MetadataMatcher(config.filter, tuple(step.key or "" for step in config.path), _value(config.value), config.invert)


def _value(config: schema.ValueMatcher) -> ValueMatcher:
    if config.double_match is not None:
        span, exact = config.double_match.range, config.double_match.exact
        return DoubleMatcher(span.start, span.end) if span is not None else DoubleMatcher(exact or 0.0)
    if config.string_match is not None:
        return string_matcher(config.string_match)
    if config.bool_match is not None:
        return config.bool_match
    if config.present_match is not None:
        return Presence(config.present_match)
    if config.list_match is not None:
        assert config.list_match.item is not None
        return ListMatcher(_value(config.list_match.item))
    if config.or_match is not None:
        return AnyOf(tuple(map(_value, config.or_match.value_matchers)))
    return None
