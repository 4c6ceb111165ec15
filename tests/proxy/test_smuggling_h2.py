"""Whatever an HTTP/2 client makes up, an HTTP/1.1 endpoint gets exactly the one request that was routed, or nothing.

What it gets is read by two parsers: the project's own and `h11`.
"""

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shifter.proxy.door_h2 import take_over
from shifter.wire.heads import METHODS, parse_request
from tests.support import h2frames as raw
from tests.support.effort import examples
from tests.support.proxies import Proxy, forward

Fields = list[tuple[bytes, bytes]]
EVIL = b"GET /evil HTTP/1.1\r\nhost: e\r\n\r\n"
ROUTES = (forward(b"", "one"),)
BREAKS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"\x7f",
    b"\x80",
    b"\r\n\r\n" + EVIL,
    b" HTTP/1.1\r\n",
]

bits = st.one_of(st.sampled_from(BREAKS), st.binary(max_size=4), st.from_regex(rb"[a-z0-9/.,;=-]{0,6}", fullmatch=True))
odd = st.lists(bits, max_size=4).map(b"".join)
names = st.one_of(
    st.sampled_from(
        b"host content-length transfer-encoding connection keep-alive proxy-connection upgrade te expect cookie trailer x-forwarded-for "
        b":path :method :authority :scheme :protocol :status Host Content-Length x_y http2-settings".split()
    ),
    st.from_regex(rb"[a-z][a-z-]{0,5}", fullmatch=True),
    odd,
)
values = st.one_of(
    st.sampled_from(
        [b"0", b"3", b"5", b"5, 5", b"+5", b"0x5", b"chunked", b"Chunked", b"trailers", b"close", b"100-continue", b"a.example"]
    ),
    odd,
)
pseudo = st.fixed_dictionaries(
    {
        b":method": st.one_of(st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"FOO"]), odd),
        b":scheme": st.one_of(st.just(b"http"), st.sampled_from([b"https", b"HTTP", b"ws"]), odd),
        b":authority": st.one_of(st.just(b"a.example"), st.none(), odd),
        b":path": st.one_of(st.sampled_from([b"/", b"/a?b", b"*", b"//", b"/a/../b"]), odd.map(lambda text: b"/" + text), odd),
    }
)
bodies = st.lists(st.one_of(st.binary(max_size=8), st.sampled_from([b"0\r\n\r\n", EVIL])), max_size=3)


def reached(fields: Fields, body: list[bytes] | None, trailers: Fields | None) -> list[bytes]:
    """What backends are sent when a client sends this: one text for each connection."""
    proxy = Proxy(ROUTES, take_over=take_over)
    frames = [raw.HELLO, raw.headers(fields, end=body is None)]
    last = len(body or ()) - 1
    for number, piece in enumerate(body or ()):
        frames.append(raw.data(piece, end=number == last and trailers is None))
    if body is not None and (trailers is not None or not body):
        frames.append(raw.headers(trailers or [], end=True) if trailers is not None else raw.data(b"", end=True))
    proxy.connect(*frames)
    proxy.network.run()
    sent = []
    for backend in proxy.backends:
        text = b""
        while piece := backend.take():
            text += piece
            proxy.network.run()
        sent.append(text)
    return [text for text in sent if text]


def requests_by_h11(text: bytes) -> list[tuple[bytes, bytes, bytes, bool]]:
    """Every request in *text*: method, target, body, and whether it is whole."""
    found: list[tuple[bytes, bytes, bytes, bool]] = []
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(text)
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            found.append((event.method, event.target, b"", False))
        elif isinstance(event, h11.Data):
            found[-1] = (*found[-1][:2], found[-1][2] + event.data, False)
        elif isinstance(event, h11.EndOfMessage):
            found[-1] = (*found[-1][:3], True)
            if connection.trailing_data[0]:
                found.append((b"", b"", connection.trailing_data[0], False))
        else:
            return found


PLAIN = {b":method": b"POST", b":scheme": b"http", b":authority": b"a", b":path": b"/"}


@settings(max_examples=examples(300))
@given(
    pseudo,
    st.lists(st.tuples(names, values), max_size=4),
    st.one_of(st.none(), bodies),
    st.one_of(st.none(), st.lists(st.tuples(names, values), max_size=2)),
    st.booleans(),
)
@example(PLAIN, [(b"content-length", b"3")], [b"hello"], None, False)
@example(PLAIN, [(b"content-length", b"0")], [b"x"], None, False)
@example(PLAIN, [], [b"0\r\n\r\n"], [(b"a", b"b")], False)
@example(PLAIN, [(b"transfer-encoding", b"chunked")], None, None, False)
def test_one_request_or_nothing(
    pseudo: dict[bytes, bytes | None], fields: Fields, body: list[bytes] | None, trailers: Fields | None, last: bool
) -> None:
    begin = [(name, value) for name, value in pseudo.items() if value is not None]
    whole = b"".join(body or ())
    for text in reached([*fields, *begin] if last else [*begin, *fields], body, trailers):
        [(method, target, got, complete), *more] = requests_by_h11(text)
        assert not more
        assert method == pseudo[b":method"]
        # paths may be normalised; what was routed is what is sent
        assert (target.startswith(b"/") or target == b"*") and b" " not in target
        assert whole.startswith(got)
        if method in METHODS:  # the others our own parser refuses
            own = parse_request(text, text.index(b"\r\n\r\n"), 200)
            assert (own.method, own.path) == (method, target)
            if complete and own.length < 0:  # a length that is too small shows when its request has gone on already
                assert got == whole


def test_an_ordinary_request_arrives() -> None:
    [text] = reached([*raw.POST, (b"x", b"y")], [b"hello", b"world"], [(b"sum", b"1")])
    assert requests_by_h11(text) == [(b"POST", b"/", b"helloworld", True)]
    assert b"\r\nx: y\r\n" in text
