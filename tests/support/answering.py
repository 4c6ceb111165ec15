"""A stand-in for an admin listener, for commands that ask one."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    """A request that came."""

    method: str
    target: str
    path: str
    parameters: Mapping[str, str]
    token: str | None
    body: bytes
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Admin:
    """What is answered, by path: a status and a text (and the type of that), or something to answer as JSON; ``asked`` is what was."""

    address: str
    answers: dict[str, object]
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def answering(answers: Mapping[str, object]) -> Iterator[Admin]:
    """Answer by the table *answers* until the end; what is not in it is a 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            fields = {name.lower(): value for name, value in self.headers.items()}
            said = dict(parse_qsl(url.query))
            admin.asked.append(Asked(self.command, self.path, url.path, said, self.headers["authorization"], body, fields))
            told = admin.answers.get(url.path, (404, "invalid path. admin commands are:\n"))
            status, text, *kind = told if isinstance(told, tuple) else (200, json.dumps(told, indent=1) + "\n")
            self.send_response(status)
            if kind:
                self.send_header("content-type", kind[0])
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    admin = Admin(f"127.0.0.1:{server.server_port}", dict(answers))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield admin
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
