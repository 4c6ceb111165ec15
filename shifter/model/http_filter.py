"""The configurations of the built-in HTTP filters, one dataclass each, and of what routes say about them where that differs.

Names and meaning are those of Envoy's ``extensions.filters.http``. Durations are seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from shifter.model.route import (
    FractionalPercent,
    HeaderMatcher,
    HeaderValueOption,
    RegexRewrite,
    RouteMatch,
    RuntimeFraction,
    StringMatcher,
)


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """``basic_auth.v3.BasicAuth``, and ``BasicAuthPerRoute``, which says ``users`` only.

    ``users`` are SHA-1 digests by name. ``forward_username_header`` tells the upstream who it was;
    ``authentication_header`` is looked into in place of ``authorization``.
    """

    users: Mapping[bytes, bytes]
    forward_username_header: bytes = b""
    authentication_header: bytes = b""


@dataclass(frozen=True, slots=True)
class Buffer:
    """``buffer.v3.Buffer``, and ``BufferPerRoute``, which may be ``disabled``: requests go on when their body is whole."""

    max_request_bytes: int
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class GrpcWeb:
    """``grpc_web.v3.GrpcWeb``."""


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """``type.v3.TokenBucket``: ``tokens_per_fill`` tokens come in evenly over each ``fill_interval``, and no more than
    ``max_tokens`` stay."""

    max_tokens: int
    fill_interval: float
    tokens_per_fill: int = 1


NONE = FractionalPercent(0)
NEVER = RuntimeFraction(NONE)


@dataclass(frozen=True, slots=True)
class LocalRateLimit:
    """``local_ratelimit.v3.LocalRateLimit``, of the listener or of a route.

    Without ``token_bucket`` nothing is limited. Of the share ``filter_enabled`` tokens are taken, and of the share
    ``filter_enforced`` of those that got none are answered with ``status``; the rest goes on, with
    ``request_headers_to_add_when_not_enforced``.
    """

    stat_prefix: str
    token_bucket: TokenBucket | None = None
    filter_enabled: RuntimeFraction = NEVER
    filter_enforced: RuntimeFraction = NEVER
    status: int = 429
    response_headers_to_add: tuple[HeaderValueOption, ...] = ()
    request_headers_to_add_when_not_enforced: tuple[HeaderValueOption, ...] = ()
    x_ratelimit_headers: bool = False
    rate_limited_as_resource_exhausted: bool = False


class Compression(Enum):
    """The ``compressor_library``; the value is the content coding (RFC 9110 section 8.4.1)."""

    GZIP = "gzip"
    BROTLI = "br"
    ZSTD = "zstd"


COMPRESSED_TYPES = frozenset(
    b"application/ecmascript application/javascript application/json application/x-javascript application/x-json application/xhtml+xml "
    b"application/xml image/svg+xml text/css text/ecmascript text/html text/javascript text/js text/jscript text/plain "
    b"text/x-javascript text/x-js text/xml".split()
)
"""Media types that are compressed unless a configuration names others."""


@dataclass(frozen=True, slots=True)
class CompressorDirection:
    """``Compressor.CommonDirectionConfig`` and the two messages that hold it."""

    enabled: bool = True
    runtime_key: str = ""
    min_content_length: int = 30
    content_types: frozenset[bytes] = COMPRESSED_TYPES
    disable_on_etag_header: bool = False
    remove_accept_encoding_header: bool = False
    uncompressible_response_codes: frozenset[int] = frozenset()
    status_header_enabled: bool = False


@dataclass(frozen=True, slots=True)
class Compressor:
    """``compressor.v3.Compressor``. ``level``, ``window`` (base-2 logarithm of bytes), ``memory`` (1 to 9) and ``strategy`` are
    zlib's, ``level`` and ``window`` also the others'; ``None`` is the library's default. ``library_name`` is part of the names of
    its counters. ``request`` is ``None`` where requests are left alone."""

    compression: Compression
    library_name: str = ""
    level: int | None = None
    window: int | None = None
    memory: int | None = None
    strategy: int = 0
    response: CompressorDirection | None = CompressorDirection()
    request: CompressorDirection | None = None
    choose_first: bool = False


@dataclass(frozen=True, slots=True)
class CompressorPerRoute:
    """``compressor.v3.CompressorPerRoute``: what is ``None`` is left as it is."""

    disabled: bool = False
    remove_accept_encoding_header: bool | None = None


@dataclass(frozen=True, slots=True)
class JwtHeader:
    """``jwt_authn.v3.JwtHeader``: a token is in the field ``name``, behind ``value_prefix``."""

    name: bytes
    value_prefix: bytes = b""


@dataclass(frozen=True, slots=True)
class JwtProvider:
    """``jwt_authn.v3.JwtProvider``. ``jwks`` is a JWK set (RFC 7517 section 5) or a certificate in PEM, as it was read.

    Where neither headers, parameters nor cookies are named, a token is looked for in ``authorization: Bearer`` and in the
    query parameter ``access_token``. ``claim_to_headers`` are (header, claim). Times are seconds.
    """

    jwks: bytes
    issuer: str = ""
    audiences: frozenset[str] = frozenset()
    subject: StringMatcher | None = None
    require_expiration: bool = False
    max_lifetime: float | None = None
    clock_skew: float = 60.0
    forward: bool = False
    from_headers: tuple[JwtHeader, ...] = ()
    from_params: tuple[bytes, ...] = ()
    from_cookies: tuple[bytes, ...] = ()
    forward_payload_header: bytes = b""
    pad_forward_payload_header: bool = False
    payload_in_metadata: str = ""
    header_in_metadata: str = ""
    failed_status_in_metadata: str = ""
    claim_to_headers: tuple[tuple[bytes, str], ...] = ()
    clear_route_cache: bool = False


class JwtCombination(Enum):
    """How a `JwtRequirement` with several parts is met."""

    ANY = "requires_any"
    ALL = "requires_all"


@dataclass(frozen=True, slots=True)
class JwtRequirement:
    """``jwt_authn.v3.JwtRequirement``: one provider (with audiences of its own, if any), or ``parts``, of which any or all
    must be met. ``allow_missing``: no token is good, too; ``allow_failed``: so is a bad one."""

    provider: str = ""
    audiences: frozenset[str] = frozenset()
    combination: JwtCombination | None = None
    parts: tuple["JwtRequirement", ...] = ()
    allow_missing: bool = False
    allow_failed: bool = False


@dataclass(frozen=True, slots=True)
class JwtRule:
    """``jwt_authn.v3.RequirementRule``: requests that fit ``match`` must meet ``requires``; ``None`` asks for nothing."""

    match: RouteMatch
    requires: JwtRequirement | None = None


@dataclass(frozen=True, slots=True)
class JwtAuthentication:
    """``jwt_authn.v3.JwtAuthentication``: the first rule that fits counts. ``requirement_map`` holds what routes may name."""

    providers: Mapping[str, JwtProvider] = field(default_factory=dict)
    rules: tuple[JwtRule, ...] = ()
    requirement_map: Mapping[str, JwtRequirement] = field(default_factory=dict)
    bypass_cors_preflight: bool = False
    strip_failure_response: bool = False


@dataclass(frozen=True, slots=True)
class JwtPerRoute:
    """``jwt_authn.v3.PerRouteConfig``."""

    disabled: bool = False
    requirement_name: str = ""


Mutation = HeaderValueOption | bytes | StringMatcher
"""``common.mutation_rules.v3.HeaderMutation``: ``append``, ``remove`` (a name, lower case), or ``remove_on_match``."""


@dataclass(frozen=True, slots=True)
class Mutations:
    """``header_mutation.v3.Mutations``, each list in its order."""

    request: tuple[Mutation, ...] = ()
    response: tuple[Mutation, ...] = ()
    request_trailers: tuple[Mutation, ...] = ()
    response_trailers: tuple[Mutation, ...] = ()


@dataclass(frozen=True, slots=True)
class HeaderMutation:
    """``header_mutation.v3.HeaderMutation``, and ``HeaderMutationPerRoute``, which adds to it."""

    mutations: Mutations = Mutations()
    most_specific_wins: bool = False


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """``health_check.v3.HealthCheck``: requests that all ``headers`` fit are health checks of this proxy itself.

    Without ``pass_through`` it answers them; with it the upstream does, at most once in ``cache_time`` seconds.
    """

    pass_through: bool
    headers: tuple[HeaderMatcher, ...] = ()
    cache_time: float = 0.0


ALWAYS = RuntimeFraction(FractionalPercent(100))


@dataclass(frozen=True, slots=True)
class Cors:
    """``cors.v3.Cors``: nothing to say; routes say all."""


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """``cors.v3.CorsPolicy`` of a route. Texts are what the answer's fields say, empty for none.

    With ``forward_not_matching_preflights`` a preflight from an origin that is not allowed goes upstream.
    """

    allow_origin: tuple[StringMatcher, ...] = ()
    allow_methods: bytes = b""
    allow_headers: bytes = b""
    expose_headers: bytes = b""
    max_age: bytes = b""
    allow_credentials: bool | None = None
    allow_private_network_access: bool | None = None
    forward_not_matching_preflights: bool = True
    filter_enabled: RuntimeFraction = ALWAYS
    shadow_enabled: RuntimeFraction = NEVER


@dataclass(frozen=True, slots=True)
class CsrfPolicy:
    """``csrf.v3.CsrfPolicy``, of the listener or of a route. ``shadow_enabled`` counts and lets pass."""

    filter_enabled: RuntimeFraction
    shadow_enabled: RuntimeFraction = NEVER
    additional_origins: tuple[StringMatcher, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """``fault.v3.HTTPFault``, of the listener or of a route: delays and wrong answers on purpose.

    ``delay`` in seconds, ``http_status`` or ``grpc_status``, and ``limit_kbps`` (KiB in a second) are what is done to the share
    beside each; ``None`` where nothing is. The ``*_by_header`` let a request say it itself (``x-envoy-fault-…``), and say which
    share of such requests it happens to, up to the configured one. Only requests to ``upstream_cluster`` and those that
    ``headers`` fit are meant, and no more than ``max_active_faults`` at a time. The ``*_runtime`` are keys.
    """

    delay: float | None = None
    delay_share: FractionalPercent = NONE
    delay_by_header: bool = False
    http_status: int | None = None
    grpc_status: int | None = None
    abort_share: FractionalPercent = NONE
    abort_by_header: bool = False
    limit_kbps: int | None = None
    limit_share: FractionalPercent = NONE
    limit_by_header: bool = False
    upstream_cluster: str = ""
    headers: tuple[HeaderMatcher, ...] = ()
    max_active_faults: int | None = None
    delay_percent_runtime: str = "fault.http.delay.fixed_delay_percent"
    delay_duration_runtime: str = "fault.http.delay.fixed_duration_ms"
    abort_percent_runtime: str = "fault.http.abort.abort_percent"
    abort_http_status_runtime: str = "fault.http.abort.http_status"
    abort_grpc_status_runtime: str = "fault.http.abort.grpc_status"
    limit_percent_runtime: str = "fault.http.rate_limit.response_percent"
    max_active_faults_runtime: str = "fault.http.max_active_faults"


class MetadataType(Enum):
    """``header_to_metadata.v3.Config.ValueType``."""

    STRING = "STRING"
    NUMBER = "NUMBER"


@dataclass(frozen=True, slots=True)
class MetadataValue:
    """``Config.KeyValuePair``: ``value``, or what the field says (rewritten, decoded), goes under ``key`` of ``namespace``."""

    key: str
    namespace: str = "envoy.filters.http.header_to_metadata"
    value: str = ""
    rewrite: RegexRewrite | None = None
    type: MetadataType = MetadataType.STRING
    base64: bool = False


@dataclass(frozen=True, slots=True)
class MetadataRule:
    """``Config.Rule``, for a header or a cookie; ``remove`` takes the header out."""

    header: bytes = b""
    cookie: bytes = b""
    present: MetadataValue | None = None
    missing: MetadataValue | None = None
    remove: bool = False


@dataclass(frozen=True, slots=True)
class HeaderToMetadata:
    """``header_to_metadata.v3.Config``, of the listener or of a route."""

    request_rules: tuple[MetadataRule, ...] = ()
    response_rules: tuple[MetadataRule, ...] = ()
