"""Who may do what; answers are those of real Envoy 1.40."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from shifter.filters.api import Reply
from shifter.filters.rbac import RbacFactory
from shifter.model.rbac import (
    Address,
    AllOf,
    Anybody,
    Authenticated,
    Cidr,
    DestinationPort,
    Not,
    OneOfRules,
    Policy,
    Rbac,
    RbacAction,
    RequestedServerName,
    Rule,
    Rules,
    UrlPath,
)
from shifter.model.route import HeaderMatcher, MetadataMatcher, StringMatcher, StringMatchKind
from shifter.observe.logentry import LogEntry
from shifter.wire.events import RequestHead
from tests.support.filters import Bench, FakeStream, request

ANY = (Anybody(),)


def exact(text: bytes) -> StringMatcher:
    return StringMatcher(StringMatchKind.EXACT, text)


class Placed(FakeStream):
    """A request whose addresses are known."""

    def describe(self) -> LogEntry:
        entry = super().describe()
        entry.peer, entry.direct_peer, entry.local_address = b"192.0.2.7:5000", b"[2001:db8::1]:6000", b"10.1.2.3:8080"
        return entry


def ask(config: Rbac, head: RequestHead | None = None, bench: Bench | None = None) -> Any:
    head = head or request(b"/a?x=1")
    one = RbacFactory(config, (bench or Bench()).context).filter_for(Placed(head), None)
    return None if one is None else one.on_request_head(head, True)


def denied(policy: str = "none") -> Reply:
    return Reply(403, b"RBAC: access denied", details=f"rbac_access_denied_matched_policy[{policy}]")


ROLE = HeaderMatcher(b"x-role", exact(b"admin"))
ADMIN = UrlPath(StringMatcher(StringMatchKind.PREFIX, b"/admin"))
RULES = Rules(policies={"admins": Policy((ADMIN,), (ROLE,)), "public": Policy((Not(ADMIN),), ANY)})


def test_allow_lets_pass_whom_a_policy_fits() -> None:
    bench = Bench()
    assert ask(Rbac(RULES), request(b"/x"), bench) is None
    assert ask(Rbac(RULES), request(b"/admin"), bench) == denied()
    assert ask(Rbac(RULES), request(b"/admin", b"x-role: admin"), bench) is None
    assert bench.counters == {"rbac.allowed": 2, "rbac.denied": 1}


def test_deny_lets_pass_whom_none_fits_and_names_the_policy() -> None:
    rules = Rules(RbacAction.DENY, {"b c": Policy(ANY, (ROLE,)), "z": Policy(ANY, (ROLE,))})
    assert ask(Rbac(rules), request(b"/", b"x-role: admin")) == denied("b_c")
    assert ask(Rbac(rules)) is None


def test_log_lets_everybody_pass_and_leaves_a_hint() -> None:
    head = request(b"/", b"x-role: admin")
    assert ask(Rbac(Rules(RbacAction.LOG, {"l": Policy(ANY, (ROLE,))})), head) is None
    assert head.metadata == {"envoy.common": {"access_log_hint": True}}


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (Cidr(Address.REMOTE, "192.0.2.0/24"), True),
        (Cidr(Address.REMOTE, "192.0.3.0/24"), False),
        (Cidr(Address.DIRECT_REMOTE, "2001:db8::/32"), True),
        (Cidr(Address.DIRECT_REMOTE, "192.0.2.0/24"), False),
        (Cidr(Address.DESTINATION, "10.0.0.0/8"), True),
        (DestinationPort(8080, 8081), True),
        (DestinationPort(1, 8080), False),
        (UrlPath(exact(b"/a")), True),
        (AllOf((Anybody(), UrlPath(exact(b"/b")))), False),
        (OneOfRules((UrlPath(exact(b"/b")), Anybody())), True),
        (Not(Anybody()), False),
        (Authenticated(), False),
        (Authenticated(exact(b"me")), False),
        (RequestedServerName(exact(b"")), True),
        (RequestedServerName(exact(b"a.test")), False),
        (HeaderMatcher(b":method", exact(b"GET")), True),
        (MetadataMatcher("ns", ("role",), exact(b"admin")), True),
        (MetadataMatcher("ns", ("role",), exact(b"user")), False),
    ],
)
def test_rules(rule: Rule, fits: bool) -> None:
    for config in (Policy((rule,), ANY), Policy(ANY, (rule,))):
        head = request(b"/a?x=1")
        head.metadata = {"ns": {"role": "admin"}}
        assert (ask(Rbac(Rules(policies={"p": config})), head) is None) is fits


CERTIFICATE = SimpleNamespace(uri_sans=["spiffe://x/me"], dns_sans=["me.test"], subject="CN=me")


@pytest.mark.parametrize(
    ("rule", "certificate", "verified", "fits"),
    [
        (Authenticated(), CERTIFICATE, True, True),
        (Authenticated(), CERTIFICATE, False, False),
        (Authenticated(), None, False, False),
        *((Authenticated(exact(name)), CERTIFICATE, True, True) for name in (b"spiffe://x/me", b"me.test", b"CN=me")),
        (Authenticated(exact(b"me")), CERTIFICATE, True, False),
        (Authenticated(exact(b"me.test")), CERTIFICATE, False, False),
        (RequestedServerName(exact(b"a.test")), None, False, True),
        (RequestedServerName(exact(b"b.test")), None, False, False),
    ],
)
def test_clients_with_tls(rule: Rule, certificate: object, verified: bool, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = SimpleNamespace(peer_certificate=certificate, verified=verified)
    entry = LogEntry(0.0, b"GET", b"/", b"a")
    entry.tls, entry.server_name = session, "a.test"
    monkeypatch.setattr(Placed, "describe", lambda stream: entry)
    assert (ask(Rbac(Rules(policies={"p": Policy(ANY, (rule,))}))) is None) is fits


@pytest.mark.parametrize(("path", "without_parameters"), [(b"/a;x", True), (b"/a;x?y", True), (b"/;x/a", False), (b"/a/;x", False)])
def test_a_path_is_compared_as_routes_compare_it(path: bytes, without_parameters: bool) -> None:
    config = Rbac(rules=Rules(policies={"p": Policy((UrlPath(exact(b"/a")),), ANY)}, action=RbacAction.DENY))
    bench = Bench()
    assert ask(config, request(path), bench) is None
    bench.context = replace(bench.context, ignore_path_parameters=True)
    assert (ask(config, request(path), bench) is not None) is without_parameters


def test_shadow_rules_count_and_remember() -> None:
    bench = Bench()
    head = request()
    shadow = Rules(RbacAction.DENY, {"sh": Policy(ANY, ANY)})
    assert ask(Rbac(shadow_rules=shadow, shadow_rules_stat_prefix="try_"), head, bench) is None
    assert bench.counters == {"rbac.try_shadow_denied": 1}
    assert head.metadata == {"envoy.filters.http.rbac": {"try_shadow_engine_result": "denied", "try_shadow_effective_policy_id": "sh"}}


def test_a_route_decides_for_itself_or_switches_it_off() -> None:
    factory = RbacFactory(Rbac(RULES), Bench().context)
    assert factory.filter_for(Placed(request(b"/admin")), factory.compile_override(Rbac())) is None
    open_rules = Rbac(Rules(policies={"all": Policy(ANY, ANY)}))
    one = factory.filter_for(Placed(request(b"/admin")), factory.compile_override(open_rules))
    assert one is not None and one.on_request_head(request(b"/admin"), True) is None
