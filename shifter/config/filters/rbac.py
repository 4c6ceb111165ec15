"""``envoy.filters.http.rbac``."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import Field

from shifter.config.build_common import Sources, header_matcher, string_matcher
from shifter.config.build_match import metadata_matcher
from shifter.config.filters.base import FilterKind
from shifter.config.schema.base import Bool, Choice, Ignored, Message, Name, OneOf, Port, Text, Typed, UInt32, whole, word
from shifter.config.schema.core import StringMatcher
from shifter.config.schema.match import HeaderMatcher, MetadataMatcher
from shifter.model import rbac as model

_RULES = "envoy.config.rbac.v3."
_PACKAGE = "envoy.extensions.filters.http.rbac.v3."


class PathMatcher(Choice):
    """``type.matcher.v3.PathMatcher``."""

    envoy = "envoy.type.matcher.v3.PathMatcher"
    one_of = (OneOf(("path",), (), "nothing says what the path must be"),)

    path: StringMatcher | None = None


class CidrRange(Message):
    """``core.v3.CidrRange``."""

    envoy = "envoy.config.core.v3.CidrRange"

    address_prefix: Name
    prefix_len: UInt32 = 0


class Int32Range(Message):
    """``type.v3.Int32Range``."""

    envoy = "envoy.type.v3.Int32Range"

    start: Port = 0
    end: Annotated[int, Field(ge=0, le=65536), whole] = 0


class Permission(Choice):
    """``rbac.v3.Permission``."""

    envoy = _RULES + "Permission"
    one_of = (
        OneOf(
            (
                "any", "and_rules", "or_rules", "not_rule", "header", "url_path", "destination_ip", "destination_port",
                "destination_port_range", "metadata", "requested_server_name",
            ),
            ("matcher", "uri_template", "sourced_metadata"),
            "this permission says nothing",
        ),
    )  # fmt: skip

    any: Bool = False
    and_rules: "PermissionSet | None" = None
    or_rules: "PermissionSet | None" = None
    not_rule: "Permission | None" = None
    header: HeaderMatcher | None = None
    url_path: PathMatcher | None = None
    destination_ip: CidrRange | None = None
    destination_port: Port | None = None
    destination_port_range: Int32Range | None = None
    metadata: MetadataMatcher | None = None
    requested_server_name: StringMatcher | None = None


class PermissionSet(Message):
    """``Permission.Set``."""

    envoy = _RULES + "Permission.Set"

    rules: list[Permission] = Field(min_length=1)


class Authenticated(Message):
    """``Principal.Authenticated``."""

    envoy = _RULES + "Principal.Authenticated"

    principal_name: StringMatcher | None = None


class Principal(Choice):
    """``rbac.v3.Principal``."""

    envoy = _RULES + "Principal"
    one_of = (
        OneOf(
            ("any", "and_ids", "or_ids", "not_id", "authenticated", "direct_remote_ip", "remote_ip", "header", "url_path", "metadata"),
            ("source_ip", "filter_state", "sourced_metadata", "custom"),
            "this principal says nothing",
        ),
    )

    any: Bool = False
    and_ids: "PrincipalSet | None" = None
    or_ids: "PrincipalSet | None" = None
    not_id: "Principal | None" = None
    authenticated: Authenticated | None = None
    direct_remote_ip: CidrRange | None = None
    remote_ip: CidrRange | None = None
    header: HeaderMatcher | None = None
    url_path: PathMatcher | None = None
    metadata: MetadataMatcher | None = None


class PrincipalSet(Message):
    """``Principal.Set``."""

    envoy = _RULES + "Principal.Set"

    ids: list[Principal] = Field(min_length=1)


class Policy(Message):
    """``rbac.v3.Policy``."""

    envoy = _RULES + "Policy"

    permissions: list[Permission] = Field(min_length=1)
    principals: list[Principal] = Field(min_length=1)


class Rules(Message):
    """``config.rbac.v3.RBAC``."""

    envoy = _RULES + "RBAC"

    action: Annotated[model.RbacAction, word(model.RbacAction)] = model.RbacAction.ALLOW
    policies: dict[str, Policy] = Field(default_factory=dict)
    audit_logging_options: Ignored = None


class RbacFields(Message):
    """What the filter and a route say alike."""

    envoy = _PACKAGE + "RBAC"

    rules: Rules | None = None
    shadow_rules: Rules | None = None
    rules_stat_prefix: Text = ""
    shadow_rules_stat_prefix: Text = ""
    track_per_rule_stats: Ignored = None


class RBAC(RbacFields, Typed):
    """``filters.http.rbac.v3.RBAC``."""


class RBACPerRoute(Typed):
    """``filters.http.rbac.v3.RBACPerRoute``; empty it switches the filter off."""

    envoy = _PACKAGE + "RBACPerRoute"

    rbac: RbacFields | None = None


Permission.model_rebuild()
Principal.model_rebuild()


def build(config: RbacFields, sources: Sources) -> model.Rbac:
    """Return *config* as the model. Raises ``ValueError`` for a prefix of addresses that is none."""
    return model.Rbac(_rules(config.rules), _rules(config.shadow_rules), config.rules_stat_prefix, config.shadow_rules_stat_prefix)


def build_per_route(config: RBACPerRoute, sources: Sources) -> model.Rbac:
    """Return what a route says as the model. Raises ``ValueError`` as `build` does."""
    return build(config.rbac, sources) if config.rbac is not None else model.Rbac()


def _rules(config: Rules | None) -> model.Rules | None:
    if config is None:
        return None
    policies = {
        name: model.Policy(tuple(map(_permission, policy.permissions)), tuple(map(_principal, policy.principals)))
        for name, policy in config.policies.items()
    }
    return model.Rules(config.action, policies)


def _common(config: Permission | Principal) -> model.Rule | None:
    if config.header is not None:
        return header_matcher(config.header)
    if config.url_path is not None and config.url_path.path is not None:
        return model.UrlPath(string_matcher(config.url_path.path))
    if config.metadata is not None:
        return metadata_matcher(config.metadata)
    return None


def _permission(config: Permission) -> model.Rule:
    common = _common(config)
    if common is not None:
        return common
    if config.and_rules is not None:
        return model.AllOf(tuple(map(_permission, config.and_rules.rules)))
    if config.or_rules is not None:
        return model.OneOfRules(tuple(map(_permission, config.or_rules.rules)))
    if config.not_rule is not None:
        return model.Not(_permission(config.not_rule))
    if config.destination_ip is not None:
        return _cidr(model.Address.DESTINATION, config.destination_ip)
    if config.destination_port is not None:
        return model.DestinationPort(config.destination_port, config.destination_port + 1)
    if config.destination_port_range is not None:
        return model.DestinationPort(config.destination_port_range.start, config.destination_port_range.end)
    if config.requested_server_name is not None:
        return model.RequestedServerName(string_matcher(config.requested_server_name))
    if not config.any:
        raise ValueError("`any: false` says nothing: write any: true, or leave the permission out")
    return model.Anybody()


def _principal(config: Principal) -> model.Rule:
    common = _common(config)
    if common is not None:
        return common
    if config.and_ids is not None:
        return model.AllOf(tuple(map(_principal, config.and_ids.ids)))
    if config.or_ids is not None:
        return model.OneOfRules(tuple(map(_principal, config.or_ids.ids)))
    if config.not_id is not None:
        return model.Not(_principal(config.not_id))
    if config.authenticated is not None:
        name = config.authenticated.principal_name
        return model.Authenticated(string_matcher(name) if name is not None else None)
    if config.direct_remote_ip is not None:
        return _cidr(model.Address.DIRECT_REMOTE, config.direct_remote_ip)
    if config.remote_ip is not None:
        return _cidr(model.Address.REMOTE, config.remote_ip)
    if not config.any:
        raise ValueError("`any: false` says nothing: write any: true, or leave the principal out")
    return model.Anybody()


def _cidr(whose: model.Address, config: CidrRange) -> model.Cidr:
    prefix = f"{config.address_prefix}/{config.prefix_len}"
    try:
        ip_network(prefix, strict=False)
    except ValueError:
        raise ValueError(f"{prefix!r} is no prefix of IP addresses") from None
    return model.Cidr(whose, prefix)


KIND = FilterKind("envoy.filters.http.rbac", RBAC, build, RBACPerRoute, build_per_route)
