"""A gRPC client and two versions of a gRPC service, and shifter between them: one of it for all tests here.

Half of the calls are the canary's, which is what the tests must not notice.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
import pytest

from tests.support.backend import ReservedPort
from tests.support.programs import PATIENCE, ROOT
from tests.support.proxy import Config, Proxy, cluster, http2, route, split
from tests.support.wireclient import ask

Call = Callable[..., Any]
MANY = 1000
LARGE = 20 << 20
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
OPEN = {"circuit_breakers": {"thresholds": [{"max_requests": 5000, "max_connections": 5000, "max_pending_requests": 5000}]}}


class Endpoint:
    """A service in a process of its own."""

    def __init__(self, name: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.grpc_backend", name], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Setting:
    """All that takes part."""

    def __init__(self, proxy: Proxy, endpoints: dict[str, Endpoint]) -> None:
        self.proxy = proxy
        self.endpoints = endpoints
        self.channel = grpc.insecure_channel(f"127.0.0.1:{proxy.port}", UNLIMITED)

    def unary(self, method: str, service: str = "test.Calls") -> Call:
        call: Call = self.channel.unary_unary(f"/{service}/{method}")
        return call

    def streaming(self, method: str, service: str = "test.Calls") -> Call:
        call: Call = self.channel.unary_stream(f"/{service}/{method}")
        return call


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    endpoints = {name: Endpoint(name) for name in ("stable", "canary", "doomed")}
    with Proxy(tmp_path_factory.mktemp("grpc")) as proxy, ReservedPort() as nobody:
        grpc_only: Config = {
            "match": {"prefix": "/only.Grpc/", "grpc": {}},
            "route": {"cluster": "stable", "prefix_rewrite": "/test.Calls/"},
        }
        routes = [
            route("/dead.", "dead"),
            route("/doomed.", "doomed", prefix_rewrite="/test."),
            route("/limited.", "stable", prefix_rewrite="/test.", max_stream_duration={"grpc_timeout_header_max": "0.2s"}),
            route("/timed.", "stable", prefix_rewrite="/test.", max_grpc_timeout="0.2s"),
            route("/retried.", "stable", prefix_rewrite="/test.", retry_policy={"retry_on": "unavailable", "num_retries": 2}),
            grpc_only,
            {"match": {"prefix": "/refused."}, "direct_response": {"status": 403, "body": {"inline_string": "100 % \u2013 no"}}},
            split("/test.", stable=50, canary=50),
        ]
        routes[-1]["route"]["timeout"] = "0s"
        clusters = [cluster(name, endpoint.port, **http2(), **OPEN) for name, endpoint in endpoints.items()]
        clusters.append(cluster("dead", nobody.port, **http2()))
        proxy.front(routes, clusters, http2_protocol_options={"max_concurrent_streams": 2 * MANY})
        made = Setting(proxy, endpoints)
        yield made
        made.channel.close()
        for endpoint in endpoints.values():
            endpoint.kill()


def code(error: Any) -> str:
    name: str = error.value.code().name
    return name


def said(pieces: Iterable[bytes]) -> list[bytes]:
    return list(pieces)


def test_the_four_kinds_of_calls_reach_both_versions(setting: Setting) -> None:
    served: Counter[str] = Counter()
    for number in range(60):
        message = b"%d" % number
        answer, call = setting.unary("Echo").with_call(message, timeout=PATIENCE)
        assert answer == message
        served[dict(call.initial_metadata())["x-served-by"]] += 1
    assert min(served["stable"], served["canary"]) > 10
    join = setting.channel.stream_unary("/test.Calls/Join")
    assert join(iter([b"a", b"", b"c"]), timeout=PATIENCE) == b"a,,c"
    assert join(iter([]), timeout=PATIENCE) == b""
    assert said(setting.streaming("Count")(b"4 0", timeout=PATIENCE)) == [b"0", b"1", b"2", b"3"]
    assert said(setting.streaming("Count")(b"0 0", timeout=PATIENCE)) == []
    assert said(setting.channel.stream_stream("/test.Calls/Talk")(iter([b"hi", b"ho"]), timeout=PATIENCE)) == [
        b"you said hi",
        b"you said ho",
        b"bye",
    ]


def test_each_side_speaks_when_it_likes(setting: Setting) -> None:
    async def talk() -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{setting.proxy.port}") as channel:
            call = channel.stream_stream("/test.Calls/Talk")(timeout=PATIENCE)
            for number in range(50):
                await call.write(b"%d" % number)
                assert await call.read() == b"you said %d" % number
            await call.done_writing()
            assert await call.read() == b"bye"
            assert await call.read() is grpc.aio.EOF
            assert await call.code() is grpc.StatusCode.OK

    asyncio.run(talk())


def test_many_calls_at_a_time(setting: Setting) -> None:
    async def one(method: Call, number: int, started: Any, go: asyncio.Event) -> bytes:
        call = method(timeout=PATIENCE)
        await call.write(b"%d" % number)
        first: bytes = await call.read()
        started.release()
        await go.wait()
        await call.done_writing()
        assert await call.read() == b"bye"
        return first

    async def all_of_them() -> list[bytes]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{setting.proxy.port}") as channel:
            method = channel.stream_stream("/test.Calls/Talk")
            started, go = asyncio.Semaphore(0), asyncio.Event()
            calls = [asyncio.create_task(one(method, number, started, go)) for number in range(MANY)]
            for _ in calls:
                await started.acquire()
            active = setting.proxy.stats()["http.front.downstream_rq_active"]
            go.set()
            assert active >= MANY
            return await asyncio.gather(*calls)

    assert asyncio.run(all_of_them()) == [b"you said %d" % number for number in range(MANY)]
    setting.proxy.at_rest()


@pytest.mark.parametrize("number", [code.value[0] for code in grpc.StatusCode if code.value[0]])
def test_errors_that_are_all_head(setting: Setting, number: int) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        setting.unary("Fail")(b"%d it is \xc3\xa9 %%" % number, timeout=PATIENCE)
    error: Any = caught.value
    assert error.code().value[0] == number
    assert error.details() == "it is é %"
    told = dict(error.trailing_metadata())
    assert (told["x-why"], told["x-why-bin"]) == ("because", b"\0\xff\x01")


def test_an_error_behind_messages(setting: Setting) -> None:
    seen = []
    with pytest.raises(grpc.RpcError) as caught:
        for message in setting.streaming("Late")(b"10 too late", timeout=PATIENCE):
            seen.append(message)
    assert (seen, code(caught), caught.value.details()) == ([b"one"], "ABORTED", "too late")  # type: ignore[attr-defined]


def test_a_method_that_there_is_not(setting: Setting) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        setting.unary("Nothing")(b"", timeout=PATIENCE)
    assert code(caught) == "UNIMPLEMENTED"


def test_metadata_of_any_bytes(setting: Setting) -> None:
    asked = (("x-text", "a b, c"), ("x-raw-bin", bytes(range(256))), ("x-raw-bin", b""), ("cookie", "a=1"))
    answer, call = setting.unary("Metadata").with_call(b"", metadata=asked, timeout=PATIENCE)
    told = [[key, value] for key, value in json.loads(answer) if key in ("x-text", "x-raw-bin", "cookie")]
    assert sorted(told, key=repr) == [["cookie", "a=1"], ["x-raw-bin", list(range(256))], ["x-raw-bin", []], ["x-text", "a b, c"]]
    assert dict(call.initial_metadata())["x-raw-bin"] == bytes(range(256))


def test_large_messages(setting: Setting) -> None:
    message = bytes(range(256)) * (LARGE // 256)
    assert setting.unary("Echo")(message, timeout=PATIENCE) == message
    pieces = setting.streaming("Count")(b"200 100000", timeout=PATIENCE)
    assert sum(map(len, pieces)) == 20_000_000


def test_a_deadline_of_the_clients_own(setting: Setting) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        setting.unary("Sleep")(b"", timeout=0.3)
    assert code(caught) == "DEADLINE_EXCEEDED"
    setting.proxy.at_rest()


@pytest.mark.parametrize(("service", "ends"), [("limited.Calls", "DEADLINE_EXCEEDED"), ("timed.Calls", "UNAVAILABLE")])
def test_a_deadline_of_the_route(setting: Setting, service: str, ends: str) -> None:
    assert 0 < float(setting.unary("Left", service)(b"", timeout=PATIENCE)) <= 0.25, "its endpoint knows of it"
    with pytest.raises(grpc.RpcError) as caught:
        setting.unary("Sleep", service)(b"", timeout=PATIENCE)
    assert code(caught) in (ends, "DEADLINE_EXCEEDED"), "who is first, the proxy or the endpoint"
    setting.proxy.at_rest()


def test_a_call_that_is_cancelled(setting: Setting) -> None:
    before = int(setting.unary("Cancelled", "only.Grpc")(b"", timeout=PATIENCE))
    call = setting.streaming("Rest", "only.Grpc")(b"", timeout=PATIENCE)
    assert next(call) == b"one"
    call.cancel()
    setting.proxy.at_rest()
    for _ in range(PATIENCE):
        if int(setting.unary("Cancelled", "only.Grpc")(b"", timeout=PATIENCE)) == before + 1:
            break
    else:
        raise AssertionError("its endpoint never heard of it")
    assert setting.proxy.logged("/only.Grpc/Rest")[2:4] == ["200", "DR"]


@pytest.mark.parametrize(
    ("service", "status", "words"),
    [
        ("nowhere.Calls", "UNIMPLEMENTED", ""),
        ("refused.Calls", "PERMISSION_DENIED", "100 % \u2013 no"),
        ("dead.Calls", "UNAVAILABLE", "upstream connect error or disconnect/reset before headers"),
    ],
)
def test_answers_of_the_proxy_itself(setting: Setting, service: str, status: str, words: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        setting.unary("Echo", service)(b"hello", timeout=PATIENCE)
    assert code(caught) == status
    assert words in (caught.value.details() or "")  # type: ignore[attr-defined]


def test_a_route_that_is_for_grpc_alone(setting: Setting) -> None:
    assert setting.unary("Echo", "only.Grpc")(b"hello", timeout=PATIENCE) == b"hello"
    assert ask(setting.proxy.port, "POST", "/only.Grpc/Echo").status == 404


def test_retries_for_status_codes_of_grpc(setting: Setting) -> None:
    before = setting.proxy.stats()["cluster.stable.upstream_rq_retry"]
    for number, status in ((14, "UNAVAILABLE"), (5, "NOT_FOUND")):
        with pytest.raises(grpc.RpcError) as caught:
            setting.unary("Fail", "retried.Calls")(b"%d no" % number, timeout=PATIENCE)
        assert code(caught) == status
    assert setting.proxy.stats()["cluster.stable.upstream_rq_retry"] == before + 2


def test_a_service_that_dies_with_calls_under_way(setting: Setting) -> None:
    calls = [setting.streaming("Rest", "doomed.Calls")(b"", timeout=PATIENCE) for _ in range(20)]
    assert [next(call) for call in calls] == [b"one"] * len(calls)
    setting.endpoints["doomed"].process.kill()
    ends = Counter()
    for call in calls:
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        ends[code(caught)] += 1
    assert set(ends) <= {"INTERNAL", "UNAVAILABLE", "UNKNOWN"}
    with pytest.raises(grpc.RpcError) as caught:
        setting.unary("Echo", "doomed.Calls")(b"", timeout=PATIENCE)
    assert code(caught) == "UNAVAILABLE"
    assert setting.unary("Echo")(b"hello", timeout=PATIENCE) == b"hello"
    setting.proxy.at_rest()
