"""What HTTP means, over all four combinations of HTTP/1.1 and HTTP/2: both ends see the same through Envoy and through shifter.

`tests.support.exchanges` has the table. Deliberate differences stand in `DIFFERS`, with the words of ``docs/differences.md``.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.candidates import envoy_program
from tests.support import exchanges_grpc, exchanges_heads
from tests.support.backend import ReservedPort
from tests.support.configs import HCM_TYPE, ROUTER_TYPE, UPSTREAM_TYPE
from tests.support.envoy import running_envoy
from tests.support.exchanges import EXCHANGES
from tests.support.protocols import Event, World
from tests.support.proxy import Config, Proxy, address, bootstrap, cluster

assert exchanges_heads and exchanges_grpc  # they put theirs into the table

Combination = tuple[bool, bool]
"""Whether client and endpoint speak HTTP/2."""
Seen = tuple[list[Event], list[Event]]

COMBINATIONS = [(client2, server2) for client2 in (False, True) for server2 in (False, True)]
TRAILERS: Config = {"http_protocol_options": {"enable_trailers": True}}
GRPC_WEB = {
    "name": "envoy.filters.http.grpc_web",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"},
}
LISTENERS: dict[str, Config] = {"usual": TRAILERS, "bare": {}, "proxied": {**TRAILERS, "proxy_100_continue": True}, "web": TRAILERS}

CONTINUE = "100 is sent only when a body is to come and its route is known"
UNASKED_LENGTH = "A content-length of an HTTP/1 endpoint's 204 or 1xx is dropped"
REFUSED = "a kept connection that dies before an answer, or an HTTP/2 connection that refuses the stream"
BODY = "a body behind an HTTP/2 answer that has none (HEAD, 204, 304)"
DIFFERS: dict[str, tuple[str, int, int]] = {
    "expect_continue_no_body": (CONTINUE, 0, 0),
    "expect_continue_refused": (CONTINUE, 0, 0),
    "forbidden_trailers": ("fields in trailers that frame a message, route it or say who sent it", 0, 0),
    "interim_with_length": (UNASKED_LENGTH, 0, 1),
    "passes_interim_with_length": (UNASKED_LENGTH, 0, 1),
    "no_content_length_5": (UNASKED_LENGTH, 0, 1),
    "host_and_authority": ("an HTTP/2 request whose `host` is not its `:authority`", 2, 0),
    "head_answer_with_body": (BODY, 0, 2),
    "no_content_with_body": (BODY, 0, 2),
    "server_resets_7_before": (REFUSED, 0, 2),
    "grpc_server_resets_7_before": (REFUSED, 0, 2),
    "goaway_and_close": (REFUSED, 0, 2),
    "goaway_with_error": (REFUSED, 0, 2),
    "web_text_padded": ("text of gRPC-Web that was padded in several places", 0, 0),
}
"""What differs, as the documentation says it, and for which versions of client and endpoint (0: all)."""

MASKED = {"x-request-id", "date", "server", "x-envoy-upstream-service-time"}
CASES = [(name, *one) for name, case in EXCHANGES.items() for one in COMBINATIONS if case.fits(*one)]


def front(worlds: dict[Combination, World], ports: dict[tuple[Combination, str], int], admin: int, dead: int) -> Config:
    """One listener for each combination and each of `LISTENERS`."""
    listeners, clusters = [], [cluster("dead", dead, connect_timeout="1s")]
    for (client2, server2), world in worlds.items():
        for name, options in (("usual", {"enable_trailers": True}), ("bare", {})):
            spoken = {"http2_protocol_options": {}} if server2 else {"http_protocol_options": options}
            protocol = {
                "@type": UPSTREAM_TYPE,
                "common_http_protocol_options": {"max_requests_per_connection": 1},
                "explicit_http_config": spoken,
            }
            typed = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol}}
            clusters.append(cluster(f"{name}-{client2}-{server2}", world.port, **typed))
        for name, options in LISTENERS.items():
            to = f"{'bare' if name == 'bare' else 'usual'}-{client2}-{server2}"
            manager = {
                "@type": HCM_TYPE,
                "stat_prefix": "front",
                "delayed_close_timeout": "0.05s",
                "route_config": {"virtual_hosts": [{"name": "all", "domains": ["front.test", "other.test"], "routes": routes(to)}]},
                "http_filters": [
                    *([GRPC_WEB] if name == "web" else []),
                    {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER_TYPE}},
                ],
                **options,
            }
            chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
            port = ports[(client2, server2), name]
            listeners.append({"name": f"{name}-{client2}-{server2}", "address": address(port), "filter_chains": [chain]})
    return bootstrap(admin, listeners, clusters)


def routes(to: str) -> list[Config]:
    def route(prefix: str, **action: object) -> Config:
        return {"match": {"prefix": prefix}, "route": {"cluster": to, "timeout": "5s", **action}}

    return [
        {"match": {"prefix": "/refused"}, "direct_response": {"status": 403, "body": {"inline_string": "no: 100% ~ \u00e9"}}},
        {"match": {"prefix": "/redirected"}, "redirect": {"path_redirect": "/else"}},
        {"match": {"prefix": "/dead"}, "route": {"cluster": "dead"}},
        route("/max0", max_stream_duration={"grpc_timeout_header_max": "0s"}),
        route("/max", max_stream_duration={"max_stream_duration": "0.3s", "grpc_timeout_header_max": "0.1s"}),
        route("/offset", max_stream_duration={"grpc_timeout_header_max": "0s", "grpc_timeout_header_offset": "1s"}),
        route("/oldoffset", max_grpc_timeout="0s", grpc_timeout_offset="1s"),
        route("/old", timeout="0.3s", max_grpc_timeout="0.2s"),
        route("/timeout", timeout="0.1s"),
        route("/"),
    ]


def masked(name: str, value: str) -> tuple[str, str]:
    """A field without what is the proxy's own, or a matter of time."""
    if name == "grpc-timeout" and re.fullmatch("[0-9]{1,3}m", value):
        return name, "less than a second"
    return name, "(made by the proxy)" if name in MASKED else value


def shown(events: list[Event]) -> list[Event]:
    return [
        (*event[:-1], [masked(*field) for field in event[-1]]) if event[0] in ("head", "interim", "trailers") else event  # type: ignore[attr-defined]
        for event in events
    ]


def tidy(client: list[Event], server: list[Event]) -> Seen:
    """What is to be compared: a connection that ends when all has been said is of no interest, nor is with which words it ends where
    a message broke the rules (Envoy ends the connection, shifter the stream)."""
    client, server = shown(client), [event for event in shown(server) if event[0] != "goaway"]
    words = {event[0] for event in client}
    if "end" in words and ("end",) in server:
        server = [event for event in server if event[0] not in ("closed", "reset")]
    server = [("closed",) if event == ("reset", 1) else event for event in server]
    server = [event for at, event in enumerate(server) if event != ("closed",) or event not in server[:at]]
    if not words & {"head", "interim"} and words & {"closed", "goaway", "reset"}:
        client = [("refused",)]
    if any(event[0] == "head" and ("connection", "close") in event[-1] for event in client):  # type: ignore[operator]
        client = [event for event in client if event[0] != "closed"]
    return client, server


def hold_all(kind: str, envoy: str, directory: Path) -> dict[tuple[str, bool, bool], Seen]:
    """Hold all exchanges with one of the two, those of each combination in a thread of their own."""
    with ExitStack() as stack:
        worlds = {one: stack.enter_context(World(*one)) for one in COMBINATIONS}
        admin, dead = (stack.enter_context(ReservedPort()).port for _ in range(2))
        ports = {(one, name): stack.enter_context(ReservedPort()).port for one in COMBINATIONS for name in LISTENERS}
        config = front(worlds, ports, admin, dead)
        if kind == "envoy":
            stack.enter_context(running_envoy(envoy, yaml.safe_dump(config), admin, directory))
        else:
            stack.enter_context(Proxy(directory / "shifter")).start(config)

        def hold(one: Combination) -> dict[tuple[str, bool, bool], Seen]:
            fitting = [(name, case) for name, case in EXCHANGES.items() if case.fits(*one)]
            return {(name, *one): tidy(*worlds[one].hold(case.hold, ports[one, case.listener])) for name, case in fitting}

        with ThreadPoolExecutor(len(COMBINATIONS)) as threads:
            return {key: seen for part in threads.map(hold, COMBINATIONS) for key, seen in part.items()}


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What was seen through Envoy, and through shifter, of each case."""
    envoy = envoy_program()
    if not envoy:
        pytest.skip("Envoy is not installed")
    directories = {kind: tmp_path_factory.mktemp(kind) for kind in ("envoy", "shifter")}
    with ThreadPoolExecutor(2) as both:
        yield list(both.map(lambda kind: hold_all(kind, envoy, directories[kind]), directories))


@pytest.mark.parametrize(
    ("name", "client2", "server2"), CASES, ids=[f"{name}-h{1 + client2}-h{1 + server2}" for name, client2, server2 in CASES]
)
def test_exchange(views: Any, name: str, client2: bool, server2: bool) -> None:
    envoy, shifter = (seen[name, client2, server2] for seen in views)
    _, client, server = DIFFERS.get(name, ("", 3, 3))
    if client in (0, 1 + client2) and server in (0, 1 + server2):
        assert envoy != shifter, "no difference any more"
    else:
        assert envoy == shifter


def test_every_difference_is_in_the_documentation() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
    assert not [reason for reason, _, _ in DIFFERS.values() if reason not in documented]
    assert DIFFERS.keys() <= EXCHANGES.keys()
