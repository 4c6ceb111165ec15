"""Which requests are traced, what endpoints are told, and what a span says."""

import re
from typing import Any

import pytest

from shifter.model.bootstrap import RuntimeLayer, RuntimeValue
from shifter.model.retry import HedgePolicy, RetryPolicy
from shifter.model.route import DirectResponseAction, FractionalPercent, PathMatchKind, Route, RouteMatch
from shifter.model.tracing import CustomTag, RouteTracing, TagSource, Tracing
from shifter.observe.logformat import compile_format
from shifter.observe.stats import counter
from shifter.observe.tracing import Span
from shifter.proxy.access_log import AccessLog
from shifter.proxy.tracing import Tracer, says_of_tracing
from shifter.routing.runtime import Runtime
from tests.support.proxies import CLUSTERS, REQUEST_ID, WALL, Proxy, forward, get

ANSWER = b"HTTP/1.1 %d OK\r\ncontent-length: 2\r\n\r\nok"
TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
PARENT = b"traceparent: 00-" + TRACE + b"-" + SPAN
NEVER = FractionalPercent(0)
NONE = Tracing(random_sampling=NEVER)
NUMBER = 8743
"""What the ids of requests here stand for, of 10,000."""


class Traced:
    """A proxy with tracing, and what it told."""

    def __init__(self, config: Tracing | None = None, route: RouteTracing | None = None, **runtime: RuntimeValue) -> None:
        one = forward(b"/", "one")
        direct = Route(RouteMatch(PathMatchKind.PREFIX, b"/direct"), DirectResponseAction(403))
        self.proxy = Proxy((direct, Route(one.match, one.action, name="named", metadata={"ns": {"a": "rt"}}, tracing=route)), CLUSTERS)
        self.spans: list[Span] = []
        manager = self.proxy.runtime
        values = {f"tracing.{name}": value for name, value in runtime.items()}
        by_route = says_of_tracing(manager.settings.route_config)
        count = counter(manager.stats.filters)
        self.tracer = Tracer(
            config or Tracing(), Runtime([RuntimeLayer("one", values)]), count, self.spans.append, "me", by_route, lambda: WALL + 1
        )
        manager.configure(
            manager.listener,
            manager.settings,
            manager.tree,
            [AccessLog(compile_format("%TRACE_ID% %SPAN_ID% %REQ(x-request-id)%\n"), self.proxy.writer)],
        )
        manager.trace(self.tracer)

    def ask(self, *lines: bytes, path: bytes = b"/x", status: int = 200) -> dict[str, str]:
        """Return the fields of tracing that an endpoint got."""
        self.proxy.connect(get(path, *lines))
        backend = self.proxy.backend
        sent = backend.take().decode()
        backend.say(ANSWER % status)
        return dict(re.findall(r"\r\n(x-request-id|x-b3-\w+|b3|trace\w+|x-envoy-dec[\w-]*): (.*?)(?=\r\n)", sent))

    def counted(self) -> dict[str, int]:
        return {name: count for name, count in self.proxy.stats.filters.items() if count}


def test_a_trace_begins_here() -> None:
    traced = Traced()
    told = traced.ask()
    [span] = traced.spans
    assert told["traceparent"] == f"00-{span.trace_id.decode()}-{span.span_id.decode()}-01"
    assert told["x-request-id"] == REQUEST_ID.decode().replace("-4def", "-9def")
    assert "tracestate" not in told
    assert (span.name, span.parent_id, span.failed, span.client, span.remote_parent) == ("ingress", b"", False, False, False)
    assert (span.start, span.end) == (WALL, WALL + 1)
    assert traced.counted() == {"tracing.random_sampling": 1}
    assert traced.proxy.lines == [f"{span.trace_id.decode()} {span.span_id.decode()} {told['x-request-id']}"]


def test_a_trace_goes_on() -> None:
    traced = Traced()
    told = traced.ask(PARENT + b"-01", b"tracestate: a=b", b"tracestate: c=d")
    [span] = traced.spans
    assert told["traceparent"] == f"00-{TRACE.decode()}-{span.span_id.decode()}-01"
    assert told["tracestate"] == "a=b,c=d"
    assert (span.trace_id, span.parent_id, span.state, span.remote_parent) == (TRACE, SPAN, b"a=b,c=d", True)


@pytest.mark.parametrize(
    ("lines", "forms"),
    [
        ([b"b3: " + TRACE + b"-" + SPAN + b"-1"], {"b3": "{trace}-{span}-1-{parent}"}),
        (
            [b"X-B3-TraceId: " + TRACE, b"X-B3-SpanId: " + SPAN, b"X-B3-Sampled: 1"],
            {"x-b3-traceid": "{trace}", "x-b3-spanid": "{span}", "x-b3-parentspanid": "{parent}", "x-b3-sampled": "1"},
        ),
    ],
)
def test_b3_goes_on_in_its_own_form(lines: list[bytes], forms: dict[str, str]) -> None:
    traced = Traced()
    told = traced.ask(*lines)
    [span] = traced.spans
    names = {"trace": TRACE.decode(), "span": span.span_id.decode(), "parent": SPAN.decode()}
    assert {name: value for name, value in told.items() if "b3" in name} == {name: form.format(**names) for name, form in forms.items()}
    assert told["traceparent"] == f"00-{names['trace']}-{names['span']}-01"


@pytest.mark.parametrize(
    ("config", "lines", "expected", "flags"),
    [
        # as Envoy 1.40 answers
        (Tracing(), [], "random_sampling", "01"),
        (NONE, [], "not_traceable", "00"),
        (NONE, [b"x-client-trace-id: a"], "client_enabled", "01"),
        (Tracing(client_sampling=NEVER, random_sampling=NEVER), [b"x-client-trace-id: a"], "not_traceable", "00"),
        (NONE, [b"x-request-id: 8a1a5618-c369-9a28-bd9e-ed38e545546b"], "random_sampling", "01"),
        (NONE, [b"x-request-id: 8a1a5618-c369-aa28-bd9e-ed38e545546b"], "service_forced", "01"),
        (NONE, [b"x-request-id: 8a1a5618-c369-ba28-bd9e-ed38e545546b"], "client_enabled", "01"),
        (Tracing(), [b"x-request-id: bad"], "not_traceable", "00"),
        (Tracing(overall_sampling=NEVER), [b"x-client-trace-id: a"], "not_traceable", "00"),
        (Tracing(random_sampling=FractionalPercent(NUMBER, 10_000)), [], "not_traceable", "00"),
        (Tracing(random_sampling=FractionalPercent(NUMBER + 1, 10_000)), [], "random_sampling", "01"),
        (Tracing(), [PARENT + b"-00"], "random_sampling", "00"),
        (NONE, [PARENT + b"-01"], "not_traceable", "00"),
        (Tracing(), [b"b3: " + TRACE + b"-" + SPAN], "random_sampling", "01"),
        (Tracing(), [b"b3: 0"], "random_sampling", "00"),
        (Tracing(), [b"X-B3-Sampled: 0"], "random_sampling", "00"),
    ],
)
def test_who_is_traced(config: Tracing, lines: list[bytes], expected: str, flags: str) -> None:
    traced = Traced(config)
    told = traced.ask(*lines)
    assert told["traceparent"][-2:] == flags
    assert traced.counted() == {f"tracing.{expected}": 1}
    assert len(traced.spans) == int(flags)


@pytest.mark.parametrize(
    ("runtime", "lines", "expected"),
    [
        ({"random_sampling": 0}, [], "not_traceable"),
        ({"global_enabled": 0}, [], "not_traceable"),
        ({"random_sampling": 0, "client_enabled": 100}, [b"x-client-trace-id: a"], "client_enabled"),
        ({"random_sampling": 0, "client_enabled": 0}, [b"x-client-trace-id: a"], "not_traceable"),
    ],
)
def test_runtime_says_otherwise(runtime: dict[str, RuntimeValue], lines: list[bytes], expected: str) -> None:
    traced = Traced(**runtime)
    traced.ask(*lines)
    assert traced.counted() == {f"tracing.{expected}": 1}


def test_what_cannot_be_read_is_passed_on_and_tells_nothing() -> None:
    traced = Traced()
    assert traced.ask(b"traceparent: bad", b"tracestate: a=b")["traceparent"] == "bad"
    assert not traced.spans
    assert traced.proxy.lines[0].startswith("- - ")


def test_endpoints_need_not_know() -> None:
    traced = Traced(Tracing(propagates=False))
    assert traced.ask(PARENT + b"-01")["traceparent"] == PARENT.removeprefix(b"traceparent: ").decode() + "-01"
    assert [span.trace_id for span in traced.spans] == [TRACE]


def test_a_route_has_its_say() -> None:
    tags = (CustomTag("lit", TagSource.LITERAL, default="mine"), CustomTag("more", TagSource.LITERAL, default="yes"))
    config = Tracing(random_sampling=NEVER, custom_tags=(CustomTag("lit", TagSource.LITERAL, default="all"),))
    traced = Traced(config, RouteTracing(random_sampling=FractionalPercent(100), custom_tags=tags, operation="op"))
    traced.ask()
    [span] = traced.spans
    assert span.name == "op"
    assert dict(span.attributes)["lit"] == "mine"
    assert dict(span.attributes)["more"] == "yes"


def test_what_a_span_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME", "thing")
    tags = (
        CustomTag("literal", TagSource.LITERAL, default="x"),
        CustomTag("env", TagSource.ENVIRONMENT, ("SOME",), "no"),
        CustomTag("other", TagSource.ENVIRONMENT, ("NONE_OF_THAT_NAME",), "no"),
        CustomTag("header", TagSource.HEADER, ("x-tag",), "none"),
        CustomTag("missing", TagSource.HEADER, ("x-none",)),
        CustomTag("route", TagSource.ROUTE, ("ns", "a")),
        CustomTag("left", TagSource.REQUEST, ("ns", "a"), "nothing"),
    )
    traced = Traced(Tracing(max_path_tag_length=4, custom_tags=tags))
    traced.ask(b"x-tag: v", b"user-agent: me", b"x-client-trace-id: c", path=b"/x?q=1234", status=503)
    [span] = traced.spans
    assert span.failed
    assert dict(span.attributes) == {
        "node_id": "me",
        "zone": "",
        "guid:x-request-id": REQUEST_ID.decode().replace("-4def", "-bdef"),
        "http.url": "http://a/x?q",
        "http.method": "GET",
        "downstream_cluster": "-",
        "user_agent": "me",
        "http.protocol": "HTTP/1.1",
        "peer.address": "192.0.2.7",
        "guid:x-client-trace-id": "c",
        "request_size": "0",
        "response_size": "2",
        "component": "proxy",
        "upstream_cluster": "one",
        "upstream_cluster.name": "one",
        "http.status_code": "503",
        "response_flags": "-",
        "error": "true",
        "literal": "x",
        "env": "thing",
        "other": "no",
        "header": "v",
        "route": "rt",
        "left": "nothing",
    }


def test_grpc_is_told_as_such() -> None:
    traced = Traced()
    traced.ask(b"content-type: application/grpc", status=404)
    said = dict(traced.spans[0].attributes)
    assert (said["grpc.path"], said["grpc.authority"], said["grpc.content_type"]) == ("/x", "a", "application/grpc")


def test_the_proxys_own_answers_have_spans() -> None:
    traced = Traced()
    traced.proxy.connect(get(b"/direct"))
    [span] = traced.spans
    said = dict(span.attributes)
    assert said["http.status_code"] == "403"
    assert "upstream_cluster" not in said


def test_answers_say_what_was_done() -> None:
    traced = Traced(route=RouteTracing(operation="my-op", propagates_operation=True))
    assert traced.proxy.runtime.settings.tracing is None  # which its routes are compiled for
    client = traced.proxy.connect(get(b"/x"))
    traced.proxy.backend.say(ANSWER % 200)
    assert b"x-envoy-decorator-operation" not in client.take()
    proxy = Proxy((with_tracing(RouteTracing(operation="my-op", propagates_operation=True)),), CLUSTERS, tracing=Tracing())
    client = proxy.connect(get(b"/x"))
    proxy.backend.say(ANSWER % 200)
    assert b"\r\nx-envoy-decorator-operation: my-op\r\n" in client.take()


def with_tracing(said: RouteTracing) -> Route:
    one = forward(b"/", "one")
    return Route(one.match, one.action, tracing=said)


class Tried(Traced):
    """A proxy whose tries have spans."""

    def __init__(self, **action: Any) -> None:
        config = Tracing(spawn_upstream_span=True, custom_tags=(CustomTag("literal", TagSource.LITERAL, default="x"),))
        self.proxy = Proxy((forward(b"/", "one", **action),), CLUSTERS, tracing=config)
        self.spans = []
        manager = self.proxy.runtime
        manager.trace(Tracer(config, Runtime(), counter(manager.stats.filters), self.spans.append, "me", False, lambda: WALL))


def test_a_try_has_a_span() -> None:
    tried = Tried()
    told = tried.ask(b"b3: " + TRACE + b"-" + SPAN + b"-1")
    one, server = tried.spans
    assert (one.name, one.client, one.failed, one.parent_id, one.trace_id) == ("router one egress", True, False, server.span_id, TRACE)
    assert told["traceparent"] == f"00-{TRACE.decode()}-{one.span_id.decode()}-01"
    assert told["b3"] == f"{TRACE.decode()}-{one.span_id.decode()}-1-{server.span_id.decode()}"
    assert dict(one.attributes) == {
        "http.protocol": "HTTP/1.1",
        "upstream_address": "192.0.2.101:80",
        "peer.address": "192.0.2.101:80",
        "component": "proxy",
        "upstream_cluster": "one",
        "upstream_cluster.name": "one",
        "http.status_code": "200",
        "response_flags": "-",
        "literal": "x",
    }


@pytest.mark.parametrize("hedge", [False, True])
def test_each_try_has_one(hedge: bool) -> None:
    policy = RetryPolicy(frozenset({"5xx"}))
    tried = Tried(retry=policy, hedge=HedgePolicy(hedge_on_per_try_timeout=hedge))
    tried.ask(status=503)
    tried.proxy.wait(0.2)
    sent = tried.proxy.backend.take().decode()
    tried.proxy.backend.say(ANSWER % 200)
    first, second, server = tried.spans
    assert second.span_id.decode() in sent
    assert first.span_id.decode() not in sent
    assert (first.failed, dict(first.attributes)["http.status_code"]) == (True, "503")
    assert (second.failed, dict(second.attributes)["retry.count"]) == (False, "1")
    assert first.parent_id == second.parent_id == server.span_id


def test_a_try_that_came_to_nothing() -> None:
    tried = Tried()
    tried.proxy.network.answers = False
    tried.proxy.connect(get(b"/x"))
    tried.proxy.wait(1.1)
    one, server = tried.spans
    said = dict(one.attributes)
    assert (said["error"], said["http.protocol"], said["http.status_code"], said["response_flags"]) == ("true", "-", "0", "UF")
    assert not one.failed
    assert server.failed


def test_a_try_that_nobody_waits_for() -> None:
    tried = Tried()
    client = tried.proxy.connect(get(b"/x"))
    client.hang_up()
    one, server = tried.spans
    assert dict(one.attributes)["canceled"] == "true"
    assert dict(server.attributes)["response_flags"] == "DC"


def test_a_try_that_broke() -> None:
    tried = Tried()
    tried.proxy.connect(get(b"/x"))
    tried.proxy.backend.say(b"what?\r\n\r\n")
    said = dict(tried.spans[0].attributes)
    assert (said["error.reason"], said["response_flags"]) == ("protocol error", "UPE")
