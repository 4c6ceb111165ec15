"""Exchanges about heads: fields, 1xx answers, answers without a body; for the table of `tests.support.exchanges`."""

from tests.support import h2frames
from tests.support.exchanges import CL5, exchange
from tests.support.protocols import ClientEnd, Field, ServerEnd


@exchange()
def te_values(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", *([("te", "gzip, trailers")] if not c.http2 else [("te", "trailers")]))
    s.gets("end")
    s.head(200, end=True)


@exchange()
def te_other(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", *([("te", "gzip")] if not c.http2 else []))
    s.gets("end")
    s.head(200, end=True)


@exchange()
def nominated_fields(c: ClientEnd, s: ServerEnd) -> None:
    c.head(
        "GET",
        "/x",
        *([("connection", "x-hop, keep-alive"), ("keep-alive", "5"), ("proxy-connection", "a"), ("x-hop", "1")] if not c.http2 else []),
        ("x-end", "1"),
    )
    s.gets("end")
    s.head(
        200,
        *([("connection", "x-hop"), ("keep-alive", "5"), ("proxy-connection", "a"), ("x-hop", "1")] if not s.http2 else []),
        ("x-end", "1"),
        end=True,
    )


@exchange()
def cookies(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("cookie", "a=1"), ("x-between", "y"), ("cookie", "b=2; c=3"), ("cookie", "d=4"))
    s.gets("end")
    s.head(200, ("set-cookie", "a=1; path=/"), ("set-cookie", "b=2"), end=True)


@exchange()
def one_cookie(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("cookie", "a=1; b=2;c=3;"))
    s.gets("end")
    s.head(200, end=True)


@exchange()
def host_and_authority(c: ClientEnd, s: ServerEnd) -> None:
    if c.http2:
        c.head("GET", "/x", ("host", "other.test"))
    else:
        c.head("GET", "http://front.test/x", ("host", "other.test"))
    s.gets("end")
    s.head(200, end=True)


@exchange()
def same_host_and_authority(c: ClientEnd, s: ServerEnd) -> None:
    if c.http2:
        c.head("GET", "/x", ("host", "front.test"))
    else:
        c.head("GET", "http://front.test/x", ("host", "front.test"))
    s.gets("end")
    s.head(200, end=True)


@exchange()
def host_alone(c: ClientEnd, s: ServerEnd) -> None:
    if c.http2:
        c.head("GET", "/x", ("host", "front.test"), authority=None)
    else:
        c.head("GET", "/x")
    s.gets("end")
    s.head(200, end=True)


@exchange()
def no_host(c: ClientEnd, s: ServerEnd) -> None:
    if c.http2:
        c.head("GET", "/x", authority=None)
    else:
        c.write(b"GET /x HTTP/1.1\r\n\r\n")


@exchange()
def expect_continue(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", ("expect", "100-continue"), CL5, end=False)
    c.gets("interim", 100)
    c.data(b"hello", True)
    s.gets("end")
    s.head(200, end=True)


@exchange()
def expect_continue_streamed(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", ("expect", "100-continue"), end=False)
    c.gets("interim", 100)
    c.data(b"hello", True)
    s.gets("end")
    s.head(200, end=True)


@exchange()
def expect_continue_case(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", ("expect", "100-Continue"), CL5, end=False)
    c.gets("interim", 100)
    c.data(b"hello", True)
    s.gets("end")
    s.head(200, end=True)


@exchange()
def expect_continue_no_body(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x", ("expect", "100-continue"))
    s.gets("end")
    s.head(200, end=True)


@exchange()
def expect_something(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", ("expect", "miracles"), CL5, end=False)
    c.data(b"hello", True)
    s.gets("end")
    s.head(200, end=True)


@exchange()
def expect_continue_refused(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/refused", ("expect", "100-continue"), CL5, end=False)
    c.gets("end")


@exchange(listener="proxied")
def passes_expect(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", ("expect", "100-continue"), CL5, end=False)
    s.gets("head")
    s.interim(100, ("x-more", "1"))
    c.gets("interim", 100)
    c.data(b"hello", True)
    s.gets("end")
    s.head(200, end=True)


@exchange(listener="proxied")
def passes_expect_refused(c: ClientEnd, s: ServerEnd) -> None:
    c.head("POST", "/x", ("expect", "100-continue"), CL5, end=False)
    s.gets("head")
    s.head(417, end=True)
    c.gets("end")


@exchange(listener="proxied")
def passes_unasked_continue(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.interim(100)
    s.head(200, end=True)


@exchange(listener="proxied")
def passes_early_hints(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.interim(103, ("link", "</a.css>; rel=preload"), ("x-a", "b"), ("date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("server", "s"))
    c.gets("interim", 103)
    s.interim(103, ("link", "</b.css>; rel=preload"))
    s.head(200, CL5)
    s.data(b"hello", True)


@exchange(listener="proxied")
def passes_processing(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.interim(102)
    c.gets("interim", 102)
    s.interim(150)
    s.head(200, CL5)
    s.data(b"hello", True)


@exchange()
def early_hints(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.interim(103, ("link", "</a.css>; rel=preload"))
    s.interim(102)
    s.interim(100)
    s.head(200, CL5)
    s.data(b"hello", True)


@exchange()
def interim_with_length(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.interim(103, ("content-length", "5"))
    s.head(200, CL5)
    s.data(b"hello", True)


@exchange(listener="proxied")
def passes_interim_with_length(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.interim(103, ("content-length", "5"))
    s.head(200, CL5)
    s.data(b"hello", True)


@exchange()
def interim_ends(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    if s.http2:
        s.write(h2frames.headers([(b":status", b"103")], 1, True))
    else:
        s.interim(103)
        s.close()


@exchange()
def interim_then_reset(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.interim(103)
    s.reset(8)


@exchange(listener="proxied")
def passed_interim_then_reset(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.interim(103)
    c.gets("interim", 103)
    s.reset(8)


@exchange()
def head_with_length(c: ClientEnd, s: ServerEnd) -> None:
    c.head("HEAD", "/x")
    s.gets("end")
    s.head(200, ("content-length", "500"), ("content-type", "a/b"), end=True)


@exchange()
def head_without_length(c: ClientEnd, s: ServerEnd) -> None:
    c.head("HEAD", "/x")
    s.gets("end")
    s.head(200, end=True)


@exchange()
def head_of_nothing(c: ClientEnd, s: ServerEnd) -> None:
    c.head("HEAD", "/x")
    s.gets("end")
    s.head(200, ("content-length", "0"), end=True)


@exchange()
def head_chunked(c: ClientEnd, s: ServerEnd) -> None:
    c.head("HEAD", "/x")
    s.gets("end")
    s.head(200, *([("transfer-encoding", "chunked")] if not s.http2 else []), end=True)


@exchange(server=2)
def head_answer_ends_later(c: ClientEnd, s: ServerEnd) -> None:
    c.head("HEAD", "/x")
    s.gets("end")
    s.head(200, ("content-length", "500"))
    c.gets("head")
    s.end()


@exchange()
def head_answer_with_body(c: ClientEnd, s: ServerEnd) -> None:
    c.head("HEAD", "/x")
    s.gets("end")
    s.head(200, CL5)
    s.data(b"hello", True)


def _status(name: str, status: int, *fields: Field) -> None:
    def without_a_body(c: ClientEnd, s: ServerEnd) -> None:
        c.head("GET", "/x")
        s.gets("end")
        s.head(status, *fields, end=True, bodiless=True)

    exchange(name=name)(without_a_body)


_status("no_content", 204)
_status("no_content_length_0", 204, ("content-length", "0"))
_status("no_content_length_5", 204, CL5)
_status("not_modified", 304)
_status("not_modified_length_0", 304, ("content-length", "0"))
_status("not_modified_length", 304, ("content-length", "500"), ("etag", '"a"'))
_status("reset_content", 205, ("content-length", "0"))
_status("empty", 200, ("content-length", "0"))
_status("date_and_server", 200, ("content-length", "0"), ("date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("server", "theirs"))
_status("odd_status", 599, ("content-length", "0"))
_status("server_says_close", 200, ("content-length", "0"), ("connection", "close"))


@exchange()
def no_content_with_body(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.head(204)
    s.data(b"hello", True)


@exchange(server=2)
def not_modified_ends_later(c: ClientEnd, s: ServerEnd) -> None:
    c.head("GET", "/x")
    s.gets("end")
    s.head(304, ("content-length", "500"))
    c.gets("head")
    s.end()
