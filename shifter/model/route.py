"""Routes as Envoy's ``RouteConfiguration`` describes them; ``routing`` compiles them into something that answers fast.

Rule 1. Text that is compared with bytes of a request is kept as ``bytes`` (UTF-8); names for people are ``str``.
Rule 2. Header names are lower case. Durations are seconds; ``0.0`` means "no limit" wherever Envoy says so.
"""

from dataclasses import dataclass, field
from enum import Enum


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


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """``route.v3.RouteMatch``: every condition must hold. The path is compared without its query string."""

    kind: PathMatchKind
    text: bytes
    case_sensitive: bool = True
    headers: tuple[HeaderMatcher, ...] = ()


class AppendAction(Enum):
    """``core.v3.HeaderValueOption.HeaderAppendAction``."""

    APPEND_IF_EXISTS_OR_ADD = "APPEND_IF_EXISTS_OR_ADD"
    ADD_IF_ABSENT = "ADD_IF_ABSENT"
    OVERWRITE_IF_EXISTS_OR_ADD = "OVERWRITE_IF_EXISTS_OR_ADD"
    OVERWRITE_IF_EXISTS = "OVERWRITE_IF_EXISTS"


@dataclass(frozen=True, slots=True)
class HeaderValueOption:
    """``core.v3.HeaderValueOption``: one header to add. ``value`` is literal text (``%%`` already folded to ``%``)."""

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
    """``route.v3.WeightedCluster.ClusterWeight``. ``weight`` is relative to the sum of its siblings; 0 is never chosen."""

    name: str
    weight: int
    headers: HeaderMutations = HeaderMutations()


@dataclass(frozen=True, slots=True)
class RegexRewrite:
    """``type.matcher.v3.RegexMatchAndSubstitute``: every match of *pattern* (RE2) in the path becomes *substitution*, in
    which ``\\1`` to ``\\9`` stand for groups and ``\\0`` for the whole match."""

    pattern: bytes
    substitution: bytes


@dataclass(frozen=True, slots=True)
class RouteAction:
    """``route.v3.RouteAction``: forward upstream.

    ``clusters`` holds one entry for ``cluster:`` (weight 1) or all entries of ``weighted_clusters:`` in file order; it is
    empty when ``cluster_header`` names the request header (or pseudo header) that names the cluster.
    ``cluster_not_found_response_code`` is answered when that names none. At most one of ``prefix_rewrite`` and
    ``regex_rewrite``, and of ``host_rewrite_literal`` and ``host_rewrite_header``, is set.
    ``timeout`` in seconds bounds the whole exchange from the end of the request; 0 means none (Envoy default: 15 s).
    ``idle_timeout`` in seconds, ``None`` to inherit the connection manager's ``stream_idle_timeout``.
    """

    clusters: tuple[WeightedCluster, ...]
    timeout: float = 15.0
    idle_timeout: float | None = None
    prefix_rewrite: bytes | None = None
    regex_rewrite: RegexRewrite | None = None
    host_rewrite_literal: bytes | None = None
    host_rewrite_header: bytes | None = None
    append_x_forwarded_host: bool = False
    cluster_header: bytes | None = None
    cluster_not_found_response_code: int = 503


@dataclass(frozen=True, slots=True)
class RedirectAction:
    """``route.v3.RedirectAction``. ``response_code`` is the number that goes on the wire (301, 302, 303, 307, 308)."""

    scheme_redirect: bytes | None = None
    https_redirect: bool = False
    host_redirect: bytes | None = None
    port_redirect: int | None = None
    path_redirect: bytes | None = None
    prefix_rewrite: bytes | None = None
    response_code: int = 301
    strip_query: bool = False


@dataclass(frozen=True, slots=True)
class DirectResponseAction:
    """``route.v3.DirectResponseAction``: answered by the proxy itself; ``body`` was read when the configuration was."""

    status: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Route:
    """``route.v3.Route``. ``place`` is ``file:line:column`` of the route, for messages and ``/config_dump``."""

    match: RouteMatch
    action: RouteAction | RedirectAction | DirectResponseAction
    name: str = ""
    headers: HeaderMutations = HeaderMutations()
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """``route.v3.VirtualHost``. ``domains`` are lower case: exact, ``*.suffix``, ``prefix.*`` or ``*``."""

    name: str
    domains: tuple[bytes, ...]
    routes: tuple[Route, ...]
    headers: HeaderMutations = HeaderMutations()


@dataclass(frozen=True, slots=True)
class RouteConfiguration:
    """``route.v3.RouteConfiguration``."""

    name: str = ""
    virtual_hosts: tuple[VirtualHost, ...] = ()
    headers: HeaderMutations = field(default_factory=HeaderMutations)
    ignore_port_in_host_matching: bool = False
