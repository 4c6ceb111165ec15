"""TLS towards endpoints, right and wrong, through Envoy and through shifter: what endpoint and client see, what log and figures say.

One Envoy, one shifter and the same endpoints for all rows; each row is a cluster with a path of its own. ``DIFFERS`` has the rows in
which shifter does not do as Envoy, with why.
"""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.candidates import envoy_program
from tests.support.backend import ReservedPort
from tests.support.certificates import DAY, Authority
from tests.support.configs import UPSTREAM_TYPE
from tests.support.envoy import running_envoy
from tests.support.programs import PATIENCE
from tests.support.proxy import ACCESS_LOG, Proxy, address, bootstrap, cluster, listener, route
from tests.support.tls_backend import TlsBackend
from tests.support.tls_client import ask
from tests.support.wireclient import Wire

Config = dict[str, Any]
TYPES = "type.googleapis.com/envoy.extensions.transport_sockets."
FORMAT = " ".join(
    f"%{operator}%"
    for operator in (
        "REQ(:PATH)", "RESPONSE_CODE", "RESPONSE_FLAGS", "RESPONSE_CODE_DETAILS", "UPSTREAM_TRANSPORT_FAILURE_REASON", "UPSTREAM_PROTOCOL",
        "UPSTREAM_TLS_VERSION", "UPSTREAM_SERVER_NAME", "UPSTREAM_PEER_SUBJECT", "UPSTREAM_PEER_ISSUER", "UPSTREAM_PEER_DNS_SAN",
        "UPSTREAM_PEER_IP_SAN", "UPSTREAM_LOCAL_DNS_SAN", "UPSTREAM_PEER_CERT_V_START", "UPSTREAM_PEER_CERT_V_END",
    )
)  # fmt: skip
FIGURES = (
    "ssl.handshake", "ssl.connection_error", "ssl.fail_verify_error", "ssl.fail_verify_san", "ssl.fail_verify_no_cert",
    "ssl.session_reused", "ssl.versions.TLSv1.2", "ssl.versions.TLSv1.3", "upstream_cx_http1_total", "upstream_cx_http2_total",
    "upstream_cx_connect_fail", "upstream_cx_connect_timeout", "upstream_cx_destroy_local", "upstream_cx_destroy_remote",
    "upstream_rq_pending_failure_eject", "upstream_cx_protocol_error",
)  # fmt: skip
DIFFERS = {
    "any name": "shifter checks the name that it asked for where the configuration says no other",
    "reset": "shifter does not tell a reset within the handshake from one before it",
}


@dataclass(frozen=True)
class Row:
    """A cluster, over *endpoint*, as *socket* and *options* (``HttpProtocolOptions``) say, and a request for it."""

    endpoint: str
    socket: Config
    options: Config = field(default_factory=dict)
    h2: bool = False
    host: str = "good.test"
    fields: tuple[str, ...] = ()
    more: Config = field(default_factory=dict)


def tls(sni: str = "good.test", san: str = "good.test", client: bool = False, alpn: tuple[str, ...] = (), most: str = "3") -> Config:
    """A transport socket; files are filled in later."""
    validation: Config = {"trusted_ca": {"filename": "@certs@/ca.pem"}}
    if san:
        validation["match_typed_subject_alt_names"] = [{"san_type": "DNS", "matcher": {"exact": san}}]
    common: Config = {"validation_context": validation, "tls_params": {"tls_maximum_protocol_version": f"TLSv1_{most}"}}
    if client:
        pem, key = ({"filename": f"@certs@/client.{kind}"} for kind in ("pem", "key"))
        common["tls_certificates"] = [{"certificate_chain": pem, "private_key": key}]
    if alpn:
        common["alpn_protocols"] = list(alpn)
    context = {"@type": TYPES + "tls.v3.UpstreamTlsContext", "common_tls_context": common, **({"sni": sni} if sni else {})}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def proxied(version: str, inner: Config) -> Config:
    context = {
        "@type": TYPES + "proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        "config": {"version": version},
        "transport_socket": inner,
    }
    return {"name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": context}


H1: Config = {"explicit_http_config": {"http_protocol_options": {}}}
H2: Config = {"explicit_http_config": {"http2_protocol_options": {}}}
AUTO: Config = {"auto_config": {}}
CLIENTS: Config = {"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}
BY_HOST: Config = {**H1, "upstream_http_protocol_options": {"auto_sni": True, "auto_san_validation": True}}
BY_HEADER: Config = {**H1, "upstream_http_protocol_options": {"auto_sni": True, "override_auto_sni_header": "x-name"}}
RAW: Config = {
    "name": "envoy.transport_sockets.raw_buffer",
    "typed_config": {"@type": TYPES + "raw_buffer.v3.RawBuffer"},
}

ROWS = {
    "h1": Row("good", tls(), H1),
    "h2": Row("good", tls(), H2),
    "tls 1.2": Row("good", tls(most="2"), H1),
    "auto, both": Row("good", tls(), AUTO),
    "auto, h1 only": Row("h1 only", tls(), AUTO),
    "auto, no alpn": Row("no alpn", tls(), AUTO),
    "client's, h1": Row("good", tls(), CLIENTS),
    "client's, h2": Row("good", tls(), CLIENTS, h2=True),
    "auto, from h2": Row("h1 only", tls(), AUTO, h2=True),
    "h2 where h1 is agreed on": Row("h1 only", tls(), H2),
    "h2 where nothing is": Row("no alpn", tls(), H2),
    "h1 where h2 is": Row("good", tls(alpn=("h2",)), H1),
    "by host": Row("good", tls(sni="", san=""), BY_HOST),
    "by host with a port": Row("good", tls(sni="", san=""), BY_HOST, host="good.test:8443"),
    "by host, which is an address": Row("good", tls(sni="", san=""), BY_HOST, host="127.0.0.1"),
    "by host, another": Row("good", tls(sni="", san=""), BY_HOST, host="other.test"),
    "by header": Row("good", tls(sni="", san=""), BY_HEADER, host="other.test", fields=("x-name: good.test",)),
    "client certificate": Row("wants client", tls(client=True), H1),
    "no client certificate": Row("wants client", tls(most="2"), H1),
    "no client certificate, found late": Row("wants client", tls(), H1),
    "expired": Row("expired", tls(), H1),
    "auto, expired": Row("expired", tls(), AUTO),
    "auto, closes": Row("close", tls(), AUTO),
    "h2, expired": Row("expired", tls(), H2),
    "h2, from h2, with the wrong name": Row("wrong name", tls(), H2, h2=True),
    "PROXY v2, h2": Row("proxied", proxied("V2", tls()), H2),
    "wrong name": Row("wrong name", tls(), H1),
    "any name": Row("wrong name", tls(san=""), H1),
    "unknown authority": Row("stranger", tls(), H1),
    "plain text": Row("plain", tls(), H1),
    "closes": Row("close", tls(), H1),
    "reset": Row("reset", tls(), H1),
    "hangs": Row("hang", tls(), H1),
    "nobody there": Row("nobody", tls(), H1),
    "PROXY v1": Row("proxied", proxied("V1", tls()), H1),
    "PROXY v2": Row("proxied", proxied("V2", tls()), H1),
    "by metadata": Row("good", RAW, H1, more={"match": tls(), "metadata": {"zone": "a"}}),
    "by no metadata": Row("good", tls(), H1, more={"match": RAW, "metadata": {"zone": "b"}}),
}
_NAMES = list(ROWS)


def _cluster(number: int, row: Row, port: int) -> Config:
    more: Config = {"typed_extension_protocol_options": {UPSTREAM_TYPE.rpartition("/")[2]: {"@type": UPSTREAM_TYPE, **row.options}}}
    made = cluster(f"c{number}", port, transport_socket=row.socket, connect_timeout="0.5s", **more)
    if row.more:
        made["transport_socket_matches"] = [{"name": "one", "match": {"zone": "a"}, "transport_socket": row.more["match"]}]
        endpoint = {
            "endpoint": {"address": address(port)},
            "metadata": {"filter_metadata": {"envoy.transport_socket_match": row.more["metadata"]}},
        }
        made["load_assignment"]["endpoints"] = [{"lb_endpoints": [endpoint]}]
    return made


def _endpoints(stack: ExitStack, directory: Path) -> dict[str, int]:
    """Start all of them; return their ports."""
    ca, stranger = Authority("Conformance CA"), Authority("Another CA")
    (directory / "ca.pem").write_bytes(ca.pem)
    ca.issue("client.test").write(directory, "client")
    (directory / "client.key").chmod(0o600)
    good = ca.issue("good.test", "127.0.0.1")
    backends = {
        "good": TlsBackend(good, directory),
        "h1 only": TlsBackend(good, directory, alpn=("http/1.1",)),
        "no alpn": TlsBackend(good, directory, alpn=()),
        "wants client": TlsBackend(good, directory, trusted=ca.pem),
        "proxied": TlsBackend(good, directory, proxy_protocol=True),
        "expired": TlsBackend(ca.issue("good.test", since=-10 * DAY, until=-DAY), directory),
        "wrong name": TlsBackend(ca.issue("wrong.test"), directory),
        "stranger": TlsBackend(stranger.issue("good.test"), directory),
        **{how: TlsBackend(good, directory, how) for how in ("plain", "close", "reset", "hang")},
    }
    for backend in backends.values():
        stack.enter_context(backend)
    return {name: backend.port for name, backend in backends.items()} | {"nobody": stack.enter_context(ReservedPort()).port}


@dataclass(frozen=True)
class Seen:
    """What there is to see of one row."""

    status: int
    body: object
    logged: str
    figures: dict[str, int]


def _ask(port: int, path: str, row: Row) -> tuple[int, object]:
    fields = [tuple(one.split(": ", 1)) for one in row.fields]
    if row.h2:
        pseudo = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", row.host)]
        told = ask(port, None, [*pseudo, *fields])  # type: ignore[list-item]  # pairs
        status, body = told.status, told.body
    else:
        with Wire(port) as wire:
            answer = wire.ask("GET", path, *row.fields, host=row.host)
        status, body = answer.status, answer.body
    return status, _masked(body, port)


def _masked(body: bytes, port: int) -> object:
    """The body; where an endpoint tells of the request, without what is another one each time."""
    if not body.startswith(b"{"):
        return body.decode()
    told = json.loads(body)
    told["fields"] = {name: value for name, value in told["fields"].items() if name not in ("x-request-id", "x-forwarded-for")}
    words = told.get("proxy", "").split()
    if len(words) == 6:
        told["proxy"] = [*words[:4], words[4].isdigit(), words[5] == str(port)]
    elif words:
        told["proxy"] = [words[0][:48], int(words[0][-4:], 16) == port]
    return told


def _log_of(path: Path) -> dict[str, str]:
    """The line of each row, once all are there: logs are written now and then."""
    give_up = time.monotonic() + PATIENCE
    while True:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line] if path.exists() else []
        if len(lines) == len(ROWS):
            return {line.split("/")[1]: line for line in lines}
        assert time.monotonic() < give_up, lines
        time.sleep(0.05)


def _views(kind: str, program: str, directory: Path, certificates: Path, ports: dict[str, int]) -> list[Seen]:
    directory.mkdir()
    with ExitStack() as stack:
        port, admin = (stack.enter_context(ReservedPort()).port for _ in range(2))
        routes = [route(f"/c{number}/", f"c{number}") for number in range(len(ROWS))]
        clusters = [_cluster(number, row, ports[row.endpoint]) for number, row in enumerate(ROWS.values())]
        config = bootstrap(admin, [listener(port, routes)], clusters)
        manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        manager["access_log"][0]["typed_config"]["log_format"]["text_format_source"]["inline_string"] = FORMAT + "\n"
        text = yaml.safe_dump(config, width=1000).replace("@certs@", str(certificates)).replace(ACCESS_LOG, str(directory / "access.log"))
        if kind == "envoy":
            stack.enter_context(running_envoy(program, text, admin, directory))
        else:
            stack.enter_context(Proxy(directory / "shifter")).start(text)
        with ThreadPoolExecutor(4) as several:
            answers = list(several.map(lambda one: _ask(port, f"/c{one[0]}/", one[1]), enumerate(ROWS.values())))
        with Wire(admin) as wire:
            pairs = [line.partition(": ") for line in wire.ask("GET", "/stats", host="127.0.0.1").body.decode().splitlines()]
        figures = {name: int(value) for name, _, value in pairs if value.isdigit()}
        logged = _log_of(directory / "access.log")
    return [
        Seen(
            status,
            body,
            _without_more(logged[f"c{number}"]),
            {name: count for name in FIGURES if (count := figures.get(f"cluster.c{number}.{name}", 0))},
        )
        for number, (status, body) in enumerate(answers)
    ]


def _without_more(line: str) -> str:
    """The line; what ends a connection that was made is said in more words by shifter."""
    return re.sub(r"(\{(?:protocol_error|connection_termination))\|[^}]*", r"\1", line)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Seen, Seen]]]:
    program = envoy_program()
    if not program:
        pytest.skip("Envoy is not installed")
    directory = tmp_path_factory.mktemp("upstream")
    with ExitStack() as stack:
        ports = _endpoints(stack, directory)
        with ThreadPoolExecutor(2) as both:
            sides = list(both.map(lambda kind: _views(kind, program, directory / kind, directory, ports), ("envoy", "shifter")))
    yield dict(zip(ROWS, zip(*sides, strict=True), strict=True))


@pytest.mark.parametrize("name", ROWS)
def test_row(views: dict[str, tuple[Seen, Seen]], name: str) -> None:
    envoy, shifter = views[name]
    if name in DIFFERS:
        assert envoy != shifter, "no difference any more"
        assert (shifter.status, shifter.logged.split(" ")[2]) == (503, "UF")
    else:
        assert (shifter.status, shifter.body) == (envoy.status, envoy.body)
        assert shifter.logged == envoy.logged
        assert shifter.figures == envoy.figures
