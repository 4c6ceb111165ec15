"""``health_check``: who answers, and for how long an answer does."""

from dataclasses import replace

from shifter.filters.api import Reply
from shifter.filters.health_check import HealthCheckFactory, HealthCheckFilter
from shifter.model.http_filter import HealthCheck
from shifter.model.route import HeaderMatcher, StringMatcher, StringMatchKind
from shifter.wire.events import RequestHead, ResponseHead
from tests.support.filters import Bench, FakeStream

PATH = (HeaderMatcher(b":path", StringMatcher(StringMatchKind.EXACT, b"/healthz")),)


def asked(factory: HealthCheckFactory, path: bytes = b"/healthz") -> HealthCheckFilter | None:
    one = factory.filter_for(FakeStream(RequestHead(b"GET", path, b"a")), None)
    assert one is None or isinstance(one, HealthCheckFilter)
    return one


def answered(one: HealthCheckFilter | None, status: int = 200, block: bytes = b"") -> tuple[Reply | None, bytes]:
    """What the filter answers, and the fields of the answer that goes out when that, or an upstream, has given it."""
    assert one is not None
    reply = one.on_request_head(RequestHead(b"GET", b"/healthz", b"a"), True)
    head = ResponseHead(status if reply is None else reply.status, block)
    one.on_response_head(head, True)
    return reply, head.block


def test_it_answers_for_the_proxy() -> None:
    factory = HealthCheckFactory(HealthCheck(False, PATH), Bench().context)
    assert answered(asked(factory)) == (Reply(200, details="health_check_ok"), b"\r\nx-envoy-upstream-healthchecked-cluster: ")


def test_other_requests_are_none_of_its_business() -> None:
    assert asked(HealthCheckFactory(HealthCheck(False, PATH), Bench().context), b"/other") is None


def test_without_headers_everything_is_a_health_check() -> None:
    assert asked(HealthCheckFactory(HealthCheck(False), Bench().context), b"/other") is not None


def test_an_upstream_answers() -> None:
    factory = HealthCheckFactory(HealthCheck(True, PATH), Bench().context)
    for _ in range(2):
        line = b"\r\nx-envoy-upstream-healthchecked-cluster: "
        assert answered(asked(factory), 503, line + b"theirs") == (None, line)


def test_an_answer_does_for_a_while() -> None:
    bench = Bench()
    factory = HealthCheckFactory(HealthCheck(True, PATH, 10.0), bench.context)
    bench.clock.advance(12.0)
    assert answered(asked(factory), 200)[0] is None
    assert answered(asked(factory))[0] == Reply(200, details="health_check_cached")
    bench.clock.advance(7.9)
    assert answered(asked(factory))[0] == Reply(200, details="health_check_cached")
    bench.clock.advance(0.2)
    assert answered(asked(factory), 503)[0] is None
    assert answered(asked(factory))[0] == Reply(503, flags=b"LH", details="health_check_cached")


def test_what_a_filter_before_it_answers_says_nothing_about_the_upstream() -> None:
    factory = HealthCheckFactory(HealthCheck(True, PATH, 10.0), Bench().context)
    one = asked(factory)
    assert one is not None
    head = ResponseHead(401)
    one.on_response_head(head, True)
    assert (head.block, factory.cached) == (b"", None)


def test_it_fails_when_it_is_told_to() -> None:
    told = True
    context = replace(Bench().context, failing=lambda: told)
    line = b"\r\nx-envoy-upstream-healthchecked-cluster: "
    for config in (HealthCheck(False, PATH), HealthCheck(True, PATH), HealthCheck(True, PATH, 10.0)):
        told = True
        factory = HealthCheckFactory(config, context)
        assert answered(asked(factory)) == (Reply(503, flags=b"LH", details="health_check_failed"), line)
        other = factory.filter_for(FakeStream(RequestHead(b"GET", b"/", b"a")), None)
        assert other is not None
        head = ResponseHead(200, b"\r\nx-envoy-immediate-health-check-fail: no")
        other.on_response_head(head, True)
        assert head.block == b"\r\nx-envoy-immediate-health-check-fail: true"
        told = False
        reply, _ = answered(asked(factory))
        assert reply != Reply(503, flags=b"LH", details="health_check_failed")
        assert asked(factory, b"/") is None
