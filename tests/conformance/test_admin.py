"""The admin pages of Envoy and of shifter beside each other: status codes, types, texts and shapes.

Both are started once, with the same configuration, and asked everything before anything is compared.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from bench.candidates import envoy_program
from tests.support.backend import ReservedPort
from tests.support.certificates import Authority
from tests.support.envoy import running_envoy
from tests.support.proxy import Proxy, bootstrap, cluster, listener, route, split
from tests.support.wireclient import Wire

SAME = [
    *("GET /listeners", "GET /listeners?format=json", "GET /clusters", "GET /clusters?filter=^two$", "GET /clusters?filter=nothing"),
    *("GET /certs", "GET /init_dump", "GET /init_dump?mask=listener", "GET /hot_restart_version"),
    *("GET /reset_counters", "PUT /reset_counters", "GET /logging", "DELETE /quitquitquit", "GET /runtime_modify"),
    *("POST /reset_counters", "POST /reopen_logs", "POST /healthcheck/fail", "GET /ready", "POST /healthcheck/ok", "GET /ready#again"),
    *("GET /config_dump?resource=nope", "GET /config_dump?mask=nope", "GET /config_dump?resource=bootstrap"),
    *("GET /config_dump?resource=static_endpoint_configs", "GET /config_dump?mask=static_clusters.cluster"),
    *("GET /config_dump?resource=version_info", "GET /config_dump?resource=static_clusters&mask=cluster.name"),
    *("GET /config_dump?resource=static_clusters&mask=cluster.name&name_regex=o.e", "GET /config_dump?mask=bootstrap.admin"),
    *("GET /config_dump?resource=static_secrets", "GET /config_dump?resource=dynamic_listeners"),
    *("POST /cpuprofiler", "POST /cpuprofiler?enable=x", "POST /cpuprofiler?enable=n", "POST /heapprofiler?enable=y"),
    *("POST /stats/recentlookups/clear", "POST /stats/recentlookups/disable", "GET /runtime"),
]
"""Answers that are the same to the letter, but for ports and times."""

SAME_SHAPE = [
    *("GET /clusters?format=json", "GET /memory", "GET /config_dump", "GET /config_dump?include_eds"),
    *("GET /config_dump?resource=static_listeners", "GET /config_dump?resource=static_route_configs"),
    *("GET /config_dump?resource=static_endpoint_configs&include_eds", "GET /config_dump?mask=static_clusters"),
]
"""Answers in JSON with the same keys, and the same number of elements in each list."""

SAME_START = [
    *("GET /nothing", "POST /nothing", "GET /ready/", "GET /stats?filter=a**", "GET /stats?format=xx", "GET /clusters?filter=a**"),
    *("GET /config_dump?name_regex=a**", "POST /logging", "POST /logging?level=loud", "POST /logging?paths=nobody:debug"),
    *("POST /logging?level=info", "POST /logging?paths=a", "POST /logging?a=debug&b=info", "GET /contention", "GET /stats/recentlookups"),
]
"""Answers with the same status, type and first line, as far as that goes without what only one of them has."""

DIFFERENT = {
    "GET /clusters?format=xx": ((200, "text/plain; charset=UTF-8"), (400, "text/plain; charset=UTF-8")),
    "POST /ready": ((200, "text/plain; charset=UTF-8"), (405, "text/plain; charset=UTF-8")),
    "GET /memory/tcmalloc": ((200, "text/plain"), (501, "text/plain; charset=UTF-8")),
}
"""Where they differ, and how: docs/differences.md says why."""

ASKED = (*SAME, *SAME_SHAPE, *SAME_START, *DIFFERENT, "GET /help", "GET /server_info")


class Said(NamedTuple):
    status: int
    kind: str
    body: str


def ask(port: int) -> dict[str, Said]:
    found: dict[str, Said] = {}
    for asked in ASKED:
        method, target = asked.partition("#")[0].split(" ", 1)
        with Wire(port) as wire:
            answer = wire.ask(method, target, "content-length: 0", host="127.0.0.1")
        found[asked] = Said(answer.status, answer[b"content-type"].decode(), answer.body.decode("utf-8", "replace"))
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Said], dict[str, Said]]]:
    program = envoy_program()
    if not program:
        pytest.skip("Envoy is not installed")
    directory = tmp_path_factory.mktemp("admin")
    pair = Authority().issue("front.test")
    pair.write(directory, "front")
    files = {"certificate_chain": {"filename": str(directory / "front.pem")}, "private_key": {"inline_string": pair.key_pem.decode()}}
    secret = {"name": "pair", "tls_certificate": files}
    with ReservedPort() as admin, ReservedPort() as front, ReservedPort() as nobody, Proxy(directory / "proxy") as proxy:
        answers = []
        for own, at in ((proxy.admin, proxy.port), (admin.port, front.port)):
            config = bootstrap(
                own,
                [listener(at, [split("/split", one=25, two=75), route("/", "one")])],
                [cluster("one", nobody.port), cluster("two", nobody.port, nobody.port + 1)],
            )
            config["static_resources"]["secrets"] = [secret]
            text = json.dumps(config)
            for port in (own, at, nobody.port, nobody.port + 1):
                assert text.count(str(port))
            if own == proxy.admin:
                proxy.start(config)
                answers.append(asked_of(own, at))
            else:
                with running_envoy(program, text.replace("/dev/fd/ACCESS", "/dev/null"), own, directory):
                    answers.append(asked_of(own, at))
        shifter, envoy = answers
        yield envoy, shifter


def asked_of(admin: int, front: int) -> dict[str, Said]:
    """Make a request or two, and ask everything; ports are told by what they are."""
    with Wire(front) as wire:
        assert wire.ask("GET", "/").status == 503
    names = {str(admin): "1", str(front): "2"}
    known = re.compile("|".join(names))
    return {asked: one._replace(body=known.sub(lambda at: names[at[0]], one.body)) for asked, one in ask(admin).items()}


def keys(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from keys(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, f"{path}[]")
    else:
        yield path


Both = tuple[dict[str, Said], dict[str, Said]]


def lines(text: str) -> list[str]:
    return sorted(text.splitlines())


@pytest.mark.parametrize("asked", SAME)
def test_the_same(both: Both, asked: str) -> None:
    envoy, shifter = (side[asked] for side in both)
    assert shifter[:2] == envoy[:2]
    if envoy.kind == "application/json":
        assert json.loads(shifter.body) == json.loads(envoy.body)
    else:
        assert lines(shifter.body) == lines(envoy.body)


@pytest.mark.parametrize("asked", SAME_SHAPE)
def test_the_same_shape(both: Both, asked: str) -> None:
    envoy, shifter = (side[asked] for side in both)
    assert shifter[:2] == envoy[:2]
    told = [json.loads(one.body) for one in (shifter, envoy)]
    for one in told:
        for config in one.get("configs", ()):
            config.get("bootstrap", {}).pop("node", None)  # Envoy puts there what it was built with
            endpoints = (config, *config.get("static_endpoint_configs", ()))
            for locality in (one for part in endpoints for one in part.get("endpoint_config", {}).get("endpoints", ())):
                locality.pop("load_balancing_weight", None)  # what localities weigh is not told by shifter
    assert sorted(keys(told[0])) == sorted(keys(told[1]))


@pytest.mark.parametrize("asked", SAME_START)
def test_the_same_start(both: Both, asked: str) -> None:
    envoy, shifter = (side[asked] for side in both)
    assert shifter[:2] == envoy[:2]
    first, other = (one.body.splitlines()[0].partition(": ")[0].partition(" (")[0] for one in (envoy, shifter))
    assert other.startswith(first) or first.startswith(other)


@pytest.mark.parametrize("asked", DIFFERENT)
def test_the_differences_are_known(both: Both, asked: str) -> None:
    envoy, shifter = (side[asked] for side in both)
    assert (envoy[:2], shifter[:2]) == DIFFERENT[asked]


def commands(text: str) -> dict[str, str]:
    return dict(re.findall(r"^  (/\S*?)(?: (\(POST\)))?: ", text, re.MULTILINE))


def test_help_has_every_command_of_envoys(both: Both) -> None:
    envoy, shifter = (commands(side["GET /help"].body) for side in both)
    assert envoy.items() <= shifter.items()
    assert len(envoy) > 30


def test_server_info(both: Both) -> None:
    envoy, shifter = (json.loads(side["GET /server_info"].body) for side in both)
    assert shifter.keys() == envoy.keys()
    assert shifter["command_line_options"].keys() <= envoy["command_line_options"].keys()
    assert shifter["state"] == envoy["state"] == "LIVE"
    assert shifter["hot_restart_version"] == envoy["hot_restart_version"]
