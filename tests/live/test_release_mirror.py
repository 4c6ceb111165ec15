"""A release that mirrors first, over real connections: what differs is found, a webhook that has seen it stops the release, and is told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from queue import Queue
from threading import Event, Thread
from typing import Any

from tests.release.test_webhook import verified
from tests.support.programs import PATIENCE
from tests.support.proxy import Proxy, bootstrap, cluster, listener, route
from tests.support.release_stage import ended, start, until

REQUESTS = 20


@contextmanager
def server(answer: Any) -> Iterator[int]:
    """Serve what *answer* makes of each request and its body: a status and JSON."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, said = answer(self, body)
            raw = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found.server_port
    finally:
        found.shutdown()
        thread.join()
        found.server_close()


def test_what_differs_is_seen_before_anybody_is_served_by_it(proxy: Proxy) -> None:
    numbers, copies, told, looked = count(), Queue[bool](), Queue[Any](), Event()

    def version(price: float) -> Any:
        def answer(request: Any, body: bytes) -> tuple[int, object]:
            copies.put("-shadow" in request.headers["host"])
            return 200, {"items": [{"price": price, "name": "tea"}], "id": next(numbers)}

        return answer

    def outside(request: Any, body: bytes) -> tuple[int, object]:
        assert verified("sesame", request.headers["x-shifter-signature"], body)
        told.put((request.path, request.headers["x-shifter-event"]))
        status = 200 if request.path == "/told" else 409 if looked.is_set() else 202
        return status, {"reason": "the prices are wrong"}

    with server(version(2.5)) as old, server(version(2)) as new, server(outside) as hooks:
        clusters = [cluster("old", old), cluster("new", new)]
        proxy.start(bootstrap(proxy.admin, [listener(proxy.port, [route("/", "old")])], clusters))
        gate = {"webhook": f"http://127.0.0.1:{hooks}/gate", "secret": "sesame", "name": "looked", "every": "0.2s"}
        mirror = {"mirror": {"percent": 100, "diff": True}, "for": "0.5s", "gate": gate}
        release = {"name": "r", "route": {"prefix": "/"}, "baseline": "old", "canary": "new", "steps": [mirror, {"weight": 100}]}
        start(proxy, {**release, "notify": [{"webhook": f"http://localhost:{hooks}/told", "secret": "sesame"}]})
        until(proxy, "r", lambda status: status["mirror"] == 100.0)
        with proxy.connect() as wire:
            for _ in range(REQUESTS):
                wire.send(b"GET /cart?id=1 HTTP/1.1\r\nhost: front.test\r\n\r\n")
                assert json.loads(wire.answer().body)["items"][0]["price"] == 2.5
        seen = until(proxy, "r", lambda status: (status["differences"] or {}).get("compared") == REQUESTS)
        looked.set()
        over = ended(proxy, "r")
        events = []
        while (event := told.get(timeout=PATIENCE)) != ("/told", "rolled_back"):
            events.append(event)
    assert seen["differences"] == {
        "compared": REQUESTS,
        "different": REQUESTS,
        "noise": 0,
        "skipped": 0,
        "paths": [
            {
                "path": "/cart",
                "compared": REQUESTS,
                "status": 0,
                "headers": 0,
                "body": REQUESTS,
                "examples": [f"$.items[].price: 2.5 -> 2 ({REQUESTS} times)"],
            }
        ],
    }
    assert (over["state"], over["weight"]) == ("rolled back", 0.0)
    assert "the prices are wrong" in over["reason"]
    assert over["exposure"]["mirrored"] == REQUESTS
    assert over["exposure"]["canary_requests"] == 0
    assert [copies.get() for _ in range(copies.qsize())].count(True) == 3 * REQUESTS
    assert ("/gate", "gate") in events
    assert next(event for path, event in events if path == "/told") == "started"
