"""Requests that come from pages of other sites; answers are those of real Envoy 1.40."""

import pytest

from shifter.filters.api import Reply
from shifter.filters.csrf import CsrfFactory, source_of
from shifter.model.http_filter import ALWAYS, NEVER, CsrfPolicy
from shifter.model.route import StringMatcher, StringMatchKind
from tests.support.filters import Bench, FakeStream, request

POLICY = CsrfPolicy(
    ALWAYS, NEVER, (StringMatcher(StringMatchKind.EXACT, b"other.test"), StringMatcher(StringMatchKind.SUFFIX, b".ok.test"))
)


@pytest.mark.parametrize(
    ("authority", "fields", "passes"),
    [
        (b"a.test", (b"origin: http://a.test",), True),
        (b"a.test", (b"origin: https://a.test",), True),
        (b"a.test", (b"origin: a.test",), True),
        (b"a.test:81", (b"origin: http://a.test",), False),
        (b"A.test", (b"origin: http://a.test",), False),
        (b"a.test", (b"origin: http://b.test",), False),
        (b"a.test", (b"origin: http://a.test", b"origin: http://b.test"), False),
        (b"a.test", (b"referer: http://a.test/page?x",), True),
        (b"a.test", (b"origin: null", b"referer: http://a.test/"), False),
        (b"a.test", (b"origin: http://other.test",), True),
        (b"a.test", (b"origin: http://x.ok.test",), True),
        (b"a.test", (b"origin: http://x.ok.test:8080",), False),
        (b"a.test", (), False),
    ],
)
@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH"])
def test_who_may_change_something(authority: bytes, fields: tuple[bytes, ...], passes: bool, method: bytes) -> None:
    bench = Bench()
    head = request(b"/", *fields, method=method, authority=authority)
    one = CsrfFactory(POLICY, bench.context).filter_for(FakeStream(head), None)
    assert one is not None
    answer = one.on_request_head(head, True)
    assert answer == (None if passes else Reply(403, b"Invalid origin", details="csrf_origin_mismatch"))
    counted = "request_valid" if passes else "request_invalid" if fields else "missing_source_origin"
    assert bench.counters == {f"csrf.{counted}": 1}


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_who_changes_nothing_is_not_asked(method: bytes) -> None:
    assert CsrfFactory(POLICY, Bench().context).filter_for(FakeStream(request(method=method)), None) is None


def test_in_the_shadow_it_only_counts_and_off_it_does_nothing() -> None:
    for policy, counted in ((CsrfPolicy(NEVER, ALWAYS), {"csrf.request_invalid": 1}), (CsrfPolicy(NEVER), {})):
        bench = Bench()
        head = request(b"/", b"origin: http://b.test", method=b"POST")
        factory = CsrfFactory(POLICY, bench.context)
        one = factory.filter_for(FakeStream(head), factory.compile_override(policy))
        assert one is not None and one.on_request_head(head, True) is None
        assert bench.counters == counted


def test_the_source_is_a_host_with_its_port() -> None:
    assert source_of(request(b"/", b"origin: http://a.test:8080/")) == b"a.test:8080"
    assert source_of(request()) == b""
