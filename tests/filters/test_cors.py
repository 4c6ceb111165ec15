"""What a browser is told about other origins; answers are those of real Envoy 1.40."""

from dataclasses import replace

import pytest

from shifter.filters.api import HttpFilter, Reply
from shifter.filters.cors import CorsFactory
from shifter.model.http_filter import ALWAYS, NEVER, Cors, CorsPolicy
from shifter.model.route import StringMatcher, StringMatchKind
from shifter.wire.events import RequestHead, ResponseHead
from tests.support.filters import Bench, FakeStream, request

ORIGINS = (StringMatcher(StringMatchKind.EXACT, b"http://good.test"), StringMatcher(StringMatchKind.SUFFIX, b".ok.test"))
POLICY = CorsPolicy(ORIGINS, b"GET, PUT", b"x-a", b"x-b", b"600", True)
PREFLIGHT = b"access-control-request-method: GET"


def made(head: RequestHead, policy: CorsPolicy | None = POLICY, bench: Bench | None = None) -> HttpFilter | None:
    factory = CorsFactory(Cors(), (bench or Bench()).context)
    return factory.filter_for(FakeStream(head), factory.compile_override(policy) if policy is not None else None)


def passed(head: RequestHead, policy: CorsPolicy = POLICY, fields: bytes = b"") -> bytes:
    one = made(head, policy)
    assert one is not None and one.on_request_head(head, True) is None
    answer = ResponseHead(200, fields)
    one.on_response_head(answer, True)
    return answer.block


def test_two_origins_are_none_that_is_allowed() -> None:
    head = request(b"/", b"origin: http://good.test", b"origin: http://bad.test")
    assert passed(head) == b""


def test_a_preflight_from_an_allowed_origin_is_answered() -> None:
    bench = Bench()
    head = request(b"/", b"origin: http://good.test", PREFLIGHT, method=b"OPTIONS")
    one = made(head, bench=bench)
    assert one is not None
    reply = one.on_request_head(head, True)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.details) == (200, "cors_response")
    assert reply.fields.split(b"\r\n")[1:] == [
        b"access-control-allow-origin: http://good.test",
        b"access-control-allow-credentials: true",
        b"access-control-allow-methods: GET, PUT",
        b"access-control-allow-headers: x-a",
        b"access-control-max-age: 600",
        b"access-control-expose-headers: x-b",
    ]
    assert bench.counters == {"cors.origin_valid": 1}


def test_one_from_another_goes_on_unless_the_policy_says_otherwise() -> None:
    head = request(b"/", b"origin: http://bad.test", PREFLIGHT, method=b"OPTIONS")
    assert passed(head) == b""
    one = made(head, replace(POLICY, forward_not_matching_preflights=False))
    assert one is not None
    reply = one.on_request_head(head, True)
    assert isinstance(reply, Reply) and b"allow-origin" not in reply.fields and b"allow-methods" in reply.fields


def test_a_request_from_an_allowed_origin_gets_its_fields_and_the_upstreams_do_not_count() -> None:
    expected = (
        b"\r\naccess-control-allow-origin: http://x.ok.test\r\naccess-control-allow-credentials: true\r\naccess-control-expose-headers: x-b"
    )
    assert passed(request(b"/", b"origin: http://x.ok.test"), fields=b"\r\naccess-control-allow-origin: *") == expected
    assert passed(request(b"/", b"origin: http://x.ok.test", method=b"OPTIONS")) == expected
    assert passed(request(b"/", b"origin: http://bad.test"), fields=b"\r\nx: y") == b"\r\nx: y"


def test_a_star_allows_every_origin_and_private_networks_are_said() -> None:
    star = CorsPolicy((StringMatcher(StringMatchKind.EXACT, b"*"),), b"GET", allow_private_network_access=True)
    head = request(b"/", b"origin: http://any", PREFLIGHT, b"access-control-request-private-network: true", method=b"OPTIONS")
    one = made(head, star)
    assert one is not None
    reply = one.on_request_head(head, True)
    assert isinstance(reply, Reply) and reply.fields.endswith(b"access-control-allow-private-network: true")


@pytest.mark.parametrize(("shadow", "counted"), [(ALWAYS, {"cors.origin_valid": 1}), (NEVER, {})])
def test_in_the_shadow_it_only_counts(shadow: object, counted: dict[str, int]) -> None:
    bench = Bench()
    head = request(b"/", b"origin: http://good.test", PREFLIGHT, method=b"OPTIONS")
    one = made(head, replace(POLICY, filter_enabled=NEVER, shadow_enabled=shadow), bench)
    assert one is not None and one.on_request_head(head, True) is None
    assert bench.counters == counted


def test_without_policy_or_origin_there_is_no_filter() -> None:
    assert made(request(b"/", b"origin: http://good.test"), None) is None
    assert made(request(b"/")) is None


def test_what_a_preflight_from_elsewhere_is_told() -> None:
    head = request(b"/", b"origin: http://bad.test", PREFLIGHT, method=b"OPTIONS")
    one = made(head, replace(POLICY, forward_not_matching_preflights=False))
    assert one is not None
    reply = one.on_request_head(head, True)
    assert isinstance(reply, Reply)
    assert b"access-control-allow-origin" not in reply.fields and b"access-control-expose-headers" not in reply.fields
    assert b"\r\naccess-control-allow-credentials: true" in reply.fields
