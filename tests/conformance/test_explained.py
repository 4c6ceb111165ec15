"""What ``/routes/explain`` says of a request is what then happens to it, for the requests of all case files."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from tests.support.backend import Backend, ReservedPort, Seen
from tests.support.differential import bytes_of
from tests.support.proxy import Proxy
from tests.support.wireclient import Answer, Wire

NEW_ID = "<new id>"
CASES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
}


def can_be_asked(request: dict[str, Any]) -> bool:
    """Whether the request can be put as a question: not if it is bytes that are no request, or has no path."""
    return not {"raw", "pad"} & request.keys() and request.get("method") != "CONNECT" and request["path"].startswith("/")


EXCHANGES = [
    (name, number)
    for name, case in CASES.items()
    if not name.startswith("filters")  # they come first, and are not run when a question is asked
    for number, request in enumerate(case["requests"])
    if can_be_asked(request)
]


class Stage:
    """One case file: backends and shifter, started."""

    def __init__(self, case: dict[str, Any], stack: ExitStack, directory: Path) -> None:
        self.backends = [stack.enter_context(Backend(name)) for name in case["backends"]]
        self.ports = {backend.name: backend.port for backend in self.backends}
        for name in ("listen", "listen2", "admin", "dead"):
            self.ports[name] = stack.enter_context(ReservedPort()).port
        text = case["config"]
        for name, port in self.ports.items():
            text = text.replace(f"@{name}@", str(port))
        self.proxy = stack.enter_context(Proxy(directory))
        self.proxy.admin = self.ports["admin"]
        self.proxy.start(text)

    def explanation(self, request: dict[str, Any]) -> Any:
        """What is said of *request*."""
        method, host = request.get("method", "GET"), request.get("host", "front.test")
        line, *fields = bytes_of(request).partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        target = line.split(" ")[1]
        query = [("request", f"{method} http://h:{self.ports[request.get('listener', 'listen')]}{target}"), ("format", "json")]
        query += [("header", f"host: {host}"), *(("header", field) for field in fields[1:])]
        return json.loads(self.proxy.page(f"/routes/explain?{urlencode(query)}"))

    def exchange(self, request: dict[str, Any]) -> tuple[Answer, list[Seen]]:
        """What comes of *request*."""
        before = [len(backend.requests) for backend in self.backends]
        with Wire(self.ports[request.get("listener", "listen")]) as wire:
            wire.send(bytes_of(request))
            answer = wire.answer(request.get("method", "GET"))
        return answer, [seen for backend, start in zip(self.backends, before, strict=True) for seen in backend.requests[start:]]


class Stages:
    """One stage at a time: the requests of a case file come one behind the other."""

    def __init__(self, stack: ExitStack, directories: pytest.TempPathFactory) -> None:
        self._stack = stack
        self._directories = directories
        self._name = ""
        self._stage: Stage | None = None

    def of(self, name: str) -> Stage:
        if self._stage is None or self._name != name:
            self._stage = None
            self._stack.close()
            self._stage = Stage(CASES[name], self._stack, self._directories.mktemp(name))
            self._name = name
        return self._stage


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    with ExitStack() as stack:
        yield Stages(stack, tmp_path_factory)


@pytest.mark.parametrize(("name", "number"), EXCHANGES)
def test_what_is_said_is_what_happens(stages: Stages, name: str, number: int) -> None:
    request = CASES[name]["requests"][number]
    stage = stages.of(name)
    told = stage.explanation(request)
    answer, seen = stage.exchange(request)
    if any("filters" in note or "gRPC" in note for note in told["notes"]):
        pytest.skip("filters were there first, or the answer is gRPC's")
    ways = told["matched"]
    replies = [reply for reply in [told["answer"], *(way.get("answer") for way in ways)] if reply is not None]
    sent = [one["sent"] for way in ways for one in way.get("candidates", ()) if one["share"] and not one["missing"]]
    if seen:
        assert any(fields_of(one) == fields_seen(request_seen, one) for one in sent for request_seen in seen), (sent, seen)
    elif replies and not sent and not any("local_reply_config" in note for note in told["notes"]):
        assert any(reply["status"] == answer.status for reply in replies)
        for reply in replies:
            for key, value in reply["headers"]:
                assert value.encode() in answer.values(key.encode()), key


def fields_of(sent: Any) -> tuple[str, str, list[list[str]]]:
    return sent["method"], sent["path"], sorted([["host", sent["host"]], *sent["headers"]])


def fields_seen(seen: Seen, sent: Any) -> tuple[str, str, list[list[str]]]:
    """What a backend saw, with what is another each time as the explanation has it: the id that was made on the way, and what a
    retry says of itself, for it is the first try that is explained."""
    known = {key: value for key, value in sent["headers"] if value == NEW_ID}
    if seen.values("x-envoy-attempt-count") > ["1"]:
        known |= {key: value for key, value in sent["headers"] if key in ("x-envoy-attempt-count", "x-envoy-expected-rq-timeout-ms")}
    return seen.method, seen.target, sorted([key, known.get(key, value)] for key, value in seen.fields)
