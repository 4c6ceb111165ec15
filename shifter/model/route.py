"""Routes as Envoy's ``RouteConfiguration`` describes them; ``routing`` compiles them into something that answers fast.

Rule 1. Text that is compared with bytes of a request is kept as ``bytes`` (UTF-8); names for people are ``str``.
Rule 2. Header names are lower case. Durations are seconds; ``0.0`` means "no limit" wherever Envoy says so.
Rule 3. A ``format`` is text in Envoy's access log language, in which ``%OPERATOR%`` stands for a value and ``%%`` for a percent
        sign (``observe.logformat``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from shifter.model.filters import FilterOverride
from shifter.model.format import SubstitutionFormat
from shifter.model.retry import HedgePolicy, RetryPolicy

if TYPE_CHECKING:
    from shifter.model.release import RouteHold
    from shifter.model.tracing import RouteTracing


class StringMatchKind(Enum):
    """Which field of ``type.matcher.v3.StringMatcher`` is set."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    SAFE_REGEX = "safe_regex"


@dataclass(frozen=True, slots=True)
class StringMatcher:
    """``type.matcher.v3.StringMatcher``. A ``SAFE_REGEX`` must match the whole text (RE2 syntax)."""

    kind: StringMatchKind
    text: bytes
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class RangeMatcher:
    """``type.v3.Int64Range``: ``start <= value < end``, for header values that are base-10 integers."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class HeaderMatcher:
    """``route.v3.HeaderMatcher``. Exactly one of ``string``, ``range``, ``present`` is set.

    ``present=True`` with nothing else is also what a matcher with a name only means.
    ``name`` may be a pseudo header: ``:method``, ``:authority``, ``:path``, ``:scheme`` (``host`` is read as ``:authority``).
    """

    name: bytes
    string: StringMatcher | None = None
    range: RangeMatcher | None = None
    present: bool | None = None
    invert: bool = False
    treat_missing_as_empty: bool = False


class PathMatchKind(Enum):
    """Which path specifier of ``route.v3.RouteMatch`` is set."""

    PREFIX = "prefix"
    PATH = "path"
    SAFE_REGEX = "safe_regex"
    PATH_SEPARATED_PREFIX = "path_separated_prefix"
    URI_TEMPLATE = "path_match_policy"
    CONNECT = "connect_matcher"


@dataclass(frozen=True, slots=True)
class QueryParameterMatcher:
    """``route.v3.QueryParameterMatcher``: of a repeated parameter the first value counts. Without ``string`` the parameter
    must be there (``present``) or must not be."""

    name: bytes
    string: StringMatcher | None = None
    present: bool = True


@dataclass(frozen=True, slots=True)
class CookieMatcher:
    """``route.v3.CookieMatcher``."""

    name: bytes
    string: StringMatcher
    invert: bool = False


@dataclass(frozen=True, slots=True)
class FractionalPercent:
    """``type.v3.FractionalPercent``. ``denominator`` is 100, 10,000 or 1,000,000; a numerator above it means always."""

    numerator: int
    denominator: int = 100


@dataclass(frozen=True, slots=True)
class RuntimeFraction:
    """``core.v3.RuntimeFractionalPercent``: what runtime says for ``runtime_key``, else ``default``."""

    default: FractionalPercent
    runtime_key: str = ""


@dataclass(frozen=True, slots=True)
class TlsContextMatch:
    """``RouteMatch.TlsContextMatchOptions``: a client certificate was ``presented``, and was found good (``validated``)."""

    presented: bool | None = None
    validated: bool | None = None


@dataclass(frozen=True, slots=True)
class DoubleMatcher:
    """``type.matcher.v3.DoubleMatcher``: exactly ``start`` when ``end`` is ``None``, else ``start <= value < end``."""

    start: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class ListMatcher:
    """``type.matcher.v3.ListMatcher``: one item of a list fits."""

    one_of: "ValueMatcher"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """``type.matcher.v3.OrMatcher``: one of the matchers fits."""

    matchers: tuple["ValueMatcher", ...]


@dataclass(frozen=True, slots=True)
class Presence:
    """``ValueMatcher.present_match``."""

    present: bool


ValueMatcher = None | bool | DoubleMatcher | StringMatcher | Presence | ListMatcher | AnyOf
"""``type.matcher.v3.ValueMatcher``; ``None`` is ``null_match``, a ``bool`` is ``bool_match``."""


@dataclass(frozen=True, slots=True)
class MetadataMatcher:
    """``type.matcher.v3.MetadataMatcher``: the value that the filter called ``filter`` left under ``path``."""

    filter: str
    path: tuple[str, ...]
    value: ValueMatcher
    invert: bool = False


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """``route.v3.RouteMatch``: every condition must hold. The path is compared without its query string.

    ``text`` is the template of a ``URI_TEMPLATE`` (``/books/{id}``) and empty for ``CONNECT``.
    """

    kind: PathMatchKind
    text: bytes
    case_sensitive: bool = True
    headers: tuple[HeaderMatcher, ...] = ()
    query_parameters: tuple[QueryParameterMatcher, ...] = ()
    cookies: tuple[CookieMatcher, ...] = ()
    runtime_fraction: RuntimeFraction | None = None
    grpc: bool = False
    tls_context: TlsContextMatch | None = None
    dynamic_metadata: tuple[MetadataMatcher, ...] = ()


class AppendAction(Enum):
    """``core.v3.HeaderValueOption.HeaderAppendAction``."""

    APPEND_IF_EXISTS_OR_ADD = "APPEND_IF_EXISTS_OR_ADD"
    ADD_IF_ABSENT = "ADD_IF_ABSENT"
    OVERWRITE_IF_EXISTS_OR_ADD = "OVERWRITE_IF_EXISTS_OR_ADD"
    OVERWRITE_IF_EXISTS = "OVERWRITE_IF_EXISTS"


@dataclass(frozen=True, slots=True)
class HeaderValueOption:
    """``core.v3.HeaderValueOption``: one header to add. ``value`` is a format (rule 3)."""

    name: bytes
    value: bytes
    action: AppendAction = AppendAction.APPEND_IF_EXISTS_OR_ADD
    keep_empty_value: bool = False


@dataclass(frozen=True, slots=True)
class HeaderMutations:
    """The four ``*_headers_to_add`` / ``*_headers_to_remove`` lists that weighted entries, routes, virtual hosts and
    route configurations all carry."""

    request_add: tuple[HeaderValueOption, ...] = ()
    request_remove: tuple[bytes, ...] = ()
    response_add: tuple[HeaderValueOption, ...] = ()
    response_remove: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class WeightedCluster:
    """``route.v3.WeightedCluster.ClusterWeight``. ``weight`` is relative to the sum of its siblings; 0 is never chosen.

    ``name`` is empty when ``cluster_header`` names the request header that names the cluster. ``metadata_match`` (the ``envoy.lb``
    values of the subset of hosts) is the route's with the entry's own over it.
    """

    name: str
    weight: int
    headers: HeaderMutations = HeaderMutations()
    cluster_header: bytes | None = None
    host_rewrite_literal: bytes | None = None
    filters: Mapping[str, FilterOverride] = field(default_factory=dict)
    metadata_match: Mapping[str, object] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class RegexRewrite:
    """``type.matcher.v3.RegexMatchAndSubstitute``: every match of *pattern* (RE2) in the path becomes *substitution*, in
    which ``\\1`` to ``\\9`` stand for groups and ``\\0`` for the whole match."""

    pattern: bytes
    substitution: bytes


class HashSource(Enum):
    """Which policy specifier of ``RouteAction.HashPolicy`` is set."""

    HEADER = "header"
    COOKIE = "cookie"
    SOURCE_IP = "connection_properties"
    QUERY_PARAMETER = "query_parameter"


@dataclass(frozen=True, slots=True)
class HashPolicy:
    """``RouteAction.HashPolicy``. ``name`` is that of the header, cookie or parameter.

    A cookie with a ``ttl`` (seconds; 0 makes a session cookie) is given to clients that come without it, for ``path`` and
    with the further ``attributes``. ``regex_rewrite`` changes a header's value before it is hashed. ``terminal``: policies
    behind this one do not count when it gave a hash.
    """

    source: HashSource
    name: bytes = b""
    terminal: bool = False
    ttl: float | None = None
    path: bytes = b""
    attributes: tuple[tuple[bytes, bytes], ...] = ()
    regex_rewrite: RegexRewrite | None = None


@dataclass(frozen=True, slots=True)
class RequestMirrorPolicy:
    """``RouteAction.RequestMirrorPolicy``: a copy of the request goes to ``cluster`` (or to the one that the request header
    ``cluster_header`` names), and its answer is thrown away. ``fraction`` ``None`` means every request."""

    cluster: str = ""
    cluster_header: bytes | None = None
    fraction: RuntimeFraction | None = None
    disable_shadow_host_suffix_append: bool = False
    host_rewrite_literal: bytes | None = None
    headers: HeaderMutations = HeaderMutations()


class InternalRedirectPredicate(Enum):
    """``extensions.internal_redirect``: what an internal redirect must satisfy."""

    PREVIOUS_ROUTES = "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig"
    SAFE_CROSS_SCHEME = "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig"
    ALLOW_LISTED_ROUTES = "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig"


@dataclass(frozen=True, slots=True)
class InternalRedirectPolicy:
    """``route.v3.InternalRedirectPolicy``: the proxy itself follows a redirect that the upstream answers with."""

    max_internal_redirects: int = 1
    redirect_response_codes: tuple[int, ...] = (302,)
    predicates: tuple[InternalRedirectPredicate, ...] = ()
    allowed_route_names: frozenset[str] = frozenset()
    """Of `InternalRedirectPredicate.ALLOW_LISTED_ROUTES`."""
    allow_cross_scheme_redirect: bool = False
    response_headers_to_copy: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class MaxStreamDuration:
    """``RouteAction.MaxStreamDuration``, seconds: how long an exchange may take as a whole.

    With ``grpc_timeout_header_max`` the client's ``grpc-timeout`` less ``grpc_timeout_header_offset`` counts, up to that (0: no
    bound); without it ``max_stream_duration`` does. ``None`` inherits the connection manager's, 0 switches it off.
    """

    max_stream_duration: float | None = None
    grpc_timeout_header_max: float | None = None
    grpc_timeout_header_offset: float = 0.0


@dataclass(frozen=True, slots=True)
class ConnectConfig:
    """``RouteAction.UpgradeConfig.ConnectConfig``: the CONNECT ends here, and what is in it goes upstream as plain TCP.

    ``proxy_protocol`` is the version (1, 2) of the PROXY header that the connection begins with. ``allow_post``: a POST is taken
    for a CONNECT.
    """

    proxy_protocol: int | None = None
    allow_post: bool = False


@dataclass(frozen=True, slots=True)
class UpgradeConfig:
    """``RouteAction.UpgradeConfig`` and ``HttpConnectionManager.UpgradeConfig``: may ``upgrade: <type>`` (lower case) pass?

    ``connect`` is set for a ``CONNECT`` that ends here.
    """

    type: bytes
    enabled: bool = True
    connect: ConnectConfig | None = None


@dataclass(frozen=True, slots=True)
class RouteAction:
    """``route.v3.RouteAction``: forward upstream.

    ``clusters`` holds one entry for ``cluster:`` (weight 1) or all entries of ``weighted_clusters:`` in file order; it is
    empty when ``cluster_header`` names the request header (or pseudo header) that names the cluster.
    ``random_value_header`` (``weighted_clusters.header_name``), ``use_hash_policy`` and ``runtime_key_prefix`` say how one of
    them is chosen. ``cluster_not_found_response_code`` is answered when ``cluster_header`` names none. At most one of the
    ``*_rewrite`` of the path (``path_rewrite_template`` is the policy ``uri_template``), and of the host, is set.
    ``timeout`` in seconds bounds the whole exchange from the end of the request; 0 means none (Envoy default: 15 s).
    ``idle_timeout`` in seconds, ``None`` to inherit the connection manager's ``stream_idle_timeout``.
    ``retry`` and ``hedge`` are the route's or, where it has none, the virtual host's. ``high_priority`` is ``priority: HIGH``.
    ``health_aware_weights``: an entry whose cluster has no healthy host gives its share to the others (not in Envoy).
    ``request_body_buffer_limit`` bounds in bytes what is kept of a body to send it again; ``None``: the connection's buffer limit.
    With ``max_grpc_timeout`` a gRPC request's ``timeout`` is its ``grpc-timeout`` less ``grpc_timeout_offset``, up to that (0: no bound).
    ``metadata_match`` is for ``cluster_header``; where ``clusters`` has entries, each has its own, with the route's merged in.
    ``hold`` is set while a release holds the route (not in Envoy): ``clusters`` are then its baseline and its canary, in this order,
    and how requests are shared between them is the release's to say at any moment, whatever their weights are.
    """

    clusters: tuple[WeightedCluster, ...]
    timeout: float = 15.0
    idle_timeout: float | None = None
    max_grpc_timeout: float | None = None
    grpc_timeout_offset: float = 0.0
    max_stream_duration: MaxStreamDuration | None = None
    prefix_rewrite: bytes | None = None
    regex_rewrite: RegexRewrite | None = None
    path_rewrite_template: bytes | None = None
    host_rewrite_literal: bytes | None = None
    host_rewrite_header: bytes | None = None
    host_rewrite_path_regex: RegexRewrite | None = None
    auto_host_rewrite: bool = False
    append_x_forwarded_host: bool = False
    cluster_header: bytes | None = None
    cluster_not_found_response_code: int = 503
    random_value_header: bytes | None = None
    use_hash_policy: bool = False
    runtime_key_prefix: str = ""
    hash_policy: tuple[HashPolicy, ...] = ()
    mirrors: tuple[RequestMirrorPolicy, ...] = ()
    internal_redirect: InternalRedirectPolicy | None = None
    upgrades: tuple[UpgradeConfig, ...] = ()
    retry: RetryPolicy | None = None
    hedge: HedgePolicy | None = None
    high_priority: bool = False
    health_aware_weights: bool = True
    request_body_buffer_limit: int | None = None
    metadata_match: Mapping[str, object] | None = field(default=None, hash=False)
    hold: "RouteHold | None" = None


@dataclass(frozen=True, slots=True)
class RedirectAction:
    """``route.v3.RedirectAction``. ``response_code`` is the number that goes on the wire (301, 302, 303, 307, 308)."""

    scheme_redirect: bytes | None = None
    https_redirect: bool = False
    host_redirect: bytes | None = None
    port_redirect: int | None = None
    path_redirect: bytes | None = None
    prefix_rewrite: bytes | None = None
    regex_rewrite: RegexRewrite | None = None
    response_code: int = 301
    strip_query: bool = False


@dataclass(frozen=True, slots=True)
class DirectResponseAction:
    """``route.v3.DirectResponseAction``: answered by the proxy itself; ``body`` was read when the configuration was.

    ``body_format`` makes the body from the request instead, with ``body`` as ``%LOCAL_REPLY_BODY%``.
    """

    status: int
    body: bytes = b""
    body_format: SubstitutionFormat | None = None


@dataclass(frozen=True, slots=True)
class WebResourceAction:
    """A ``twisted.web`` resource of this process serves the route (shifter's own; ``Route.filter_action``).

    ``resource`` is ``package.module:name`` of an ``IResource``, or of something callable that makes one.
    """

    resource: str


@dataclass(frozen=True, slots=True)
class Route:
    """``route.v3.Route``. ``place`` is ``file:line:column`` of the route, for messages and ``/config_dump``.

    ``filters`` is ``typed_per_filter_config`` by the name of the filter; ``metadata`` is ``filter_metadata``, as plain data.
    """

    match: RouteMatch
    action: RouteAction | RedirectAction | DirectResponseAction | WebResourceAction
    name: str = ""
    headers: HeaderMutations = HeaderMutations()
    filters: Mapping[str, FilterOverride] = field(default_factory=dict)
    metadata: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    tracing: "RouteTracing | None" = None
    place: str = field(default="", compare=False)


class TlsRequirement(Enum):
    """``VirtualHost.TlsRequirementType``: which requests that came without TLS are sent to https."""

    NONE = "NONE"
    EXTERNAL_ONLY = "EXTERNAL_ONLY"
    ALL = "ALL"


@dataclass(frozen=True, slots=True)
class VirtualCluster:
    """``route.v3.VirtualCluster``: requests that are counted under a name of their own; all ``headers`` must fit."""

    name: str
    headers: tuple[HeaderMatcher, ...]


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """``route.v3.VirtualHost``. ``domains`` are lower case: exact, ``*.suffix``, ``prefix.*`` or ``*``.

    ``mirrors`` hold for routes that have none of their own.
    """

    name: str
    domains: tuple[bytes, ...]
    routes: tuple[Route, ...]
    headers: HeaderMutations = HeaderMutations()
    require_tls: TlsRequirement = TlsRequirement.NONE
    virtual_clusters: tuple[VirtualCluster, ...] = ()
    mirrors: tuple[RequestMirrorPolicy, ...] = ()
    filters: Mapping[str, FilterOverride] = field(default_factory=dict)
    include_request_attempt_count: bool = False
    include_attempt_count_in_response: bool = False
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class RouteConfiguration:
    """``route.v3.RouteConfiguration``. ``mirrors`` hold for virtual hosts that have none of their own.

    ``most_specific_header_mutations_wins`` turns the order of the levels of header mutations around, so that what a route does
    comes last. ``ignore_path_parameters_in_path_matching``: a path is compared without ``;`` and what
    follows it in each segment.
    ``internal_only_headers`` are taken out of requests that come from outside.
    """

    name: str = ""
    virtual_hosts: tuple[VirtualHost, ...] = ()
    headers: HeaderMutations = field(default_factory=HeaderMutations)
    ignore_port_in_host_matching: bool = False
    most_specific_header_mutations_wins: bool = False
    ignore_path_parameters_in_path_matching: bool = False
    internal_only_headers: tuple[bytes, ...] = ()
    mirrors: tuple[RequestMirrorPolicy, ...] = ()
    filters: Mapping[str, FilterOverride] = field(default_factory=dict)
