"""What Envoy and shifter write down of the same requests: lines of access logs, and spans.

Both are started once, with the same logs, the same collector and the same backend; each request goes to one and then to the other.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.candidates import envoy_program
from tests.support.backend import ReservedPort
from tests.support.configs import FILE_LOG_TYPE, ROUTER_TYPE
from tests.support.envoy import running_envoy
from tests.support.programs import PATIENCE
from tests.support.proxy import Config, Proxy, bootstrap, cluster, listener, route

OTEL_TYPE = "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig"
FAULT_TYPE = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
RATE_TYPE = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-"
ID = "8a1a5618-c369-{}a28-bd9e-ed38e545546b"
VARYING = {"guid:x-request-id", "upstream_address", "canceled"}
"""Tags of spans: the last says whether all of an answer was there when it was given up."""
SEEN = re.compile(r"\|(closed|http1\.\w+)}")
"""What shifter has seen of a broken answer, behind what Envoy says of it."""

REQUESTS: dict[str, tuple[str, dict[str, str]]] = {
    "plain": ("/x?q=1", {"x-tag": "v", "x-q": 'a"b\\c\td', "accept-language": "de"}),
    "utf8": ("/x", {"x-q": "gr\xc3\xbcn \xe2\x82\xac"}),
    "no route": ("/none", {}),
    "direct": ("/direct", {}),
    "refused": ("/dead", {}),
    "no endpoint": ("/empty", {}),
    "retried": ("/retry", {"x-status": "503"}),
    "too late": ("/late/slow", {}),
    "closed": ("/x/close", {}),
    "no http": ("/x/garbage", {}),
    "aborted": ("/abort", {}),
    "delayed": ("/delay", {}),
    "limited": ("/limit", {}),
    "failed": ("/x", {"x-status": "500"}),
    "grpc": ("/x", {"content-type": "application/grpc", "x-status": "404"}),
    "forced": ("/x", {"x-request-id": ID.format("a")}),
    "by a client": ("/unsampled", {"x-client-trace-id": "c"}),
    "unsampled": ("/unsampled", {}),
    "a trace": ("/x", {"traceparent": PARENT + "01", "tracestate": "a=b"}),
    "nobody's trace": ("/x", {"traceparent": PARENT + "00"}),
    "no trace": ("/x", {"traceparent": "bad"}),
    "called": ("/called", {}),
    "of the share": ("/x", {"x-request-id": "00000031-c369-4a28-bd9e-ed38e545546b", "x-share": "50"}),
    "not of the share": ("/x", {"x-request-id": "00000032-c369-4a28-bd9e-ed38e545546b", "x-share": "50"}),
}

DATA = {
    "z": "%RESPONSE_CODE%",
    "name": "%REQ(x-name)%",
    "nested": {"b": ["%REQ(x-none)%", 3, True, {"k": "%REQ(x-none)%"}], "a": "%REQ(x-q)%", "none": {"k": "%REQ(x-none)%"}},
    "flags": "%RESPONSE_FLAGS%",
    "long": "%RESPONSE_FLAGS_LONG%",
    "text": "%REQ(x-none)% %PROTOCOL% 100%%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "received": "%BYTES_RECEIVED%",
    "grpc": "%GRPC_STATUS_NUMBER%",
    "metadata": "%METADATA(ROUTE:ns)%",
    "cluster's": ["%CLUSTER_METADATA(ns:a)%", "%METADATA(CLUSTER:ns)%"],
    "endpoint's": ["%UPSTREAM_METADATA(ns:a)%", "%METADATA(UPSTREAM_HOST:ns)%"],
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "route": "%ROUTE_NAME%",
    "kind": "%ACCESS_LOG_TYPE%",
    "list": [],
    "object": {},
}
NAME = "%REQ(x-name)%\n"
SHARE = {"runtime_key": "none", "percent_sampled": {"numerator": 50}}


def compared(op: str, value: int) -> Config:
    return {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "none"}}}


FILTERS: dict[str, Config] = {
    "status": {"status_code_filter": compared("GE", 500)},
    "duration": {"duration_filter": compared("LE", 60_000)},
    "healthy": {"not_health_check_filter": {}},
    "traceable": {"traceable_filter": {}},
    "share": {
        "and_filter": {"filters": [{"header_filter": {"header": {"name": "x-share", "present_match": True}}}, {"runtime_filter": SHARE}]}
    },
    "header": {"header_filter": {"header": {"name": "x-q", "present_match": True, "invert_match": True}}},
    "flag": {"response_flag_filter": {"flags": ["NR", "UF", "FI", "RL"]}},
    "any flag": {"response_flag_filter": {}},
    "grpc": {"grpc_status_filter": {"statuses": ["UNAVAILABLE", "UNIMPLEMENTED"], "exclude": True}},
    "metadata": {"metadata_filter": {"matcher": {"filter": "ns", "path": [{"key": "a"}], "value": {"present_match": True}}}},
    "no metadata": {
        "metadata_filter": {
            "matcher": {"filter": "ns", "path": [{"key": "a"}], "value": {"present_match": True}},
            "match_if_key_not_found": False,
        }
    },
    "type": {"log_type_filter": {"types": ["DownstreamEnd"]}},
    "other type": {"log_type_filter": {"types": ["DownstreamEnd"], "exclude": True}},
    "either": {"or_filter": {"filters": [{"status_code_filter": compared("EQ", 403)}, {"status_code_filter": compared("EQ", 404)}]}},
}
FORMATS: dict[str, Config] = {
    "json": {"log_format": {"json_format": DATA}},
    "json, less": {"log_format": {"json_format": DATA, "omit_empty_values": True}},
    "json, of old": {"json_format": {"a": "%REQ(x-name)%", "b": "%RESPONSE_CODE%"}},
    "json, typed": {"typed_json_format": {"a": "%REQ(x-name)%", "b": "%RESPONSE_CODE%"}},
    "text, less": {
        "log_format": {
            "text_format_source": {
                "inline_string": "[%REQ(x-name)%] [%REQ(x-none)%] [%RESPONSE_FLAGS%] [%UPSTREAM_CLUSTER%] [%ROUTE_NAME%]\n"
            },
            "omit_empty_values": True,
        }
    },
    **{f"filter: {name}": {"log_format": {"text_format_source": {"inline_string": NAME}}} for name in FILTERS},
}


class Backend(BaseHTTPRequestHandler):
    """Answers with the status that a request asks for, if it answers at all."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.endswith("/close"):
            self.close_connection = True
            return
        if self.path.endswith("/garbage"):
            self.wfile.write(b"what?\r\n\r\n")
            self.close_connection = True
            return
        if self.path.endswith("/slow"):
            time.sleep(0.4)  # longer than its route allows
        self.send_response(int(self.headers.get("x-status", "200")))
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: Any) -> None: ...


@dataclass
class Collector:
    """Who is told of spans."""

    spans: list[Any] = field(default_factory=list)
    told: threading.Condition = field(default_factory=threading.Condition)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = self.headers.get("content-length")
                body = self.rfile.read(int(length)) if length else b"".join(self._chunks())
                request = ExportTraceServiceRequest.FromString(body)
                assert (self.path, self.headers["x-key"]) == ("/v1/traces", "secret")
                with collector.told:
                    collector.spans += [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
                    collector.told.notify_all()
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def _chunks(self) -> Iterator[bytes]:
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    yield self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()

            def log_message(self, *_: Any) -> None: ...

        return Handler


def served(stack: ExitStack, handler: type[BaseHTTPRequestHandler]) -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return int(server.server_port)


@dataclass
class Seen:
    """What one of the two wrote down: log -> lines, and the spans of requests by their names."""

    statuses: dict[str, int]
    logs: dict[str, list[str]]
    spans: dict[str, list[object]]


class Side:
    """One of the two proxies."""

    def __init__(self, stack: ExitStack, directory: Path, backend: int) -> None:
        directory.mkdir(exist_ok=True)
        self.port = stack.enter_context(ReservedPort()).port
        self._collector = Collector()
        self._files = {name: directory / f"{number}.log" for number, name in enumerate(FORMATS)}
        dead = stack.enter_context(ReservedPort()).port
        collector = served(stack, self._collector.handler())
        empty = cluster("empty")
        empty["load_assignment"]["endpoints"] = []
        told = cluster("b", backend, metadata={"filter_metadata": {"ns": {"a": "cl"}}})
        [group] = told["load_assignment"]["endpoints"]
        group["lb_endpoints"][0]["metadata"] = {"filter_metadata": {"ns": {"a": "ep", "l": [1, True]}}}
        self._clusters = [told, cluster("d", dead), cluster("otel", collector), empty]

    def configuration(self, admin: int) -> Config:
        logs = []
        for name, form in FORMATS.items():
            log = {"name": "file", "typed_config": {"@type": FILE_LOG_TYPE, "path": str(self._files[name]), **form}}
            logs.append(log | ({"filter": FILTERS[name.partition(": ")[2]]} if name.startswith("filter: ") else {}))
        uri = {"uri": "http://collector/v1/traces", "cluster": "otel", "timeout": "5s"}
        service = {"http_uri": uri, "request_headers_to_add": [{"header": {"key": "x-key", "value": "secret"}}]}
        tracing = {
            "max_path_tag_length": 5,
            "spawn_upstream_span": True,
            "custom_tags": [
                {"tag": "name", "request_header": {"name": "x-name"}},
                {"tag": "tag", "request_header": {"name": "x-tag", "default_value": "none"}},
                {"tag": "route", "metadata": {"kind": {"route": {}}, "metadata_key": {"key": "ns", "path": [{"key": "a"}]}}},
                {"tag": "literal", "literal": {"value": "x"}},
                {"tag": "variable", "environment": {"name": "NONE_OF_THAT_NAME", "default_value": "other"}},
            ],
            "provider": {"name": "otel", "typed_config": {"@type": OTEL_TYPE, "service_name": "front", "http_service": service}},
        }
        filters = [
            {"name": "fault", "typed_config": {"@type": FAULT_TYPE}},
            {"name": "limit", "typed_config": {"@type": RATE_TYPE, "stat_prefix": "limit"}},
            {"name": "router", "typed_config": {"@type": ROUTER_TYPE}},
        ]
        front = listener(self.port, _routes(), access_log=logs, tracing=tracing, http_filters=filters)
        made = bootstrap(admin, [front], self._clusters)
        made["node"] = {"id": "me", "cluster": "us"}
        made["layered_runtime"] = {"layers": [{"name": "static", "static_layer": {"tracing": {"opentelemetry": {"min_flush_spans": 1}}}}]}
        return made

    def seen(self, spans: int) -> Seen:
        """Make all requests; then see what was written down. *spans* are waited for, 0 for those that come."""
        statuses = {name: self._ask(name) for name in REQUESTS}
        last = self._files["json"]
        deadline = time.monotonic() + PATIENCE
        while len(self._lines(last)) < len(REQUESTS) and time.monotonic() < deadline:
            time.sleep(0.02)
        logs = {
            name: self._lines(file, len(self._lines(last)) if not name.startswith("filter") else 0) for name, file in self._files.items()
        }
        with self._collector.told:
            self._collector.told.wait_for(lambda: len(self._collector.spans) >= spans, PATIENCE)
            return Seen(statuses, logs, _described(self._collector.spans))

    def wait_for_lines(self, ours: Seen, theirs: Seen) -> None:
        """Have as many lines in *ours* as there are in *theirs*, if they come."""
        for name, file in self._files.items():
            ours.logs[name] = self._lines(file, len(theirs.logs[name]))

    def _ask(self, name: str) -> int:
        path, fields = REQUESTS[name]
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"host": "front", "x-name": name, "user-agent": "test", **fields})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def _lines(self, file: Path, wanted: int = 0) -> list[str]:
        deadline = time.monotonic() + PATIENCE
        while True:
            text = file.read_text(errors="surrogateescape") if file.exists() else ""
            if text.count("\n") >= wanted or time.monotonic() > deadline:
                return SEEN.sub("}", text).splitlines()
            time.sleep(0.02)


def _routes() -> list[Config]:
    def by(prefix: str, to: str = "b", /, more: Config | None = None, **action: object) -> Config:
        return {**route(prefix, to, **action), **(more or {})}

    def fault(**said: object) -> Config:
        return {"typed_per_filter_config": {"fault": {"@type": FAULT_TYPE, **said}}}

    all_of = {"percentage": {"numerator": 100}}
    limit = {
        "@type": RATE_TYPE,
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s"},
        "filter_enabled": {"default_value": {"numerator": 100}},
        "filter_enforced": {"default_value": {"numerator": 100}},
        "descriptors": [],
    }
    never = {"random_sampling": {"numerator": 0}, "custom_tags": [{"tag": "literal", "literal": {"value": "of the route"}}]}
    return [
        by("/dead", "d"),
        by("/empty", "empty"),
        by("/retry", retry_policy={"retry_on": "5xx", "num_retries": 1}),
        by("/late", timeout="0.05s"),
        by("/abort", "d", more=fault(abort={"http_status": 418, **all_of})),
        by("/delay", more=fault(delay={"fixed_delay": "0.05s", **all_of})),
        by("/limit", more={"typed_per_filter_config": {"limit": limit}}),
        by("/unsampled", more={"tracing": never}),
        by("/called", more={"decorator": {"operation": "my-op"}}),
        {"match": {"prefix": "/direct"}, "direct_response": {"status": 403}},
        by("/x", more={"name": "x", "metadata": {"filter_metadata": {"ns": {"a": "rt", "n": 2}}}}),
    ]


def _described(spans: list[Any]) -> dict[str, list[object]]:
    """Return what each request's spans say, by its name: ids only as far as they are anybody else's."""
    known = {span.span_id: "one of ours" for span in spans} | {bytes.fromhex(SPAN): "the caller's", b"": "nobody's"}
    told: dict[str, list[object]] = {name: [] for name in REQUESTS}
    for span in spans:
        said = {one.key: one.value.string_value for one in span.attributes if one.key not in VARYING}
        if span.kind == 3:
            del said["peer.address"]
        ids = (span.trace_id.hex() == TRACE, len(span.trace_id), len(span.span_id), known[span.parent_span_id], span.trace_state)
        told[said["name"]].append((span.name, span.kind, *ids, span.flags, span.status.code, said))
    for one in told.values():
        one.sort(key=repr)
    return told


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seen, Seen]]:
    program = envoy_program()
    if not program:
        pytest.skip("Envoy is not installed")
    directory = tmp_path_factory.mktemp("logs")
    with ExitStack() as stack:
        backend = served(stack, Backend)
        envoy, shifter = Side(stack, directory / "envoy", backend), Side(stack, directory / "shifter", backend)
        admin = stack.enter_context(ReservedPort()).port
        stack.enter_context(running_envoy(program, yaml.safe_dump(envoy.configuration(admin)), admin, directory))
        proxy = stack.enter_context(Proxy(directory / "shifter"))
        proxy.start(shifter.configuration(proxy.admin))
        first = envoy.seen(EXPECTED_SPANS)
        second = shifter.seen(sum(map(len, first.spans.values())))
        # each file is written in its own time, and how many lines a filter lets pass only the other side can tell
        envoy.wait_for_lines(first, second)
        shifter.wait_for_lines(second, first)
        yield first, second


ANSWERED_HERE = {"no route", "direct", "no endpoint", "aborted"}
EXPECTED_SPANS = 2 * len(REQUESTS) - len(ANSWERED_HERE) - 2 * 3 + 1
"""One of each request and one of each try, but for those that are not sampled, or belong to a trace that cannot be read."""


def test_both_answer_alike(views: tuple[Seen, Seen]) -> None:
    envoy, shifter = views
    assert shifter.statuses == envoy.statuses


@pytest.mark.parametrize("name", FORMATS)
def test_lines_are_envoys(views: tuple[Seen, Seen], name: str) -> None:
    envoy, shifter = (one.logs[name] for one in views)
    assert envoy or "other type" in name or "no metadata" in name
    if name == "json":
        assert [json.loads(line)["name"] for line in envoy] == list(REQUESTS)
    assert shifter == envoy


@pytest.mark.parametrize("name", REQUESTS)
def test_spans_are_envoys(views: tuple[Seen, Seen], name: str) -> None:
    envoy, shifter = (one.spans[name] for one in views)
    assert shifter == envoy
