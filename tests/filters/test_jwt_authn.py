"""Requests that must bring a token; answers are those of real Envoy 1.40."""

import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any

import jwt
import pytest

from shifter.filters.api import Reply
from shifter.filters.jwt_authn import JwtAuthnFactory
from shifter.model.http_filter import JwtAuthentication, JwtCombination, JwtHeader, JwtPerRoute, JwtProvider, JwtRequirement, JwtRule
from shifter.model.route import PathMatchKind, RouteMatch
from shifter.wire.events import RequestHead, first_value, values
from tests.support.filters import Bench, FakeStream, request

SECRET = b"0123456789abcdef" * 2
JWKS = json.dumps({"keys": [{"kty": "oct", "k": urlsafe_b64encode(SECRET).decode().rstrip("=")}]}).encode()
HOUR = 3600
BENCH_TIME = 1_000_000

FIRST = JwtProvider(
    JWKS,
    "issuer-a",
    frozenset(["svc"]),
    forward_payload_header=b"x-payload",
    claim_to_headers=((b"x-sub", "sub"), (b"x-deep", "a.b")),
    payload_in_metadata="payload",
)
SECOND = JwtProvider(
    JWKS, "issuer-b", forward=True, from_headers=(JwtHeader(b"x-tok", b"T "),), from_params=(b"tok",), from_cookies=(b"ck",)
)
A, B = JwtRequirement("a"), JwtRequirement("b")


def token(issuer: str = "issuer-a", **claims: Any) -> bytes:
    return jwt.encode({"iss": issuer, "sub": "ann", "aud": "svc", "exp": BENCH_TIME + HOUR} | claims, SECRET).encode()


def bearer(**claims: Any) -> bytes:
    return b"authorization: Bearer " + token(**claims)


def config(requires: JwtRequirement | None = A, **more: Any) -> JwtAuthentication:
    rule = JwtRule(RouteMatch(PathMatchKind.PREFIX, b"/"), requires)
    return JwtAuthentication({"a": FIRST, "b": SECOND}, (rule,), {"named": B}, **more)


def ask(head: RequestHead, settings: JwtAuthentication, route: JwtPerRoute | None = None) -> tuple[Reply | None, FakeStream]:
    bench = Bench()
    stream = FakeStream(head)
    one = JwtAuthnFactory(settings, bench.context).filter_for(stream, route)
    answer = one.on_request_head(head, True) if one is not None else None
    assert answer is None or isinstance(answer, Reply)
    return answer, stream


def refused(*fields: bytes, path: bytes = b"/a", requires: JwtRequirement | None = A) -> tuple[int, bytes] | None:
    answer, _ = ask(request(path, *fields), config(requires))
    return None if answer is None else (answer.status, answer.body)


def test_a_good_token_is_told_upstream_and_goes_no_further() -> None:
    head = request(b"/a", bearer(a={"b": [1]}), b"x-payload: forged", b"x-deep: forged")
    answer, stream = ask(head, config())
    assert answer is None
    assert first_value(head.block, b"authorization") is None
    assert values(head.block, b"x-sub") == [b"ann"]
    assert values(head.block, b"x-deep") == [b"WzFd"]
    assert values(head.block, b"x-payload") == [token(a={"b": [1]}).split(b".")[1]]
    assert head.metadata is not None
    assert head.metadata["envoy.filters.http.jwt_authn"]["payload"] == jwt.decode(
        token(a={"b": [1]}), options={"verify_signature": False, "verify_exp": False}
    )
    assert not stream.cleared


def test_without_a_token() -> None:
    answer, _ = ask(request(b"/a?x"), config())
    assert answer == Reply(
        401,
        b"Jwt is missing",
        b'\r\nwww-authenticate: Bearer realm="http://a.test/a?x"',
        details="jwt_authn_access_denied{Jwt_is_missing}",
    )


def test_with_a_bad_one_and_nothing_is_passed_on() -> None:
    head = request(b"/a", bearer(exp=1), b"x-sub: forged")
    answer, _ = ask(head, config())
    assert answer is not None and answer.fields.endswith(b', error="invalid_token"')
    assert answer.details == "jwt_authn_access_denied{Jwt_is_expired}"
    assert first_value(head.block, b"x-sub") is None


@pytest.mark.parametrize(
    ("field", "status", "reason"),
    [
        (bearer(issuer="zzz"), 401, b"Jwt issuer is not configured"),
        (bearer(aud="other"), 403, b"Audiences in Jwt are not allowed"),
        (bearer(nbf=BENCH_TIME + 100), 401, b"Jwt not yet valid"),
        (b"authorization: bearer " + token(), 401, b"Jwt is missing"),
        (b"authorization: Bearer " + token() + b"x", 401, b"Jwt verification fails"),
        (b"authorization: Bearer " + token() + b",more", 401, b"Jwt signature is an invalid Base64url encoded"),
    ],
)
def test_reasons(field: bytes, status: int, reason: bytes) -> None:
    assert refused(field) == (status, reason)


def test_tokens_are_looked_for_where_the_provider_says() -> None:
    good = token("issuer-b")
    assert refused(b"x-tok: T " + good, requires=B) is None
    assert refused(b"cookie: x=y; ck=" + good, requires=B) is None
    assert refused(path=b"/a?tok=" + good, requires=B) is None
    assert refused(b"authorization: Bearer " + good, requires=B) == (401, b"Jwt is missing")


def test_a_parameter_is_taken_out() -> None:
    head = request(b"/a?x=1&access_token=" + token() + b"&y=2")
    assert ask(head, config())[0] is None
    assert head.path == b"/a?x=1&y=2"
    head = request(b"/a?access_token=" + token())
    ask(head, config())
    assert head.path == b"/a"


def both(combination: JwtCombination, *parts: JwtRequirement) -> JwtRequirement:
    return JwtRequirement(combination=combination, parts=parts)


ANY, ALL = both(JwtCombination.ANY, A, B), both(JwtCombination.ALL, A, B)
MISSING, FAILED = JwtRequirement(allow_missing=True), JwtRequirement(allow_missing=True, allow_failed=True)


@pytest.mark.parametrize(
    ("requires", "fields", "answer"),
    [
        (ANY, [], (401, b"Jwt is missing")),
        (ANY, [b"x-tok: T " + token("issuer-b")], None),
        (ANY, [bearer(exp=1)], (401, b"Jwt is expired")),
        (ANY, [bearer(aud="q"), b"x-tok: T a.b.c"], (401, b"Jwt header is an invalid Base64url encoded")),
        (ALL, [bearer()], (401, b"Jwt is missing")),
        (ALL, [bearer(), b"x-tok: T " + token("issuer-b")], None),
        (both(JwtCombination.ANY, A, MISSING), [], None),
        (both(JwtCombination.ANY, A, MISSING), [bearer(exp=1)], (401, b"Jwt is expired")),
        (both(JwtCombination.ANY, A, FAILED), [bearer(exp=1)], None),
        (MISSING, [], None),
        (MISSING, [bearer()], None),
        (MISSING, [bearer(exp=1)], (401, b"Jwt is expired")),
        (FAILED, [bearer(exp=1)], None),
        (JwtRequirement("a", frozenset(["special"])), [bearer(aud="special")], None),
        (JwtRequirement("a", frozenset(["special"])), [bearer()], (403, b"Audiences in Jwt are not allowed")),
        (None, [], None),
    ],
)
def test_requirements(requires: JwtRequirement | None, fields: list[bytes], answer: object) -> None:
    assert refused(*fields, requires=requires) == answer


def test_routes_rules_and_preflights() -> None:
    open_to_all = request(b"/a", b"x-sub: forged")
    assert ask(open_to_all, config(), JwtPerRoute(disabled=True))[0] is None
    assert first_value(open_to_all.block, b"x-sub") is None
    without_claims = replace(FIRST, forward_payload_header=b"", claim_to_headers=())
    factory = JwtAuthnFactory(replace(config(), providers={"a": without_claims}), Bench().context)
    assert factory.filter_for(FakeStream(open_to_all), JwtPerRoute(disabled=True)) is None
    assert ask(request(b"/a", b"x-tok: T " + token("issuer-b")), config(), JwtPerRoute(requirement_name="named"))[0] is None
    assert ask(request(b"/a", bearer()), config(), JwtPerRoute(requirement_name="named"))[0] is not None
    assert ask(request(b"/a"), replace(config(), rules=()))[0] is None
    preflight = request(b"/a", b"origin: http://o", b"access-control-request-method: GET", method=b"OPTIONS")
    assert ask(preflight, config())[0] is not None
    preflight.block += b"\r\nx-sub: forged"
    assert ask(preflight, config(bypass_cors_preflight=True))[0] is None
    assert first_value(preflight.block, b"x-sub") is None
    assert ask(request(b"/a"), config(strip_failure_response=True))[0] == Reply(401, details="jwt_authn_access_denied{Jwt_is_missing}")


def test_of_several_tokens_the_last_is_looked_at_first_and_a_bad_one_ends_it() -> None:
    provider = replace(FIRST, from_headers=(JwtHeader(b"authorization", b"Bearer "),), from_cookies=(b"ck",))
    settings = replace(
        config(JwtRequirement(parts=(A, JwtRequirement(allow_failed=True)), combination=JwtCombination.ANY)), providers={"a": provider}
    )
    head = request(b"/a", bearer(), b"cookie: ck=")
    assert ask(head, settings)[0] is None
    assert first_value(head.block, b"authorization") is not None
    assert first_value(head.block, b"x-sub") is None


def test_metadata_of_headers_and_failures_and_the_route_that_may_change() -> None:
    provider = replace(FIRST, header_in_metadata="header", failed_status_in_metadata="why", clear_route_cache=True)
    settings = replace(config(), providers={"a": provider})
    head = request(b"/a", bearer())
    _, stream = ask(head, settings)
    assert stream.cleared == 1
    assert head.metadata is not None and head.metadata["envoy.filters.http.jwt_authn"]["header"] == {"alg": "HS256", "typ": "JWT"}
    head = request(b"/a", bearer(exp=1))
    ask(head, settings)
    assert head.metadata == {"envoy.filters.http.jwt_authn": {"why": {"code": 401, "message": "Jwt is expired"}}}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5, b"5"),
        (1.5, b"1.500000"),
        (True, b"true"),
        ({"x": 1}, b"eyJ4IjoxfQ=="),
        ("a\nb", None),
        (None, None),
        ("", None),
        ("a\tb", b"a\tb"),
    ],
)
def test_claims_as_fields(value: Any, shown: bytes | None) -> None:
    head = request(b"/a", bearer(a={"b": value}))
    ask(head, config())
    assert first_value(head.block, b"x-deep") == shown
