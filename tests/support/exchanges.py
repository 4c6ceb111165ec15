"""Exchanges over HTTP, whichever version: one table for every client and every endpoint (`tests.support.protocols`).

A name says what happens. ``listener`` is that of ``tests/conformance/test_protocols.py``; ``client`` and ``server`` are versions where
the exchange is possible with these only.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.protocols import ClientEnd, Exchange, Field, ServerEnd


@dataclass(frozen=True)
class Case:
    """An exchange, and with whom it can be held; 0 stands for either version."""

    hold: Exchange
    listener: str
    client: int
    server: int

    def fits(self, client2: bool, server2: bool) -> bool:
        return self.client in (0, 1 + client2) and self.server in (0, 1 + server2)


EXCHANGES: dict[str, Case] = {}


def exchange(listener: str = "usual", client: int = 0, server: int = 0, name: str = "") -> Callable[[Exchange], Exchange]:
    """Put a function into the table, under its name or *name*."""

    def add(hold: Exchange) -> Exchange:
        EXCHANGES[name or hold.__name__] = Case(hold, listener, client, server)
        return hold

    return add


CL5: Field = ("content-length", "5")


@exchange()
def get_with_length(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("te", "trailers"), ("accept", "*/*"))
    s.gets("end")
    s.head(200, CL5, ("content-type", "text/plain"))
    s.data(b"hello", True)


@exchange()
def get_streamed(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.head(200)
    c.gets("head")
    s.data(b"one")
    c.gets_data(3)
    s.data(b"two")
    c.gets_data(6)
    s.end()


@exchange()
def post_with_length(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", CL5, end=False)
    c.data(b"hello", True)
    s.gets("end")
    s.head(201, ("content-length", "2"))
    s.data(b"ok", True)


@exchange()
def bidirectional(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    s.gets("head")
    s.head(200)
    c.gets("head")
    c.data(b"ping")
    s.gets_data(4)
    s.data(b"pong")
    c.gets_data(4)
    c.data(b"ping")
    s.gets_data(8)
    c.end()
    s.gets("end")
    s.data(b"done", True)


@exchange()
def request_trailers(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    c.data(b"hello")
    c.trailers(("x-sum", "1"), ("grpc-x", "y"))
    s.gets("end")
    s.head(200, end=True)


@exchange(listener="bare")
def request_trailers_bare(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    c.data(b"hello")
    c.trailers(("x-sum", "1"))
    s.gets("end")
    s.head(200, end=True)


@exchange()
def response_trailers(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("te", "trailers"))
    s.gets("end")
    s.head(200)
    s.data(b"hello")
    s.trailers(("x-sum", "1"), ("x-more", "2"))


@exchange()
def response_trailers_without_te(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.head(200)
    s.data(b"hello")
    s.trailers(("x-sum", "1"), ("x-more", "2"))


@exchange(listener="bare")
def response_trailers_bare(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("te", "trailers"))
    s.gets("end")
    s.head(200)
    s.data(b"hello")
    s.trailers(("x-sum", "1"))


@exchange()
def response_trailers_no_body(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("te", "trailers"))
    s.gets("end")
    s.head(200)
    c.gets("head")
    s.trailers(("x-sum", "1"))


@exchange()
def request_trailers_no_body(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    s.gets("head")
    c.trailers(("x-sum", "1"))
    s.gets("end")
    s.head(200, end=True)


@exchange()
def forbidden_trailers(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    c.data(b"hello")
    c.trailers(("content-length", "5"), ("x-sum", "1"), ("authorization", "me"), ("host", "else"), ("content-type", "a/b"))
    s.gets("end")
    s.head(200)
    s.data(b"x")
    s.trailers(("content-length", "1"), ("x-sum", "1"), ("set-cookie", "a=b"), ("content-type", "a/b"), ("te", "x"))


@exchange()
def early_answer(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    c.data(b"part")
    s.gets_data(4)
    s.head(413, CL5)
    s.data(b"large", True)
    c.gets("end")


@exchange()
def early_answer_more_comes(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    c.data(b"part")
    s.gets_data(4)
    s.head(200)
    s.data(b"large", True)
    c.gets("end")
    c.data(b"more")
    c.data(b"more", True)


@exchange()
def early_answer_not_whole(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    c.data(b"part")
    s.gets_data(4)
    s.head(200)
    s.data(b"begun")
    c.gets_data(5)
    c.data(b"more", True)
    s.gets("end")
    s.end()


@exchange()
def early_answer_then_no_error(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    c.data(b"part")
    s.gets_data(4)
    s.head(200, CL5)
    s.data(b"large", True)
    if s.http2:
        s.reset(0)
    else:
        s.close()
    c.gets("end")


@exchange()
def early_answer_of_the_proxy(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/refused", end=False)
    c.data(b"part")
    c.gets("end")


@exchange()
def client_resets_before_answer(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    s.gets("head")
    c.reset(8)
    s.breaks_off()


@exchange()
def client_resets_whole_request(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    c.reset(8)
    s.breaks_off()


@exchange()
def client_resets_answer(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.head(200)
    s.data(b"begun")
    c.gets_data(5)
    c.reset(8)
    s.breaks_off()


@exchange()
def client_resets_with_no_error(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    s.gets("head")
    s.head(200)
    c.gets("head")
    c.reset(0)
    s.breaks_off()


def _reset_by_the_server(code: int, begun: bool) -> None:
    def cut(c: ClientEnd, s: ServerEnd) -> None:
        c.head("GET", "/x")
        s.gets("end")
        if begun:
            s.head(200)
            s.data(b"begun")
            c.gets_data(5)
        s.reset(code)

    exchange(name=f"server_resets_{code}_{'begun' if begun else 'before'}")(cut)


for _code in (0, 1, 2, 5, 7, 8, 11, 13):
    for _begun in (False, True):
        _reset_by_the_server(_code, _begun)


@exchange()
def server_resets_post_before(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    s.gets("head")
    s.reset(8)


@exchange()
def server_closes_before(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.close()


@exchange()
def server_closes_within_length(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.head(200, ("content-length", "50"))
    s.data(b"begun")
    c.gets_data(5)
    s.close()


@exchange()
def server_closes_within_chunks(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.head(200)
    s.data(b"begun")
    c.gets_data(5)
    s.close()


@exchange()
def body_until_close(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    if s.http2:
        s.head(200)
    else:
        s.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
    s.data(b"begun")
    c.gets_data(5)
    if s.http2:
        s.end()
    else:
        s.close()


@exchange(server=2)
def answer_too_short(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.head(200, ("content-length", "50"))
    s.data(b"begun")
    c.gets_data(5)
    s.end()


@exchange(server=2)
def answer_too_long(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.head(200, ("content-length", "5"))
    c.gets("head")
    s.data(b"begun and more", True)


@exchange(client=2)
def request_too_short(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", ("content-length", "50"), end=False)
    s.gets("head")
    c.data(b"hello", True)


@exchange(client=2)
def request_too_long(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", ("content-length", "5"), end=False)
    s.gets("head")
    c.data(b"hello and more")


@exchange(client=2)
def request_length_without_body(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", ("content-length", "5"), end=True)


@exchange(server=2)
def goaway_while_answering(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.head(200)
    s.data(b"begun")
    c.gets_data(5)
    s.goaway()
    s.data(b"more", True)


@exchange(server=2)
def goaway_before_answer(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.goaway()
    s.head(200, CL5)
    s.data(b"hello", True)


@exchange(server=2)
def goaway_and_close(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.goaway(0)
    s.close()


@exchange(server=2)
def goaway_with_error(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    s.gets("head")
    s.goaway(0, 2)
    s.close()


@exchange()
def client_says_close(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", *([("connection", "close")] if not c.http2 else []))
    s.gets("end")
    s.head(200, CL5)
    s.data(b"hello", True)


@exchange()
def empty_post(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=True)
    s.gets("end")
    s.head(200, end=True)


@exchange()
def empty_post_with_length(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", ("content-length", "0"), end=True)
    s.gets("end")
    s.head(200, end=True)


@exchange()
def post_ends_later(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", end=False)
    s.gets("head")
    c.end()
    s.gets("end")
    s.head(200)
    c.gets("head")
    s.end()


@exchange()
def get_with_body(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", end=False)
    c.data(b"hello", True)
    s.gets("end")
    s.head(200, end=True)


@exchange()
def delete_with_length(c: ClientEnd, s: ServerEnd) -> None:
    c.head("DELETE", "/x", CL5, end=False)
    c.data(b"hello", True)
    s.gets("end")
    s.head(200, end=True)


@exchange()
def put_nothing(c: ClientEnd, s: ServerEnd) -> None:
    c.head("PUT", "/x")
    s.gets("end")
    s.head(200, end=True)


@exchange()
def options_star(c: ClientEnd, s: ServerEnd) -> None:
    c.head("OPTIONS", "*")
    s.gets("end")
    s.head(200, end=True)


@exchange()
def trace(c: ClientEnd, s: ServerEnd) -> None:
    c.head("TRACE", "/x")
    s.gets("end")
    s.head(200, end=True)


@exchange()
def h2c_upgrade(c: ClientEnd, s: ServerEnd) -> None:
    c.head(
        "GET",
        "/x",
        *(
            [("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA")]
            if not c.http2
            else []
        ),
    )
    s.gets("end")
    s.head(200, end=True)


@exchange(server=2)
def connection_field_from_server(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.head(200, ("connection", "close"), end=True)


@exchange(client=2)
def connection_field_from_client(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("connection", "close"))
    s.gets("end")
    s.head(200, end=True)


@exchange(client=2)
def te_gzip_from_h2_client(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("te", "gzip"))
    s.gets("end")
    s.head(200, end=True)


@exchange(client=2)
def upgrade_field_from_client(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("upgrade", "websocket"))
    s.gets("end")
    s.head(200, end=True)


@exchange()
def many_values(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("x-list", "a"), ("x-list", "b, c"), ("accept", "*/*"), ("x-empty", ""), ("via", "1.1 p"))
    s.gets("end")
    s.head(200, ("x-list", "a"), ("x-list", "b, c"), ("x-empty", ""), ("via", "1.1 s"), end=True)


@exchange()
def obs_text(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("x-a", "h\u00e9"))
    s.gets("end")
    s.head(200, ("x-a", "h\u00e9"), end=True)
