"""A release goes over to the process that takes over, also without a state directory, and what is left in the old one obeys the new."""

import json
from http.client import HTTPConnection
from typing import Any

from tests.support.backend import Backend
from tests.support.programs import PATIENCE
from tests.support.proxy import Proxy, bootstrap, cluster, listener, route
from tests.support.wireclient import ask

HEADER = {"header": {"name": "x-canary", "exact_match": "yes"}, "gate": "manual"}
ROUTE = {"virtual_host": "all", "prefix": "/"}
SPEC = {"name": "r", "route": ROUTE, "baseline": "one", "canary": "two", "steps": [HEADER, {"weight": 100}]}


def post(proxy: Proxy, path: str, body: str = "") -> Any:
    connection = HTTPConnection("127.0.0.1", proxy.admin, timeout=PATIENCE)
    try:
        connection.request("POST", f"/v1/releases{path}", body, {"connection": "close"})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status == 200, said
        return said
    finally:
        connection.close()


def test_it_goes_on_in_the_process_that_takes_over(proxy: Proxy, backends: list[Backend]) -> None:
    proxy.from_scratch = True
    one, two, _ = backends
    proxy.front([route("/", "one")], [cluster("one", one.port), cluster("two", two.port)])
    assert "there is no state directory" in post(proxy, "", json.dumps(SPEC))["warnings"][-1]
    while json.loads(proxy.page("/v1/releases/r"))["state"] != "observing":
        pass  # its route is being held
    assert post(proxy, "/r/promote?by=ann")["weight"] == 100.0
    good = proxy.path.read_text()
    problem = "\n".join(proxy.refuse(bootstrap(proxy.admin, [listener(proxy.port, [route("/", "one")])], [cluster("one", one.port)])))
    assert "the release `r` holds a route, and there is no cluster `two` in the configuration" in problem
    refused = proxy.act("/restart")
    assert not refused["taken"] and "there is no cluster `two`" in str(refused), "no restart lets go of what a reload does not"
    assert json.loads(proxy.page("/v1/releases/r"))["state"] == "observing"
    proxy.write(good)
    with proxy.connect() as client:
        assert json.loads(client.ask("GET", "/").body)["backend"] == "two"
        assert proxy.act("/restart")["taken"]
        told = json.loads(proxy.page("/v1/releases/r"))
        assert (told["state"], told["weight"], told["version"]) == ("observing", 100.0, 3)
        assert json.loads(ask(proxy.port, "GET", "/").body)["backend"] == "two"
        assert post(proxy, "/r/abort?by=ben")["state"] == "aborted"
        assert json.loads(client.ask("GET", "/").body)["backend"] == "one", "the old process serves it, and knows"
    assert json.loads(ask(proxy.port, "GET", "/").body)["backend"] == "one"
    happened = json.loads(proxy.page("/v1/history"))["events"]
    assert [(one["event"], one["by"]) for one in happened[:2]] == [("aborted", "ben"), ("promoted", "ann")]
    proxy.adopt()
