"""Exchanges of gRPC and gRPC-Web, for the table of `tests.support.exchanges`."""

from base64 import b64encode

from tests.support.exchanges import CL5, exchange
from tests.support.protocols import ClientEnd, Exchange, Field, ServerEnd

GRPC: Field = ("content-type", "application/grpc")
MESSAGE = b"\0\0\0\0\5hello"


def _call(c: ClientEnd, path: str = "/p.S/M", *fields: Field) -> None:
    c.head("POST", path, GRPC, ("te", "trailers"), *fields, end=False)
    c.data(MESSAGE, True)


@exchange()
def grpc_unary(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/p.S/M", GRPC, ("te", "trailers"), ("grpc-timeout", "1S"), end=False)
    c.data(MESSAGE, True)
    s.gets("end")
    s.head(200, GRPC)
    s.data(MESSAGE)
    s.trailers(("grpc-status", "0"), ("grpc-message", ""))


@exchange()
def grpc_trailers_only(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/p.S/M", ("content-type", "application/grpc+proto"), ("te", "trailers"), end=False)
    c.data(MESSAGE, True)
    s.gets("end")
    s.head(200, GRPC, ("grpc-status", "5"), ("grpc-message", "no"), end=True)


@exchange()
def grpc_http_status(c: ClientEnd, s: ServerEnd) -> None:
    _call(c)
    s.gets("end")
    s.head(503, ("content-type", "text/html"), CL5)
    s.data(b"sorry", True)


@exchange()
def grpc_answer_without_status(c: ClientEnd, s: ServerEnd) -> None:
    _call(c)
    s.gets("end")
    s.head(200, GRPC)
    s.data(MESSAGE, True)


@exchange()
def grpc_refused(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/refused", GRPC, ("te", "trailers"))
    c.gets("end")


@exchange()
def grpc_no_route(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", GRPC, ("te", "trailers"), authority="nowhere.test")
    c.gets("end")


@exchange()
def grpc_unavailable(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/dead", GRPC, ("te", "trailers"))
    c.gets("end")


@exchange()
def grpc_redirect(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/redirected", GRPC, ("te", "trailers"))
    c.gets("end")


def _reset_by_the_server(code: int, begun: bool) -> None:
    def cut(c: ClientEnd, s: ServerEnd) -> None:
        _call(c)
        s.gets("end")
        if begun:
            s.head(200, GRPC)
            s.data(MESSAGE)
            c.gets_data(10)
        s.reset(code)

    exchange(name=f"grpc_server_resets_{code}_{'begun' if begun else 'before'}")(cut)


for _code in (0, 2, 7, 8, 11):
    for _begun in (False, True):
        _reset_by_the_server(_code, _begun)


def _deadline(path: str, timeout: str) -> None:
    def wait(c: ClientEnd, s: ServerEnd) -> None:
        _call(c, path, *([("grpc-timeout", timeout)] if timeout else []))
        s.gets("end")
        c.gets("end")

    exchange(name=f"grpc_deadline_{path[1:]}_{timeout or 'none'}")(wait)


_deadline("/max0", "100m")
_deadline("/max", "10S")
_deadline("/offset", "1100m")
_deadline("/old", "100m")
_deadline("/old", "10S")
_deadline("/oldoffset", "1100m")
_deadline("/timeout", "10S")
_deadline("/max", "bad")
_deadline("/old", "bad")
_deadline("/old", "")


# gRPC-Web

TEXT = "application/grpc-web-text"
ASKED_IN_TEXT = b64encode(MESSAGE)


def _frame(data: bytes) -> bytes:
    return b"\0%b%b" % (len(data).to_bytes(4, "big"), data)


def _ok(c: ClientEnd, s: ServerEnd) -> None:
    s.head(200, GRPC)
    s.data(_frame(b"answer"))
    s.trailers(("grpc-status", "0"), ("grpc-message", "fine: yes"), ("x-bin", "AAE="))


def _two(c: ClientEnd, s: ServerEnd) -> None:
    s.head(200, ("content-type", "application/grpc+proto"), ("x-more", "1"))
    s.data(_frame(b"a"))
    c.gets("data")
    s.data(_frame(b"bcd") + _frame(b""))
    c.world.poll(lambda: False, 0.02)
    s.data(_frame(b"efghi")[:3])
    c.world.poll(lambda: False, 0.02)
    s.data(_frame(b"efghi")[3:])
    s.trailers(("grpc-status", "0"))


def _only(c: ClientEnd, s: ServerEnd) -> None:
    s.head(200, GRPC, ("grpc-status", "5"), ("grpc-message", "no"), end=True)


def _html(c: ClientEnd, s: ServerEnd) -> None:
    s.head(503, ("content-type", "text/html"), ("content-length", "5"))
    s.data(b"sorry", True)


def _odd(c: ClientEnd, s: ServerEnd) -> None:
    s.head(200, ("content-type", "text/html"), ("content-length", "9"))
    s.data(b"a%b~\xc3\xa9\n c", True)


def _large(c: ClientEnd, s: ServerEnd) -> None:
    s.head(404, ("content-type", "text/html"))
    for _ in range(5):
        s.data(b"x" * 5000)
        c.world.poll(lambda: False, 0.01)
    s.data(b"", True)


def _empty(c: ClientEnd, s: ServerEnd) -> None:
    s.head(500, end=True)


def _already(c: ClientEnd, s: ServerEnd) -> None:
    s.head(200, ("content-type", "application/grpc-web+proto"), ("content-length", "9"))
    s.data(_frame(b"mine"), True)


def _notrailers(c: ClientEnd, s: ServerEnd) -> None:
    s.head(200, GRPC)
    s.data(_frame(b"answer"), True)


def _resets(c: ClientEnd, s: ServerEnd) -> None:
    s.head(200, GRPC)
    s.data(_frame(b"answer"))
    c.gets("data")
    s.reset(8)


def _htmltrailers(c: ClientEnd, s: ServerEnd) -> None:
    s.head(404, ("content-type", "text/html"))
    s.data(b"sorry")
    s.trailers(("x", "y"))


def _grpcbad(c: ClientEnd, s: ServerEnd) -> None:
    s.head(500, GRPC)
    s.data(b"sorry", True)


def _nothing(c: ClientEnd, s: ServerEnd) -> None: ...


def _web(
    name: str,
    answer: Exchange | None,
    *fields: Field,
    kind: str = "application/grpc-web+proto",
    accept: str = "",
    body: bytes = MESSAGE,
    path: str = "/p.S/M",
    cuts: int = 0,
    client: int = 0,
    server: int = 0,
) -> None:
    def call(c: ClientEnd, s: ServerEnd) -> None:
        accepts = [("accept", accept)] if accept else []
        c.head("POST", path, ("content-type", kind), *accepts, ("content-length", str(len(body))), *fields, end=not body)
        for at in range(0, len(body), cuts or len(body) or 1):
            c.data(body[at : at + (cuts or len(body))], at + (cuts or len(body)) >= len(body))
            c.world.poll(lambda: False, 0.01 * bool(cuts))
        if answer is not None:
            s.gets("end")
            answer(c, s)
        c.gets("end")

    exchange("web", client, server, f"web_{name}")(call)


for _name, _answer in {
    "trailers": _ok,
    "several": _two,
    "all_head": _only,
    "html": _html,
    "odd_words": _odd,
    "large_page": _large,
    "empty_page": _empty,
    "cut": _resets,
    "failed_grpc": _grpcbad,
}.items():
    _web(f"binary_{_name}", _answer)
    _web(f"text_{_name}", _answer, kind=TEXT, accept=TEXT, body=ASKED_IN_TEXT)
for _name, _answer in {"already": _already, "no_trailers": _notrailers}.items():
    _web(f"binary_{_name}", _answer)
    _web(f"text_{_name}", _answer, kind=TEXT, accept=TEXT, body=ASKED_IN_TEXT, server=2)  # Envoy never ends on HTTP/1
_web("plain_kind", _ok, kind="application/grpc-web")
_web("text_and_proto", _ok, kind=TEXT + "+proto", accept=TEXT + "+proto", body=ASKED_IN_TEXT)
_web("text_for_binary", _ok, kind=TEXT, accept="*/*", body=ASKED_IN_TEXT)
_web("binary_for_text", _ok, accept=TEXT)
_web("with_parameters", _ok, kind="application/grpc-web+proto; charset=utf-8")
_web("with_capitals", _ok, kind="Application/grpc-web")
_web("json", _ok, kind="application/grpc-web+json")
_web("grpc", _ok, kind="application/grpc")
_web("text_in_pieces", _ok, kind=TEXT, accept=TEXT, body=ASKED_IN_TEXT, cuts=3)
_web("text_padded", _ok, kind=TEXT, accept=TEXT, body=b64encode(MESSAGE[:4]) + b64encode(MESSAGE[4:]))
_web("refused", None, body=b"", path="/refused")
_web("redirected", None, body=b"", path="/redirected")
_web("encodings", _ok, ("grpc-accept-encoding", "gzip"), ("te", "trailers"))
_web("deadline", _nothing, ("grpc-timeout", "100m"), path="/old")
