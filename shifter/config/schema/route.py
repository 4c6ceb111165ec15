"""Messages of ``envoy.config.route.v3``: which request goes where."""

import re
from enum import Enum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from shifter.config.schema.anymessage import AnyMessage
from shifter.config.schema.base import (
    Bool,
    Choice,
    CopiedName,
    Ignored,
    MatchedName,
    Message,
    Name,
    OneOf,
    PlainHeaderName,
    Port,
    Seconds,
    Text,
    Typed,
    UInt32,
    UInt64,
    Visible,
    kind,
    many,
    whole,
    word,
    wrong,
)
from shifter.config.schema.core import (
    DataSource,
    HeaderChanges,
    HeaderMutation,
    Metadata,
    RegexMatchAndSubstitute,
    RuntimeFractionalPercent,
    SubstitutionFormatString,
)
from shifter.config.schema.match import HeaderMatcher, RouteMatch, UriTemplate
from shifter.config.schema.retry import HedgePolicy, RetryPolicy
from shifter.config.schema.tracing import Decorator, RouteTracing
from shifter.config.schema.transport_socket import ProxyProtocolConfig
from shifter.model.cluster import RoutingPriority
from shifter.model.route import InternalRedirectPredicate, TlsRequirement

URI_REWRITE = "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]+)(?::[0-9]{0,5})?")
_COOKIE_TEXT = re.compile(r"[ -:<-~]*")


def _cookie_name(value: str) -> str:
    # RFC 6265 section 4.1.1. Envoy takes any text, and sends a Set-Cookie that browsers read as another cookie.
    if not _TOKEN.fullmatch(value):
        raise wrong(f"{kind(value)} cannot be the name of a cookie")
    return value


def _cookie_text(value: str) -> str:
    if not _COOKIE_TEXT.fullmatch(value):
        raise wrong(f"{kind(value)} cannot stand in a Set-Cookie header")
    return value


def _host(value: str) -> str:
    # RFC 3986 section 3.2. Envoy takes any text, and sends it upstream as the host.
    if value and not _HOST.fullmatch(value):
        raise wrong(f"{kind(value)} is not a host, alone or with a port")
    return value


def _new_path(value: str) -> str:
    # Envoy takes any text, and sends upstream what is no request.
    if value and not value.startswith("/"):
        raise wrong(f"{kind(value)} does not begin with a slash", f"write /{value}")
    return value


def _request_path(value: str) -> str:
    if "#" in value:
        raise wrong(f"{kind(value)} has a #, which cannot stand in a request", "write %23")
    return value


def _token(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise wrong(f"{kind(value)} cannot be asked for in an `upgrade` header", "write websocket, or CONNECT")
    return value


Host = Annotated[Visible, AfterValidator(_host)]
NewPath = Annotated[Visible, AfterValidator(_new_path)]
CookieName = Annotated[str, AfterValidator(_cookie_name)]
CookieText = Annotated[str, AfterValidator(_cookie_text)]
UpgradeType = Annotated[str, AfterValidator(_token)]


class ClusterWeight(HeaderChanges, Choice):
    """``route.v3.WeightedCluster.ClusterWeight``."""

    envoy = "envoy.config.route.v3.WeightedCluster.ClusterWeight"
    one_of = (OneOf(("name", "cluster_header"), required="this entry does not say where to"),)

    name: Name | None = None
    cluster_header: MatchedName | None = None
    weight: UInt32
    metadata_match: Metadata | None = None
    host_rewrite_literal: Host | None = None
    typed_per_filter_config: dict[str, AnyMessage] = Field(default_factory=dict)


class WeightedCluster(Choice):
    """``route.v3.WeightedCluster``. ``total_weight`` is ignored, as in Envoy; ``check`` warns when it is not the sum."""

    envoy = "envoy.config.route.v3.WeightedCluster"
    one_of = (OneOf(("header_name", "use_hash_policy")),)

    clusters: list[ClusterWeight] = Field(min_length=1)
    total_weight: UInt32 | None = None
    runtime_key_prefix: Text = ""
    header_name: PlainHeaderName | None = None
    use_hash_policy: Bool = False


class ClusterNotFoundResponseCode(Enum):
    """``RouteAction.ClusterNotFoundResponseCode``."""

    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    NOT_FOUND = "NOT_FOUND"
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"


class UriTemplateRewriteConfig(Typed):
    """``path.rewrite.uri_template.v3.UriTemplateRewriteConfig``."""

    envoy = URI_REWRITE

    path_template_rewrite: UriTemplate


class PathRewritePolicy(Message):
    """``core.v3.TypedExtensionConfig`` with a way to rewrite paths in it."""

    envoy = "envoy.config.core.v3.TypedExtensionConfig"

    name: Name
    typed_config: UriTemplateRewriteConfig


class RequestMirrorPolicy(Choice):
    """``RouteAction.RequestMirrorPolicy``. Nothing is traced, so ``trace_sampled`` means nothing."""

    envoy = "envoy.config.route.v3.RouteAction.RequestMirrorPolicy"
    one_of = (OneOf(("cluster", "cluster_header"), required="this mirror does not say where to"),)

    cluster: Name | None = None
    cluster_header: MatchedName | None = None
    runtime_fraction: RuntimeFractionalPercent | None = None
    trace_sampled: Ignored = None
    disable_shadow_host_suffix_append: Bool = False
    request_headers_mutations: list[HeaderMutation] = Field(default_factory=list)
    host_rewrite_literal: Host | None = None


class HeaderHash(Message):
    """``HashPolicy.Header``."""

    envoy = "envoy.config.route.v3.RouteAction.HashPolicy.Header"

    header_name: MatchedName
    regex_rewrite: RegexMatchAndSubstitute | None = None


class CookieAttribute(Message):
    """``HashPolicy.CookieAttribute``."""

    envoy = "envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute"

    name: PlainHeaderName
    value: CookieText = ""


class CookieHash(Message):
    """``HashPolicy.Cookie``."""

    envoy = "envoy.config.route.v3.RouteAction.HashPolicy.Cookie"

    name: CookieName
    ttl: Seconds | None = None
    path: CookieText = ""
    attributes: list[CookieAttribute] = Field(default_factory=list)


class ConnectionHash(Message):
    """``HashPolicy.ConnectionProperties``."""

    envoy = "envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties"

    source_ip: Bool = False


class QueryParameterHash(Message):
    """``HashPolicy.QueryParameter``."""

    envoy = "envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter"

    name: Name


class HashPolicy(Choice):
    """``RouteAction.HashPolicy``."""

    envoy = "envoy.config.route.v3.RouteAction.HashPolicy"
    one_of = (
        OneOf(("header", "cookie", "connection_properties", "query_parameter"), ("filter_state",), "this policy does not say what to hash"),
    )

    header: HeaderHash | None = None
    cookie: CookieHash | None = None
    connection_properties: ConnectionHash | None = None
    query_parameter: QueryParameterHash | None = None
    terminal: Bool = False


class RedirectPredicateConfig(Typed):
    """One of the three messages of ``extensions.internal_redirect``."""

    envoy = InternalRedirectPredicate.ALLOW_LISTED_ROUTES.value
    types: ClassVar[tuple[str, ...]] = tuple(predicate.value for predicate in InternalRedirectPredicate)

    allowed_route_names: list[Name] = Field(default_factory=list)


class RedirectPredicate(Message):
    """``core.v3.TypedExtensionConfig`` with a condition on internal redirects in it."""

    envoy = "envoy.config.core.v3.TypedExtensionConfig"

    name: Name
    typed_config: RedirectPredicateConfig


class InternalRedirectPolicy(Message):
    """``route.v3.InternalRedirectPolicy``."""

    envoy = "envoy.config.route.v3.InternalRedirectPolicy"

    max_internal_redirects: UInt32 | None = None
    redirect_response_codes: Annotated[list[UInt32], many(0, 5)] = Field(default_factory=list)
    predicates: list[RedirectPredicate] = Field(default_factory=list)
    allow_cross_scheme_redirect: Bool = False
    response_headers_to_copy: list[CopiedName] = Field(default_factory=list)


class MaxStreamDuration(Message):
    """``RouteAction.MaxStreamDuration``."""

    envoy = "envoy.config.route.v3.RouteAction.MaxStreamDuration"

    max_stream_duration: Seconds | None = None
    grpc_timeout_header_max: Seconds | None = None
    grpc_timeout_header_offset: Seconds | None = None


class ConnectConfig(Message):
    """``RouteAction.UpgradeConfig.ConnectConfig``."""

    envoy = "envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig"

    proxy_protocol_config: ProxyProtocolConfig | None = None
    allow_post: Bool = False


class UpgradeConfig(Message):
    """``RouteAction.UpgradeConfig``."""

    envoy = "envoy.config.route.v3.RouteAction.UpgradeConfig"

    upgrade_type: UpgradeType
    enabled: Bool = True
    connect_config: ConnectConfig | None = None


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
            ("host_rewrite_literal", "host_rewrite_header", "host_rewrite_path_regex", "auto_host_rewrite"),
            ("host_rewrite",),
        ),
        OneOf(("prefix_rewrite", "regex_rewrite", "path_rewrite_policy"), ("path_rewrite",)),
    )

    cluster: Name | None = None
    weighted_clusters: WeightedCluster | None = None
    cluster_header: MatchedName | None = None
    cluster_not_found_response_code: Annotated[ClusterNotFoundResponseCode, word(ClusterNotFoundResponseCode)] = (
        ClusterNotFoundResponseCode.SERVICE_UNAVAILABLE
    )
    timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    flush_timeout: Seconds | None = None
    max_grpc_timeout: Seconds | None = None
    grpc_timeout_offset: Seconds | None = None
    max_stream_duration: MaxStreamDuration | None = None
    prefix_rewrite: Annotated[NewPath, AfterValidator(_request_path)] | None = None
    regex_rewrite: RegexMatchAndSubstitute | None = None
    path_rewrite_policy: PathRewritePolicy | None = None
    host_rewrite_literal: Host | None = None
    host_rewrite_header: MatchedName | None = None
    host_rewrite_path_regex: RegexMatchAndSubstitute | None = None
    auto_host_rewrite: Bool = False
    append_x_forwarded_host: Bool = False
    metadata_match: Metadata | None = None
    priority: Annotated[RoutingPriority, word(RoutingPriority)] = RoutingPriority.DEFAULT
    retry_policy: RetryPolicy | None = None
    hedge_policy: HedgePolicy | None = None
    hash_policy: list[HashPolicy] = Field(default_factory=list)
    request_mirror_policies: list[RequestMirrorPolicy] = Field(default_factory=list)
    internal_redirect_policy: InternalRedirectPolicy | None = None
    upgrade_configs: list[UpgradeConfig] = Field(default_factory=list)


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
        OneOf(("path_redirect", "prefix_rewrite", "regex_rewrite"), ("path_rewrite",)),
    )

    https_redirect: Bool = False
    scheme_redirect: Visible | None = None
    host_redirect: Visible | None = None
    port_redirect: Port | None = None
    path_redirect: Visible | None = None
    prefix_rewrite: NewPath | None = None
    regex_rewrite: RegexMatchAndSubstitute | None = None
    response_code: Annotated[RedirectCode, word(RedirectCode)] = RedirectCode.MOVED_PERMANENTLY
    strip_query: Bool = False


class DirectResponseAction(Message):
    """``route.v3.DirectResponseAction``."""

    envoy = "envoy.config.route.v3.DirectResponseAction"

    status: Annotated[int, Field(ge=200, le=599), whole]
    body: DataSource | None = None
    body_format: SubstitutionFormatString | None = None


class WebResource(Typed):
    """shifter's own: a ``twisted.web`` resource of the process, as ``package.module:name``."""

    envoy = "shifter.route.v1.WebResource"

    resource: Name


class FilterAction(Message):
    """``route.v3.FilterAction``: something else than forwarding."""

    envoy = "envoy.config.route.v3.FilterAction"

    action: WebResource


class Route(HeaderChanges, Choice):
    """``route.v3.Route``."""

    envoy = "envoy.config.route.v3.Route"
    one_of = (
        OneOf(("route", "redirect", "direct_response", "filter_action"), ("non_forwarding_action",), "this route says nothing to do"),
    )

    name: Text = ""
    match: RouteMatch
    route: RouteAction | None = None
    redirect: RedirectAction | None = None
    direct_response: DirectResponseAction | None = None
    filter_action: FilterAction | None = None
    typed_per_filter_config: dict[str, AnyMessage] = Field(default_factory=dict)
    metadata: Metadata | None = None
    per_request_buffer_limit_bytes: UInt32 | None = None
    request_body_buffer_limit: UInt64 | None = None
    decorator: Decorator | None = None
    tracing: RouteTracing | None = None


class VirtualCluster(Message):
    """``route.v3.VirtualCluster``."""

    envoy = "envoy.config.route.v3.VirtualCluster"

    name: Name
    headers: list[HeaderMatcher] = Field(min_length=1)


class VirtualHost(HeaderChanges):
    """``route.v3.VirtualHost``."""

    envoy = "envoy.config.route.v3.VirtualHost"

    name: Name
    domains: list[Name] = Field(min_length=1)
    routes: list[Route] = Field(default_factory=list)
    require_tls: Annotated[TlsRequirement, word(TlsRequirement)] = TlsRequirement.NONE
    virtual_clusters: list[VirtualCluster] = Field(default_factory=list)
    request_mirror_policies: list[RequestMirrorPolicy] = Field(default_factory=list)
    include_request_attempt_count: Bool = False
    include_attempt_count_in_response: Bool = False
    retry_policy: RetryPolicy | None = None
    hedge_policy: HedgePolicy | None = None
    per_request_buffer_limit_bytes: UInt32 | None = None
    request_body_buffer_limit: UInt64 | None = None
    typed_per_filter_config: dict[str, AnyMessage] = Field(default_factory=dict)
    metadata: Metadata | None = None


class RouteConfiguration(HeaderChanges):
    """``route.v3.RouteConfiguration``."""

    envoy = "envoy.config.route.v3.RouteConfiguration"

    name: Text = ""
    virtual_hosts: list[VirtualHost] = Field(default_factory=list)
    typed_per_filter_config: dict[str, AnyMessage] = Field(default_factory=dict)
    validate_clusters: Bool = True
    max_direct_response_body_size_bytes: UInt32 = 4096
    ignore_port_in_host_matching: Bool = False
    most_specific_header_mutations_wins: Bool = False
    ignore_path_parameters_in_path_matching: Bool = False
    internal_only_headers: list[PlainHeaderName] = Field(default_factory=list)
    request_mirror_policies: list[RequestMirrorPolicy] = Field(default_factory=list)
    metadata: Metadata | None = None
