"""``envoy.filters.http.rbac``: who may do what.

Rule 1. A policy fits when one of its permissions and one of its principals do; the first that fits, in the order of their names, is
        the one that the access log names.
Rule 2. ``ALLOW`` lets pass whom a policy fits, ``DENY`` whom none does, ``LOG`` everybody. Shadow rules count and decide nothing.
Rule 3. A client is authenticated by a certificate that was validated, and by nothing else. Any of its names may be the one asked for:
        URIs, DNS names, the subject.
"""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import cast

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter, Reply, dynamic_metadata
from shifter.model.rbac import (
    Address,
    AllOf,
    Anybody,
    Authenticated,
    Cidr,
    DestinationPort,
    Not,
    OneOfRules,
    Rbac,
    RbacAction,
    RequestedServerName,
    Rule,
    Rules,
    UrlPath,
)
from shifter.model.route import HeaderMatcher, StringMatcher
from shifter.routing.match import compile_header, compile_string
from shifter.routing.match_path import compared_path
from shifter.routing.metadata import compile_metadata
from shifter.wire.events import RequestHead

_Test = Callable[[FilterStream], bool]
_PathOf = Callable[[bytes], bytes]


def _compile(rule: Rule, path_of: _PathOf) -> _Test:
    match rule:
        case Anybody():
            return lambda stream: True
        case AllOf(rules):
            tests = [_compile(one, path_of) for one in rules]
            return lambda stream: all(test(stream) for test in tests)
        case OneOfRules(rules):
            return _any(rules, path_of)
        case Not(inner):
            test = _compile(inner, path_of)
            return lambda stream: not test(stream)
        case UrlPath(path):
            fits = compile_string(path)
            return lambda stream: fits(path_of(stream.head.path))
        case Cidr(whose, prefix):
            return _address(whose, prefix)
        case DestinationPort(start, end):
            return lambda stream: start <= _port(stream.describe().local_address) < end
        case Authenticated(name):
            return _authenticated(name)
        case RequestedServerName(name):
            asked = compile_string(name)
            return lambda stream: asked(stream.describe().server_name.encode("latin-1", "replace"))
        case HeaderMatcher():
            fits_head = compile_header(rule)
            return lambda stream: fits_head(stream.head)
        case _:
            has = compile_metadata(rule)
            return lambda stream: has(stream.head)


def _any(rules: tuple[Rule, ...], path_of: _PathOf) -> _Test:
    tests = [_compile(one, path_of) for one in rules]
    return tests[0] if len(tests) == 1 else lambda stream: any(test(stream) for test in tests)


def _address(whose: Address, prefix: str) -> _Test:
    network = ip_network(prefix, strict=False)

    def lies_in(stream: FilterStream) -> bool:
        entry = stream.describe()
        text = {Address.DIRECT_REMOTE: entry.direct_peer, Address.REMOTE: entry.peer, Address.DESTINATION: entry.local_address}[whose]
        address = _host(text)
        return address is not None and address in network

    return lies_in


def _authenticated(name: StringMatcher | None) -> _Test:
    fits = compile_string(name) if name is not None else None

    def is_who_it_says(stream: FilterStream) -> bool:
        tls = stream.describe().tls
        certificate = tls.peer_certificate if tls is not None and tls.verified else None
        if certificate is None:
            return False
        if fits is None:
            return True
        names = (*certificate.uri_sans, *certificate.dns_sans, certificate.subject)
        return any(fits(one.encode("utf-8", "replace")) for one in names)

    return is_who_it_says


def _host(address: bytes) -> IPv4Address | IPv6Address | None:
    host, colon, _ = address.rpartition(b":")
    try:
        return ip_address((host if colon else address).strip(b"[]").decode("ascii"))
    except ValueError:
        return None


def _port(address: bytes) -> int:
    port = address.rpartition(b":")[2]
    return int(port) if port.isdigit() else 0


class _Engine:
    """A set of rules, compiled."""

    __slots__ = ("_policies", "action")

    def __init__(self, rules: Rules, path_of: _PathOf) -> None:
        self.action = rules.action
        policies: Mapping[str, tuple[_Test, _Test]] = {
            name: (_any(policy.permissions, path_of), _any(policy.principals, path_of)) for name, policy in rules.policies.items()
        }
        self._policies = sorted(policies.items())

    def judge(self, stream: FilterStream) -> tuple[bool, str]:
        """Say whether the request may pass, and which policy fits it (``none`` when none does)."""
        found = next((name for name, (may, who) in self._policies if may(stream) and who(stream)), None)
        allowed = self.action is RbacAction.LOG or (found is not None) is (self.action is RbacAction.ALLOW)
        return allowed, found if found is not None else "none"


class _Decision:
    """A configuration, compiled."""

    __slots__ = ("config", "context", "rules", "shadow")

    def __init__(self, config: Rbac, context: FactoryContext) -> None:
        self.config = config
        self.context = context
        path_of = compared_path(context.ignore_path_parameters)
        self.rules = _Engine(config.rules, path_of) if config.rules is not None else None
        self.shadow = _Engine(config.shadow_rules, path_of) if config.shadow_rules is not None else None


class RbacFactory(FilterFactory[Rbac]):
    """Makes `RbacFilter`."""

    def __init__(self, config: Rbac, context: FactoryContext) -> None:
        super().__init__(config, context)
        self._decision = _Decision(config, context)

    def compile_override(self, config: object) -> object:
        return _Decision(cast(Rbac, config), self.context)

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        decision = self._decision if override is None else cast(_Decision, override)
        return RbacFilter(decision, stream) if decision.rules is not None or decision.shadow is not None else None


class RbacFilter(HttpFilter):
    """See the module."""

    __slots__ = ("_decision", "_stream")

    def __init__(self, decision: _Decision, stream: FilterStream) -> None:
        self._decision = decision
        self._stream = stream

    def on_request_head(self, head: RequestHead, end: bool) -> Reply | None:
        decision = self._decision
        config, context = decision.config, decision.context
        if decision.shadow is not None:
            allowed, policy = decision.shadow.judge(self._stream)
            self._remember(head, "shadow_", config.shadow_rules_stat_prefix, allowed, policy)
            context.count(f"rbac.{config.shadow_rules_stat_prefix}shadow_{'allowed' if allowed else 'denied'}")
        if decision.rules is None:
            return None
        allowed, policy = decision.rules.judge(self._stream)
        if decision.rules.action is RbacAction.LOG:
            dynamic_metadata(head, "envoy.common")["access_log_hint"] = policy != "none"
        context.count(f"rbac.{config.rules_stat_prefix}{'allowed' if allowed else 'denied'}")
        if allowed:
            return None
        return Reply(403, b"RBAC: access denied", details=f"rbac_access_denied_matched_policy[{policy.replace(' ', '_')}]")

    @staticmethod
    def _remember(head: RequestHead, kind: str, prefix: str, allowed: bool, policy: str) -> None:
        kept = dynamic_metadata(head, "envoy.filters.http.rbac")
        kept[f"{prefix}{kind}engine_result"] = "allowed" if allowed else "denied"
        if policy != "none":
            kept[f"{prefix}{kind}effective_policy_id"] = policy
