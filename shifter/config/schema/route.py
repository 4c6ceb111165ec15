"""Messages of ``envoy.config.route.v3``: which request goes where."""

from enum import Enum
from typing import Annotated

from pydantic import Field

from shifter.config.schema.anymessage import AnyMessage
from shifter.config.schema.base import (
    Bool,
    Choice,
    Ignored,
    MatchedName,
    Message,
    Name,
    OneOf,
    Port,
    Seconds,
    Text,
    UInt32,
    Visible,
    whole,
    word,
)
from shifter.config.schema.core import DataSource, HeaderChanges, Int64Range, RegexMatchAndSubstitute, RegexMatcher, StringMatcher


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


class RouteMatch(Choice):
    """``route.v3.RouteMatch``."""

    envoy = "envoy.config.route.v3.RouteMatch"
    one_of = (
        OneOf(
            ("prefix", "path", "safe_regex"),
            ("connect_matcher", "path_separated_prefix", "path_match_policy"),
            "this match does not say which paths",
        ),
    )

    prefix: Text | None = None
    path: Text | None = None
    safe_regex: RegexMatcher | None = None
    case_sensitive: Bool = True
    headers: list[HeaderMatcher] = Field(default_factory=list)


class ClusterWeight(HeaderChanges):
    """``route.v3.WeightedCluster.ClusterWeight``."""

    envoy = "envoy.config.route.v3.WeightedCluster.ClusterWeight"

    name: Name
    weight: UInt32
    typed_per_filter_config: dict[str, AnyMessage] = Field(default_factory=dict)


class WeightedCluster(Message):
    """``route.v3.WeightedCluster``. ``total_weight`` is ignored, as in Envoy; ``check`` warns when it is not the sum."""

    envoy = "envoy.config.route.v3.WeightedCluster"

    clusters: list[ClusterWeight] = Field(min_length=1)
    total_weight: UInt32 | None = None


class ClusterNotFoundResponseCode(Enum):
    """``RouteAction.ClusterNotFoundResponseCode``."""

    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    NOT_FOUND = "NOT_FOUND"
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"


class RouteAction(Choice):
    """``route.v3.RouteAction``."""

    envoy = "envoy.config.route.v3.RouteAction"
    one_of = (
        OneOf(
            ("cluster", "weighted_clusters", "cluster_header"),
            ("cluster_specifier_plugin", "inline_cluster_specifier_plugin"),
            "this route does not say where to",
        ),
        OneOf(
            ("host_rewrite_literal", "host_rewrite_header"),
            ("auto_host_rewrite", "host_rewrite_path_regex", "host_rewrite"),
        ),
        OneOf(("prefix_rewrite", "regex_rewrite"), ("path_rewrite_policy", "path_rewrite")),
    )

    cluster: Name | None = None
    weighted_clusters: WeightedCluster | None = None
    cluster_header: MatchedName | None = None
    cluster_not_found_response_code: Annotated[ClusterNotFoundResponseCode, word(ClusterNotFoundResponseCode)] = (
        ClusterNotFoundResponseCode.SERVICE_UNAVAILABLE
    )
    timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    prefix_rewrite: Visible | None = None
    regex_rewrite: RegexMatchAndSubstitute | None = None
    host_rewrite_literal: Visible | None = None
    host_rewrite_header: MatchedName | None = None
    append_x_forwarded_host: Bool = False


class RedirectCode(Enum):
    """``RedirectAction.RedirectResponseCode``."""

    MOVED_PERMANENTLY = "MOVED_PERMANENTLY"
    FOUND = "FOUND"
    SEE_OTHER = "SEE_OTHER"
    TEMPORARY_REDIRECT = "TEMPORARY_REDIRECT"
    PERMANENT_REDIRECT = "PERMANENT_REDIRECT"


class RedirectAction(Choice):
    """``route.v3.RedirectAction``."""

    envoy = "envoy.config.route.v3.RedirectAction"
    one_of = (
        OneOf(("https_redirect", "scheme_redirect")),
        OneOf(("path_redirect", "prefix_rewrite"), ("regex_rewrite",)),
    )

    https_redirect: Bool = False
    scheme_redirect: Visible | None = None
    host_redirect: Visible | None = None
    port_redirect: Port | None = None
    path_redirect: Visible | None = None
    prefix_rewrite: Visible | None = None
    response_code: Annotated[RedirectCode, word(RedirectCode)] = RedirectCode.MOVED_PERMANENTLY
    strip_query: Bool = False


class DirectResponseAction(Message):
    """``route.v3.DirectResponseAction``."""

    envoy = "envoy.config.route.v3.DirectResponseAction"

    status: Annotated[int, Field(ge=200, le=599), whole]
    body: DataSource | None = None


class Route(HeaderChanges, Choice):
    """``route.v3.Route``."""

    envoy = "envoy.config.route.v3.Route"
    one_of = (OneOf(("route", "redirect", "direct_response"), ("filter_action", "non_forwarding_action"), "this route says nothing to do"),)

    name: Text = ""
    match: RouteMatch
    route: RouteAction | None = None
    redirect: RedirectAction | None = None
    direct_response: DirectResponseAction | None = None
    typed_per_filter_config: dict[str, AnyMessage] = Field(default_factory=dict)
    metadata: Ignored = None
    decorator: Ignored = None


class VirtualHost(HeaderChanges):
    """``route.v3.VirtualHost``."""

    envoy = "envoy.config.route.v3.VirtualHost"

    name: Name
    domains: list[Name] = Field(min_length=1)
    routes: list[Route] = Field(default_factory=list)
    typed_per_filter_config: dict[str, AnyMessage] = Field(default_factory=dict)
    metadata: Ignored = None


class RouteConfiguration(HeaderChanges):
    """``route.v3.RouteConfiguration``."""

    envoy = "envoy.config.route.v3.RouteConfiguration"

    name: Text = ""
    virtual_hosts: list[VirtualHost] = Field(default_factory=list)
    typed_per_filter_config: dict[str, AnyMessage] = Field(default_factory=dict)
    validate_clusters: Bool = True
    max_direct_response_body_size_bytes: UInt32 = 4096
    ignore_port_in_host_matching: Bool = False
    metadata: Ignored = None
