"""Who may do what (``config.rbac.v3``), for the ``rbac`` filter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from shifter.model.route import HeaderMatcher, MetadataMatcher, StringMatcher


class RbacAction(Enum):
    """``RBAC.Action``. ``LOG`` lets everybody pass."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    LOG = "LOG"


class Address(Enum):
    """Whose address a `Cidr` is about."""

    DIRECT_REMOTE = "direct_remote_ip"
    REMOTE = "remote_ip"
    DESTINATION = "destination_ip"


@dataclass(frozen=True, slots=True)
class Anybody:
    """``any: true``."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """``and_rules``, ``and_ids``."""

    rules: tuple["Rule", ...]


@dataclass(frozen=True, slots=True)
class OneOfRules:
    """``or_rules``, ``or_ids``."""

    rules: tuple["Rule", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """``not_rule``, ``not_id``."""

    rule: "Rule"


@dataclass(frozen=True, slots=True)
class UrlPath:
    """``url_path``: the path without its query."""

    path: StringMatcher


@dataclass(frozen=True, slots=True)
class Cidr:
    """An address lies in ``prefix`` (as text, ``192.0.2.0/24``)."""

    address: Address
    prefix: str


@dataclass(frozen=True, slots=True)
class DestinationPort:
    """``destination_port`` and ``destination_port_range``: ``start <= port < end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Authenticated:
    """``authenticated``: a client certificate was validated, and its name fits; without TLS nobody's was."""

    name: StringMatcher | None = None


@dataclass(frozen=True, slots=True)
class RequestedServerName:
    """``requested_server_name``: the name in the TLS handshake, empty without TLS."""

    name: StringMatcher


Rule = (
    Anybody
    | AllOf
    | OneOfRules
    | Not
    | UrlPath
    | Cidr
    | DestinationPort
    | Authenticated
    | RequestedServerName
    | HeaderMatcher
    | MetadataMatcher
)
"""A ``Permission`` or a ``Principal``: both are conditions on a request."""


@dataclass(frozen=True, slots=True)
class Policy:
    """``rbac.v3.Policy``: one of the permissions and one of the principals fit."""

    permissions: tuple[Rule, ...]
    principals: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """``rbac.v3.RBAC``. ``policies`` are looked at in the order of their names."""

    action: RbacAction = RbacAction.ALLOW
    policies: Mapping[str, Policy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rbac:
    """``filters.http.rbac.v3.RBAC``, of the listener or of a route: ``rules`` decide, ``shadow_rules`` only count."""

    rules: Rules | None = None
    shadow_rules: Rules | None = None
    rules_stat_prefix: str = ""
    shadow_rules_stat_prefix: str = ""
