"""Filters come, go and change with the configuration; what they count stays, and requests under way keep the ones they have."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator

import pytest

from tests.support.backend import Backend
from tests.support.configs import ROUTER_TYPE
from tests.support.load import Load
from tests.support.proxy import Config, Proxy, bootstrap, cluster, listener, route

P = "type.googleapis.com/envoy.extensions.filters.http."
ROUTER = {"name": "router", "typed_config": {"@type": ROUTER_TYPE}}


@pytest.fixture
def backend() -> Iterator[Backend]:
    backend = Backend("one")
    yield backend
    backend.close()


def users(**passwords: str) -> Config:
    digests = {name: b64encode(hashlib.sha1(word.encode()).digest()).decode() for name, word in passwords.items()}
    text = "".join(f"{name}:{{SHA}}{digest}\n" for name, digest in digests.items())
    return {"name": "auth", "typed_config": {"@type": P + "basic_auth.v3.BasicAuth", "users": {"inline_string": text}}}


def added(value: str) -> Config:
    mutation = {"append": {"header": {"key": "x-filtered", "value": value}}}
    typed = {"@type": P + "header_mutation.v3.HeaderMutation", "mutations": {"response_mutations": [mutation]}}
    return {"name": "mutation", "typed_config": typed}


def test_filters_come_and_go(proxy: Proxy, backend: Backend) -> None:
    def config(*filters: Config) -> Config:
        manager = listener(proxy.port, [route("/", "one")], http_filters=[*filters, ROUTER])
        return bootstrap(proxy.admin, [manager], [cluster("one", backend.port)])

    def asked(word: str = "") -> tuple[int, bytes | None]:
        fields = ("authorization: Basic " + b64encode(b"ada:" + word.encode()).decode(),) if word else ()
        with proxy.connect() as wire:
            answer = wire.ask("GET", "/name/x", *fields)
        return answer.status, dict(answer.fields).get(b"x-filtered")

    proxy.start(config())
    assert asked() == (200, None)
    assert "http.front.basic_auth.denied" not in proxy.stats()
    proxy.reload(config(users(ada="lovelace"), added("yes")))
    assert asked() == (401, b"yes")
    assert asked("byron") == (401, b"yes")
    assert asked("lovelace") == (200, b"yes")
    with proxy.connect() as held:
        held.request("GET", "/hold", "authorization: Basic " + b64encode(b"ada:lovelace").decode())
        backend.seen(lambda request: request.path == "/hold")
        proxy.reload(config(users(ada="king"), added("again")))
        assert asked("lovelace") == (401, b"again")
        assert asked("king") == (200, b"again")
        backend.release()
        assert dict(held.answer().fields)[b"x-filtered"] == b"yes"
    stats = proxy.stats()
    assert (stats["http.front.basic_auth.denied"], stats["http.front.basic_auth.allowed"]) == (3, 3)
    assert 'envoy_http_basic_auth_denied{envoy_http_conn_manager_prefix="front"} 3' in proxy.page("/stats/prometheus")
    proxy.reload(config())
    assert asked() == (200, None)
    assert proxy.at_rest()["http.front.basic_auth.denied"] == 3


def test_filters_change_under_load(proxy: Proxy, backend: Backend) -> None:
    def config(number: int) -> Config:
        buffer = {"name": "b", "typed_config": {"@type": P + "buffer.v3.Buffer", "max_request_bytes": 100}}
        filters = [added(str(number)), buffer][: number % 3]
        manager = listener(proxy.port, [route("/", "one")], http_filters=[*filters, ROUTER])
        return bootstrap(proxy.admin, [manager], [cluster("one", backend.port)])

    proxy.start(config(0))
    with Load(proxy.port, "one") as load:
        for number in range(1, 13):
            proxy.reload(config(number))
            load.more(10)
    assert not load.wrong
    stats = proxy.at_rest()
    assert stats["http.front.downstream_rq_total"] == stats["http.front.downstream_rq_completed"]
