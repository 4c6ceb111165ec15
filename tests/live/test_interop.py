"""One table of exchanges, HTTP/1.1 and HTTP/2 on either side, in the clear and over TLS: the same meaning arrives at both ends.

What is the same is what `meaning` leaves: no framing, no fields that belong to one connection. `tests/conformance/test_protocols.py` holds
the exchanges one by one against Envoy.
"""

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.support import exchanges_grpc, exchanges_heads
from tests.support.certificates import Authority
from tests.support.configs import UPSTREAM_TYPE
from tests.support.exchanges import EXCHANGES
from tests.support.protocols import Event, Tls, World
from tests.support.proxy import Config, Proxy, bootstrap, cluster, listener, route

assert exchanges_heads and exchanges_grpc  # they put theirs into the table

TYPES = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
EITHER = (False, True)
COMBINATIONS = list(product(EITHER, EITHER, EITHER))
"""HTTP/2 from the client, HTTP/2 to the endpoint, TLS on both sides."""
PLAIN = (False, False, False)
TABLE = [
    "get_with_length", "get_streamed", "post_with_length", "bidirectional", "request_trailers", "response_trailers",
    "response_trailers_no_body", "request_trailers_no_body", "early_answer", "early_answer_not_whole", "early_answer_of_the_proxy",
    "server_closes_within_length", "server_resets_8_begun", "client_resets_before_answer", "client_resets_answer", "te_values", "cookies",
    "one_cookie", "host_alone", "expect_continue", "expect_continue_streamed", "expect_something", "passes_expect",
    "passes_expect_refused", "passes_early_hints", "early_hints", "head_with_length", "head_of_nothing", "no_content",
    "no_content_length_0", "not_modified", "not_modified_length", "reset_content", "empty", "odd_status", "client_says_close",
    "empty_post", "empty_post_with_length", "post_ends_later", "get_with_body", "delete_with_length", "put_nothing", "many_values",
    "obs_text", "grpc_unary", "grpc_trailers_only", "grpc_http_status", "grpc_answer_without_status", "grpc_refused", "grpc_no_route",
    "grpc_server_resets_2_begun", "web_binary_trailers", "web_text_trailers", "web_text_several", "web_binary_html",
]  # fmt: skip
FRAMING = {"connection", "content-length", "transfer-encoding", "keep-alive", "te"}
MADE = {"date", "server", "x-request-id", "x-envoy-upstream-service-time", "x-forwarded-proto", "x-envoy-expected-rq-timeout-ms"}
MANAGERS: dict[str, Config] = {"usual": {}, "proxied": {"proxy_100_continue": True}, "web": {}}

Views = dict[tuple[bool, bool, bool], dict[str, Any]]


def meaning(events: list[Event]) -> list[Event]:
    """What *events* say to who does not know which version of HTTP they came by."""
    told: list[Event] = []
    for event in events:
        word = event[0]
        if word in ("head", "interim", "trailers"):
            fields = [field for field in event[-1] if field[0] not in FRAMING | MADE]  # type: ignore[attr-defined]
            cookies = "; ".join([value for name, value in fields if name == "cookie"])  # HTTP/2 may have one field for each
            told.append((*event[:-1], [field for field in fields if field[0] != "cookie"], cookies))
        elif word in ("data", "end"):
            told.append(event)
        elif ("end",) not in told and ("cut",) not in told:
            told.append(("cut",))  # closed, reset: it is not whole
    return told


def transport_socket(kind: str, **context: object) -> Config:
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": TYPES + kind, **context}}}


def front(directory: Path, worlds: dict[tuple[bool, bool, bool], World], ports: dict[tuple[Any, str], int], admin: int) -> Config:
    listeners, clusters = [], []
    files = {"certificate_chain": {"filename": str(directory / "front.pem")}, "private_key": {"filename": str(directory / "front.key")}}
    trust = {"trusted_ca": {"filename": str(directory / "ca.pem")}}
    for one, world in worlds.items():
        _, server2, tls = one
        name = "-".join(map(str, one))
        spoken = {"http2_protocol_options": {}} if server2 else {"http_protocol_options": {"enable_trailers": True}}
        limit = {"max_requests_per_connection": 1}
        protocol = {"@type": UPSTREAM_TYPE, "common_http_protocol_options": limit, "explicit_http_config": spoken}
        more: Config = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol}}
        if tls:
            more |= transport_socket("UpstreamTlsContext", sni="front.test", common_tls_context={"validation_context": trust})
        clusters.append(cluster(name, world.port, **more))
        refused = {"match": {"prefix": "/refused"}, "direct_response": {"status": 403, "body": {"inline_string": "no"}}}
        for kind, manager in MANAGERS.items():
            made = listener(ports[one, kind], [refused, route("/", name)], http_protocol_options={"enable_trailers": True}, **manager)
            made["name"] = f"{name}-{kind}"
            [chain] = made["filter_chains"]
            typed = chain["filters"][0]["typed_config"]
            typed["route_config"]["virtual_hosts"][0]["domains"] = ["front.test"]
            if kind == "web":
                web = {"@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"}
                typed["http_filters"].insert(0, {"name": "envoy.filters.http.grpc_web", "typed_config": web})
            if tls:
                context = {"tls_certificates": [files], "alpn_protocols": ["h2", "http/1.1"]}
                chain |= transport_socket("DownstreamTlsContext", common_tls_context=context)
            listeners.append(made)
    return bootstrap(admin, listeners, clusters)


def encrypted(directory: Path, http2: bool) -> Tls:
    """Both ends' contexts; each speaks one version of HTTP only."""
    client = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(str(directory / "front.pem"), str(directory / "front.key"))
    for context, version2 in ((client, http2), (server, http2)):
        context.set_alpn_protocols(["h2"] if version2 else ["http/1.1"])
    return Tls(client, server)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Views]:
    """What client and endpoint saw of each exchange, for every combination."""
    directory = tmp_path_factory.mktemp("interop")
    authority = Authority()
    (directory / "ca.pem").write_bytes(authority.pem)
    authority.issue("front.test").write(directory, "front")
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(directory / "shifter"))
        worlds = {}
        for client2, server2, tls in COMBINATIONS:
            ends = Tls(encrypted(directory, client2).client, encrypted(directory, server2).server) if tls else None
            worlds[client2, server2, tls] = stack.enter_context(World(client2, server2, ends))
        ports = {(one, kind): proxy.reserve() for one in COMBINATIONS for kind in MANAGERS}
        proxy.start(front(directory, worlds, ports, proxy.admin))

        def hold(one: tuple[bool, bool, bool]) -> dict[str, Any]:
            cases = [(name, EXCHANGES[name]) for name in TABLE]
            return {name: tuple(map(meaning, worlds[one].hold(case.hold, ports[one, case.listener]))) for name, case in cases}

        with ThreadPoolExecutor(len(COMBINATIONS)) as threads:
            yield dict(zip(COMBINATIONS, threads.map(hold, COMBINATIONS), strict=True))


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("one", COMBINATIONS, ids=[f"h{1 + a}-h{1 + b}-{'tls' if c else 'clear'}" for a, b, c in COMBINATIONS])
def test_the_same_arrives(views: Views, one: tuple[bool, bool, bool], name: str) -> None:
    assert views[one][name] == views[PLAIN][name]
    assert any(views[one][name])
