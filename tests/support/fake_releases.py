"""A stand-in for the admin listener's side of releases, for the page and for ``shifter release watch``.

Rule 1. It shows what it is told to (`show`), at once to whoever listens, and remembers what it was asked to do.
Rule 2. The files of the page are those of the package.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from shifter.admin.livepage import COMMANDS, POLICY
from shifter.admin.page import Query
from tests.support.admin import FixedView

Json = dict[str, Any]
POINTS = 3


class FakeReleases:
    """See the module. ``asked`` are the changes that were wanted: method, path, parameters. ``refusal`` is what they are answered with
    while it is set, ``token`` what whoever asks has to show. ``then`` is what is done, one after the other, when a stream has begun."""

    def __init__(self) -> None:
        self.releases: dict[str, Json] = {}
        self.events: list[Json] = []
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.refusal: Json | None = None
        self.token = ""
        self.changed = Condition()
        self.closing = 0
        """Streams that began before it was raised end."""
        self.then: list[Callable[[], None]] = []
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def show(self, told: Json, *events: Json) -> None:
        """Have the release *told* be so, and *events* have happened."""
        with self.changed:
            self.releases[told["name"]] = told
            self.events += events
            self.changed.notify_all()

    def hang_up(self) -> None:
        """End all streams."""
        with self.changed:
            self.closing += 1
            self.changed.notify_all()

    def heard(self, count: int, patience: float = 20.0) -> tuple[str, dict[str, str], bytes]:
        """Wait until it was asked for *count* changes; return the last of them."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= count, patience)
            return self.asked[count - 1]


def _last(series: Json) -> Json:
    """Return the last seconds of *series*."""
    pairs = ("errors", "p50", "p90", "p99")
    return {name: [one[-POINTS:] for one in values] if name in pairs else values[-POINTS:] for name, values in series.items()}


@contextmanager
def fake_releases() -> Iterator[FakeReleases]:
    """Serve until the end."""
    fake = FakeReleases()
    pages = {command.path: command for command in COMMANDS}
    view = FixedView()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, parts = self._path()
            if path in pages or path.startswith("/release"):
                self._file(path if path in pages else "/release/{name}")
            elif fake.token and self.headers.get("authorization") != f"Bearer {fake.token}":
                self._answer(401, "The admin listener wants its token\n", "text/plain")
            elif parts == ["v1", "releases"]:
                self._json(200, {"releases": list(fake.releases.values())})
            elif len(parts) > 2 and parts[2] not in fake.releases:
                self._json(404, {"status": 404, "title": "not found", "detail": f"there is no release {parts[2]!r}"})
            elif len(parts) == 4 and parts[3] == "events":
                self._stream(parts[2])
            elif len(parts) == 4 and parts[3] == "patch":
                self._answer(200, "--- front.yaml\n+++ front.yaml\n", "text/plain")
            elif len(parts) == 3:
                self._json(200, fake.releases[parts[2]])
            else:
                self._answer(404, "invalid path\n", "text/plain")

        def do_POST(self) -> None:
            path, parts = self._path()
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if fake.token and self.headers.get("authorization") != f"Bearer {fake.token}":
                self._answer(401, "The admin listener wants its token\n", "text/plain")
                return
            with fake.changed:
                fake.asked.append((path, dict(parse_qsl(urlsplit(self.path).query)), body))
                fake.changed.notify_all()
            if fake.refusal is not None:
                self._json(fake.refusal["status"], fake.refusal, "application/problem+json")
            else:
                self._json(200, fake.releases.get(parts[2], {}) if len(parts) > 2 else {})

        def _path(self) -> tuple[str, list[str]]:
            path = urlsplit(self.path).path
            return path, [unquote(part) for part in path.split("/")[1:]]

        def _file(self, path: str) -> None:
            answers: list[Any] = []
            pages[path].answer(view, Query()).addCallback(answers.append)
            self._answer(200, answers[0].body, answers[0].content_type)

        def _json(self, status: int, told: object, kind: str = "application/json") -> None:
            self._answer(status, json.dumps(told), kind)

        def _answer(self, status: int, text: str, kind: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.send_header("content-security-policy", POLICY)
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, name: str) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            closing, told, last, begun = fake.closing, None, int(self.headers.get("last-event-id") or self._after()), False
            while fake.closing == closing:
                with fake.changed:
                    fresh = [one for one in fake.events if one["number"] > last and one["release"] == name]
                    if told is fake.releases.get(name) and not fresh:
                        fake.changed.wait(1.0)
                    again, told = told is fake.releases.get(name) and not fresh, fake.releases.get(name)
                if told is None:
                    return
                status = {**told, "series": _last(told["series"])} if again and "series" in told else told
                last = max([last, *(one["number"] for one in fresh)])
                try:
                    for one in fresh:
                        self._event("event", one, str(one["number"]))
                    self._event("status", status)
                except OSError:
                    return  # nobody listens any more
                if not begun and fake.then:
                    fake.then.pop(0)()
                begun = True

        def _after(self) -> str:
            return dict(parse_qsl(urlsplit(self.path).query)).get("after", "0")

        def _event(self, name: str, data: Json, identity: str = "") -> None:
            head = f"id: {identity}\n" if identity else ""
            self.wfile.write(f"{head}event: {name}\ndata: {json.dumps(data)}\n\n".encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        fake.hang_up()
        server.shutdown()
        thread.join()
        server.server_close()
