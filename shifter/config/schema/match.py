"""What a request must be for a route to hold: ``route.v3.RouteMatch`` and the matchers in it."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from shifter.config.schema.base import Bool, Choice, Double, MatchedName, Message, Name, OneOf, Text, Typed, many, wrong
from shifter.config.schema.core import Int64Range, RegexMatcher, RuntimeFractionalPercent, StringMatcher

URI_TEMPLATE = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
_LONGEST_NAME = 1024
_LONGEST_TEMPLATE = 256


def _short(value: str, info: ValidationInfo) -> str:
    if len(value.encode()) > _LONGEST_NAME:
        raise wrong(f"`{info.field_name}` is longer than {_LONGEST_NAME} bytes")
    return value


def _short_template(value: str) -> str:
    if len(value) > _LONGEST_TEMPLATE:
        raise wrong(f"this template is longer than {_LONGEST_TEMPLATE} characters")
    return value


UriTemplate = Annotated[str, Field(min_length=1), AfterValidator(_short_template)]
ShortName = Annotated[str, Field(min_length=1), AfterValidator(_short)]


class HeaderMatcher(Choice):
    """``route.v3.HeaderMatcher``. The older ``exact_match`` and its like are rewritten before (``legacy``)."""

    envoy = "envoy.config.route.v3.HeaderMatcher"
    one_of = (OneOf(("string_match", "range_match", "present_match")),)

    name: MatchedName
    string_match: StringMatcher | None = None
    range_match: Int64Range | None = None
    present_match: Bool | None = None
    invert_match: Bool = False
    treat_missing_header_as_empty: Bool = False


class QueryParameterMatcher(Choice):
    """``route.v3.QueryParameterMatcher``."""

    envoy = "envoy.config.route.v3.QueryParameterMatcher"
    one_of = (OneOf(("string_match", "present_match")),)

    name: ShortName
    string_match: StringMatcher | None = None
    present_match: Bool | None = None


class CookieMatcher(Message):
    """``route.v3.CookieMatcher``."""

    envoy = "envoy.config.route.v3.CookieMatcher"

    name: ShortName
    string_match: StringMatcher
    invert_match: Bool = False


class GrpcMatch(Message):
    """``RouteMatch.GrpcRouteMatchOptions``: nothing to say."""

    envoy = "envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions"


class ConnectMatcher(Message):
    """``RouteMatch.ConnectMatcher``: nothing to say."""

    envoy = "envoy.config.route.v3.RouteMatch.ConnectMatcher"


class TlsContextMatch(Message):
    """``RouteMatch.TlsContextMatchOptions``."""

    envoy = "envoy.config.route.v3.RouteMatch.TlsContextMatchOptions"

    presented: Bool | None = None
    validated: Bool | None = None


class DoubleRange(Message):
    """``type.v3.DoubleRange``."""

    envoy = "envoy.type.v3.DoubleRange"

    start: Double = 0.0
    end: Double = 0.0


class DoubleMatcher(Choice):
    """``type.matcher.v3.DoubleMatcher``."""

    envoy = "envoy.type.matcher.v3.DoubleMatcher"
    one_of = (OneOf(("range", "exact"), required="nothing says what the number must be"),)

    range: DoubleRange | None = None
    exact: Double | None = None


class NullMatch(Message):
    """``ValueMatcher.NullMatch``: nothing to say."""

    envoy = "envoy.type.matcher.v3.ValueMatcher.NullMatch"


class ListMatcher(Choice):
    """``type.matcher.v3.ListMatcher``."""

    envoy = "envoy.type.matcher.v3.ListMatcher"
    one_of = (OneOf(("one_of",), required="nothing says what the list must hold"),)

    item: "ValueMatcher | None" = Field(default=None, alias="one_of")


class OrMatcher(Message):
    """``type.matcher.v3.OrMatcher``."""

    envoy = "envoy.type.matcher.v3.OrMatcher"

    value_matchers: Annotated[list["ValueMatcher"], many(2)]


class ValueMatcher(Choice):
    """``type.matcher.v3.ValueMatcher``."""

    envoy = "envoy.type.matcher.v3.ValueMatcher"
    one_of = (
        OneOf(
            ("null_match", "double_match", "string_match", "bool_match", "present_match", "list_match", "or_match"),
            required="nothing says what the value must be",
        ),
    )

    null_match: NullMatch | None = None
    double_match: DoubleMatcher | None = None
    string_match: StringMatcher | None = None
    bool_match: Bool | None = None
    present_match: Bool | None = None
    list_match: ListMatcher | None = None
    or_match: OrMatcher | None = None


# They speak of a class that comes after them.
ListMatcher.model_rebuild()
OrMatcher.model_rebuild()


class PathSegment(Choice):
    """``MetadataMatcher.PathSegment``."""

    envoy = "envoy.type.matcher.v3.MetadataMatcher.PathSegment"
    one_of = (OneOf(("key",), required="this step of the path is empty"),)

    key: Name | None = None


class MetadataMatcher(Message):
    """``type.matcher.v3.MetadataMatcher``."""

    envoy = "envoy.type.matcher.v3.MetadataMatcher"

    filter: Name
    path: list[PathSegment] = Field(min_length=1)
    value: ValueMatcher
    invert: Bool = False


class UriTemplateMatchConfig(Typed):
    """``path.match.uri_template.v3.UriTemplateMatchConfig``."""

    envoy = URI_TEMPLATE

    path_template: UriTemplate


class PathMatchPolicy(Message):
    """``core.v3.TypedExtensionConfig`` with a way to match paths in it."""

    envoy = "envoy.config.core.v3.TypedExtensionConfig"

    name: Name
    typed_config: UriTemplateMatchConfig


class RouteMatch(Choice):
    """``route.v3.RouteMatch``."""

    envoy = "envoy.config.route.v3.RouteMatch"
    one_of = (
        OneOf(
            ("prefix", "path", "safe_regex", "path_separated_prefix", "path_match_policy", "connect_matcher"),
            required="this match does not say which paths",
        ),
    )

    prefix: Text | None = None
    path: Text | None = None
    safe_regex: RegexMatcher | None = None
    path_separated_prefix: Name | None = None
    path_match_policy: PathMatchPolicy | None = None
    connect_matcher: ConnectMatcher | None = None
    case_sensitive: Bool = True
    runtime_fraction: RuntimeFractionalPercent | None = None
    headers: list[HeaderMatcher] = Field(default_factory=list)
    query_parameters: list[QueryParameterMatcher] = Field(default_factory=list)
    cookies: list[CookieMatcher] = Field(default_factory=list)
    grpc: GrpcMatch | None = None
    tls_context: TlsContextMatch | None = None
    dynamic_metadata: list[MetadataMatcher] = Field(default_factory=list)
