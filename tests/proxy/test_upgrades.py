"""Tunnels, whatever the two ends speak: one table for WebSocket and CONNECT over HTTP/1.1, HTTP/2 and bare TCP."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.filters import HttpFilter as HttpFilterConfig
from shifter.model.http_connection_manager import StripPort
from shifter.model.http_filter import Buffer
from shifter.model.retry import RetryPolicy
from shifter.model.route import MaxStreamDuration
from tests.support.tunnelled import CONNECT, ENDS, WEBSOCKET, Ends, Side, StreamSide, Tunnelled

BARE = [ends for ends in ENDS if ends[1] == "tcp"]
ANSWERED = [ends for ends in ENDS if ends[1] != "tcp"]


def name(value: object) -> str:
    return "-".join(value) if isinstance(value, tuple) else str(value)


every_pair = pytest.mark.parametrize("ends", ENDS, ids=name)
every_answered_pair = pytest.mark.parametrize("ends", ANSWERED, ids=name)


def begun(ends: Ends, **settings: object) -> Tunnelled:
    """A tunnel that is there."""
    tunnelled = Tunnelled(ends, **settings)  # type: ignore[arg-type]
    tunnelled.agree()
    assert tunnelled.client.status == (200 if ends[2] == CONNECT else 101)
    return tunnelled


@every_pair
def test_bytes_go_both_ways(ends: Ends) -> None:
    tunnelled = begun(ends)
    tunnelled.says(tunnelled.client, b"GET / HTTP/1.1\r\n\r\n")
    tunnelled.says(tunnelled.endpoint, b"HTTP/1.1 500 No\r\n\r\n")
    tunnelled.says(tunnelled.client, b"\x00\xff" * 3)
    assert tunnelled.endpoint.heard == b"GET / HTTP/1.1\r\n\r\n" + b"\x00\xff" * 3
    assert tunnelled.client.heard == b"HTTP/1.1 500 No\r\n\r\n"
    assert (tunnelled.client.saw, tunnelled.endpoint.saw) == ("", "")
    stats = tunnelled.proxy.stats
    assert (stats.downstream_cx_upgrades_total, stats.downstream_cx_upgrades_active) == (1, 1)


@every_answered_pair
def test_what_comes_too_early_waits_until_there_is_a_tunnel(ends: Ends) -> None:
    tunnelled = Tunnelled(ends, early=b"first ")
    tunnelled.says(tunnelled.client, b"second ")
    assert tunnelled.endpoint.heard == b""
    tunnelled.agree()
    tunnelled.says(tunnelled.client, b"third")
    assert tunnelled.endpoint.heard == b"first second third"


@every_answered_pair
def test_what_comes_too_early_is_bounded(ends: Ends) -> None:
    tunnelled = Tunnelled(ends, early=b"x" * (300 << 10))
    if isinstance(tunnelled.client, StreamSide):
        assert tunnelled.client.codec.queued(tunnelled.client.number) > 0
    else:
        assert tunnelled.client.transport.paused  # type: ignore[attr-defined]  # a BareSide
    tunnelled.agree()
    assert len(tunnelled.endpoint.heard) == 300 << 10


@every_answered_pair
@pytest.mark.parametrize("pieces", [1, 2])
def test_what_comes_too_early_is_nobodys_when_the_endpoint_refuses(ends: Ends, pieces: int) -> None:
    tunnelled = Tunnelled(ends, early=b"GET /secret HTTP/1.1\r\nhost: a\r\n\r\n")
    tunnelled.answer(403, b"NN", pieces)
    assert tunnelled.client.status == 403
    assert tunnelled.endpoint.heard == b""
    assert tunnelled.client.heard.count(b"N") == 2
    assert b"secret" not in tunnelled.endpoint.head
    assert tunnelled.logged == ["403 - via_upstream"]
    tunnelled.at_rest()


@pytest.mark.parametrize("ends", BARE, ids=name)
def test_a_connect_that_ends_here_needs_no_answer(ends: Ends) -> None:
    tunnelled = Tunnelled(ends, early=b"first ")
    tunnelled.says(tunnelled.client, b"second")
    assert tunnelled.client.status == 200
    assert tunnelled.endpoint.heard == b"first second"


@every_pair
def test_the_client_ends_its_half_first(ends: Ends) -> None:
    tunnelled = begun(ends)
    tunnelled.says(tunnelled.client, b"all I say")
    tunnelled.ends(tunnelled.client)
    assert (tunnelled.endpoint.heard, tunnelled.endpoint.saw) == (b"all I say", "end")
    tunnelled.says(tunnelled.endpoint, b"an answer, ")
    tunnelled.says(tunnelled.endpoint, b"in two pieces")
    tunnelled.ends(tunnelled.endpoint)
    assert (tunnelled.client.heard, tunnelled.client.saw) == (b"an answer, in two pieces", "end")
    assert tunnelled.logged == [f"{tunnelled.client.status} - via_upstream"]
    tunnelled.at_rest()


@every_pair
def test_the_endpoint_ends_its_half_first(ends: Ends) -> None:
    tunnelled = begun(ends)
    tunnelled.says(tunnelled.endpoint, b"bye")
    tunnelled.ends(tunnelled.endpoint)
    assert (tunnelled.client.heard, tunnelled.client.saw) == (b"bye", "end")
    tunnelled.says(tunnelled.client, b"one more thing, ")
    tunnelled.says(tunnelled.client, b"and another")
    assert (tunnelled.endpoint.heard, tunnelled.endpoint.saw) == (b"one more thing, and another", "")
    tunnelled.ends(tunnelled.client)
    assert tunnelled.endpoint.saw == "end"
    assert tunnelled.logged == [f"{tunnelled.client.status} - via_upstream"]
    tunnelled.at_rest()


@pytest.mark.parametrize("ends", [ends for ends in ANSWERED if ends[0] == "h2"], ids=name)
def test_who_has_ended_before_there_was_a_tunnel_is_heard_out(ends: Ends) -> None:
    tunnelled = Tunnelled(ends, early=b"all I say")
    tunnelled.ends(tunnelled.client)
    assert tunnelled.endpoint.saw == ""
    tunnelled.agree()
    assert (tunnelled.endpoint.heard, tunnelled.endpoint.saw) == (b"all I say", "end")
    tunnelled.says(tunnelled.endpoint, b"an answer")
    tunnelled.ends(tunnelled.endpoint)
    assert (tunnelled.client.heard, tunnelled.client.saw) == (b"an answer", "end")
    tunnelled.at_rest()


@every_pair
def test_a_client_that_breaks_off_cuts_the_other_side(ends: Ends) -> None:
    tunnelled = begun(ends)
    tunnelled.cuts(tunnelled.client)
    assert tunnelled.endpoint.saw == "cut"
    assert [line.split(" ")[1] for line in tunnelled.logged] == ["DR" if ends[0] == "h2" else "DC"]
    tunnelled.at_rest()


@every_pair
def test_an_endpoint_that_breaks_off_cuts_the_other_side(ends: Ends) -> None:
    tunnelled = begun(ends)
    tunnelled.says(tunnelled.endpoint, b"half of")
    tunnelled.cuts(tunnelled.endpoint)
    assert (tunnelled.client.heard, tunnelled.client.saw) == (b"half of", "cut")
    assert [line.split(" ")[1] for line in tunnelled.logged] == ["UR" if ends[1] == "h2" else "UC"]
    tunnelled.at_rest()


@every_pair
def test_what_breaks_behind_half_an_end_is_over(ends: Ends) -> None:
    tunnelled = begun(ends)
    tunnelled.ends(tunnelled.endpoint)
    tunnelled.cuts(tunnelled.endpoint)
    assert tunnelled.client.saw == "end"
    assert [line.split(" ")[0] for line in tunnelled.logged] == [str(tunnelled.client.status)]
    tunnelled.at_rest()


@every_pair
def test_what_no_route_allows_goes_nowhere(ends: Ends) -> None:
    tunnelled = Tunnelled(ends, early=b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", allowed=False)
    assert tunnelled.client.status == 403
    assert not tunnelled.proxy.backends
    assert tunnelled.logged == ["403 - upgrade_failed"]
    assert tunnelled.proxy.stats.downstream_rq_ws_on_non_ws_route == 1
    assert tunnelled.client.heard == b""


@every_answered_pair
def test_the_routes_timeout_bounds_the_wait_for_a_tunnel(ends: Ends) -> None:
    tunnelled = Tunnelled(ends, timeout=2.0)
    tunnelled.proxy.wait(3)
    tunnelled.turn()
    assert tunnelled.client.status == 504
    assert tunnelled.logged == ["504 UT response_timeout"]
    assert tunnelled.endpoint.saw == "cut"
    tunnelled.at_rest()


@every_pair
def test_only_silence_ends_what_has_begun(ends: Ends) -> None:
    tunnelled = begun(ends, timeout=2.0, stream_idle_timeout=20.0, request_timeout=1.0)
    for _ in range(3):
        tunnelled.proxy.wait(15)
        tunnelled.says(tunnelled.client, b"still here")
        tunnelled.proxy.wait(15)
        tunnelled.says(tunnelled.endpoint, b"so am I")
    assert (tunnelled.client.saw, tunnelled.endpoint.saw) == ("", "")
    tunnelled.proxy.wait(22)
    tunnelled.turn()
    assert (tunnelled.client.saw, tunnelled.endpoint.saw) == ("end" if ends[0] == "h1" else "cut", "cut")
    assert tunnelled.logged == [f"{tunnelled.client.status} SI stream_idle_timeout"]
    tunnelled.at_rest()


@every_pair
def test_half_a_tunnel_idles_too(ends: Ends) -> None:
    tunnelled = begun(ends, stream_idle_timeout=20.0)
    tunnelled.ends(tunnelled.client)
    tunnelled.proxy.wait(22)
    tunnelled.turn()
    assert tunnelled.logged == [f"{tunnelled.client.status} SI stream_idle_timeout"]
    tunnelled.at_rest()


@every_pair
def test_the_longest_a_tunnel_may_last(ends: Ends) -> None:
    tunnelled = begun(ends, max_stream_duration=MaxStreamDuration(30.0))
    for _ in range(3):
        tunnelled.proxy.wait(9)
        tunnelled.says(tunnelled.client, b"still here")
    tunnelled.proxy.wait(4)
    tunnelled.turn()
    assert (tunnelled.client.saw, tunnelled.endpoint.saw) == ("end" if ends[0] == "h1" else "cut", "cut")
    assert tunnelled.logged == [f"{tunnelled.client.status} - max_duration_timeout"]
    tunnelled.at_rest()


@every_pair
def test_draining_lets_a_tunnel_live_until_the_deadline(ends: Ends) -> None:
    tunnelled = begun(ends)
    tunnelled.proxy.runtime.drain()
    tunnelled.proxy.wait(3)
    tunnelled.turn()
    tunnelled.says(tunnelled.client, b"still here")
    tunnelled.says(tunnelled.endpoint, b"so am I")
    assert (tunnelled.client.heard, tunnelled.endpoint.heard) == (b"so am I", b"still here")
    tunnelled.proxy.runtime.drop()
    tunnelled.turn()
    assert tunnelled.endpoint.saw == "cut"
    tunnelled.at_rest()


def blocked(side: Side) -> bool:
    """Whether more of what *side* says would wait with it."""
    if isinstance(side, StreamSide):
        return side.codec.queued(side.number) > 0
    return bool(side.transport.paused)  # type: ignore[attr-defined]  # a BareSide


@every_pair
@pytest.mark.parametrize("upwards", [True, False])
def test_who_reads_nothing_stops_the_other_end(ends: Ends, upwards: bool) -> None:
    tunnelled = begun(ends)
    speaker, reader = (tunnelled.client, tunnelled.endpoint) if upwards else (tunnelled.endpoint, tunnelled.client)
    if isinstance(reader, StreamSide):
        reader.reading = False
    else:
        reader.transport.room = 1000  # type: ignore[attr-defined]  # a BareSide
    said = 0
    while not blocked(speaker):
        tunnelled.says(speaker, b"x" * 50_000)
        said += 50_000
        assert said < 2 << 20
    tunnelled.says(reader, b"I may speak all the same")
    assert speaker.heard == b"I may speak all the same"
    if isinstance(reader, StreamSide):
        reader.reading = True
        reader.read()
    else:
        reader.transport.drain()  # type: ignore[attr-defined]  # a BareSide
    tunnelled.turn()
    assert len(reader.heard) == said
    assert not blocked(speaker)


PIECES = st.lists(st.tuples(st.booleans(), st.binary(max_size=3000), st.booleans()), max_size=12)


@given(ends=st.sampled_from(ENDS), pieces=PIECES, early=st.binary(max_size=100), client_first=st.booleans())
def test_however_it_is_cut_and_paused_every_byte_arrives(
    ends: Ends, pieces: list[tuple[bool, bytes, bool]], early: bytes, client_first: bool
) -> None:
    tunnelled = Tunnelled(ends, early=early)
    tunnelled.agree()
    said = {tunnelled.client: early, tunnelled.endpoint: b""}
    for from_client, data, pauses in pieces:
        speaker, reader = (tunnelled.client, tunnelled.endpoint) if from_client else (tunnelled.endpoint, tunnelled.client)
        rest(reader, pauses)
        tunnelled.says(speaker, data)
        said[speaker] += data
    for side in said:
        rest(side, False)
    tunnelled.turn()
    first, second = (tunnelled.client, tunnelled.endpoint) if client_first else (tunnelled.endpoint, tunnelled.client)
    tunnelled.ends(first)
    tunnelled.says(second, b"last words")
    said[second] += b"last words"
    tunnelled.ends(second)
    assert (tunnelled.endpoint.heard, tunnelled.client.heard) == (said[tunnelled.client], said[tunnelled.endpoint])
    assert (tunnelled.endpoint.saw, tunnelled.client.saw) == ("end", "end")
    tunnelled.at_rest()


def rest(side: Side, pauses: bool) -> None:
    """Have *side* read nothing for now, or go on."""
    if isinstance(side, StreamSide):
        side.reading = not pauses
        side.read()
    elif pauses:
        side.transport.room = 0  # type: ignore[attr-defined]  # a BareSide
    else:
        side.transport.drain()  # type: ignore[attr-defined]  # a BareSide


# WebSocket's signature

KEY = b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_an_http2_endpoint_does_not_sign_and_an_http1_client_wants_that() -> None:
    tunnelled = Tunnelled(("h1", "h2", WEBSOCKET), fields=(KEY,))
    tunnelled.agree()
    assert ACCEPT in tunnelled.client.head


def test_an_http2_client_sends_no_key_and_an_http1_endpoint_wants_one() -> None:
    tunnelled = Tunnelled(("h2", "h1", WEBSOCKET))
    assert b"\r\nsec-websocket-key: " in tunnelled.endpoint.head
    tunnelled.endpoint.send(b"HTTP/1.1 101 Yes\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\nx: y\r\n\r\n")
    tunnelled.turn()
    assert tunnelled.client.status == 101
    assert b"\r\nx: y" in tunnelled.client.head
    assert b"sec-websocket-accept" not in tunnelled.client.head


def test_an_http1_endpoint_that_does_not_sign_is_not_helped() -> None:
    tunnelled = Tunnelled(("h1", "h1", WEBSOCKET), fields=(KEY,))
    tunnelled.agree()
    assert b"sec-websocket-accept" not in tunnelled.client.head


def test_an_endpoint_that_has_signed_is_believed() -> None:
    tunnelled = Tunnelled(("h1", "h1", WEBSOCKET), fields=(KEY,))
    tunnelled.endpoint.send(b"HTTP/1.1 101 Yes\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n")
    tunnelled.turn()
    assert tunnelled.client.head.count(b"sec-websocket-accept") == 1


# filters, tries and copies


def test_a_filter_that_wants_whole_bodies_does_not_wait_for_one() -> None:
    tunnelled = Tunnelled(("h2", "h1", WEBSOCKET), early=b"first ", http_filters=(HttpFilterConfig("buffer", Buffer(10)),))
    tunnelled.agree()
    tunnelled.says(tunnelled.client, b"second, longer than the buffer")
    assert tunnelled.endpoint.heard == b"first second, longer than the buffer"


@every_answered_pair
def test_a_try_that_was_refused_is_made_again_with_what_came_early(ends: Ends) -> None:
    retry = RetryPolicy(frozenset(("5xx",)), back_off_base=0.001, back_off_max=0.001)
    tunnelled = Tunnelled(ends, early=b"early", retry=retry)
    tunnelled.answer(503)
    tunnelled.again()
    tunnelled.agree()
    assert tunnelled.endpoint.heard == b"early"
    assert tunnelled.client.status in (101, 200)


def test_the_port_of_a_connect_says_where_it_goes() -> None:
    tunnelled = Tunnelled(("h1", "h1", CONNECT), strip_port=StripPort.ANY)
    assert tunnelled.endpoint.head.startswith(b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n")
