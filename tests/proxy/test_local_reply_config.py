"""What becomes of the proxy's own answers, and what formats know of an exchange at each moment."""

from typing import Any

import pytest

from shifter.model.format import SubstitutionFormat
from shifter.model.http_connection_manager import LocalReplyConfig, ResponseMapper, ServerHeader
from shifter.model.logfilter import Comparison, HeaderFilter, LogFilter, ResponseFlagFilter, StatusCodeFilter
from shifter.model.route import (
    AppendAction,
    DirectResponseAction,
    HeaderMatcher,
    HeaderMutations,
    HeaderValueOption,
    PathMatchKind,
    Route,
    RouteAction,
    RouteMatch,
    WeightedCluster,
)
from shifter.observe.logformat import LogEntry, compile_format
from shifter.proxy.access_log import AccessLog
from shifter.proxy.local_reply_config import LocalReplies
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead, fields
from tests.support.proxies import ROUTES, Proxy, get

ANY = StatusCodeFilter(Comparison.GE, 0)
OVERWRITE = AppendAction.OVERWRITE_IF_EXISTS_OR_ADD


def text(form: str, **more: Any) -> SubstitutionFormat:
    return SubstitutionFormat(form, **more)


def mapper(log_filter: LogFilter = ANY, **more: Any) -> ResponseMapper:
    return ResponseMapper(log_filter, **more)


def changed(
    *mappers: ResponseMapper, body_format: SubstitutionFormat | None = None, body: bytes = b"no", fields: bytes = b""
) -> tuple[int, bytes, bytes, bytes]:
    """A 404 without a route after *mappers*."""
    entry = LogEntry(0.0, b"GET", b"/", b"h")
    entry.flags = b"NR"
    replies = LocalReplies(LocalReplyConfig(mappers, body_format), Runtime(), lambda: 1)
    return replies.change(entry, RequestHead(b"GET", b"/", b"h", b"\r\nx-map: yes"), 404, body, fields)


def test_nothing_is_changed_that_nobody_asks_for() -> None:
    assert changed() == (404, b"no", b"", b"text/plain")
    assert changed(mapper(ResponseFlagFilter(frozenset({"UF"})), status_code=500)) == (404, b"no", b"", b"text/plain")


def test_the_first_mapper_that_fits_is_the_only_one() -> None:
    first = mapper(HeaderFilter(HeaderMatcher(b"x-map", present=True)), status_code=410)
    assert changed(first, mapper(body=b"other"))[:2] == (410, b"no")
    assert changed(mapper(ResponseFlagFilter(frozenset({"NR"})), body=b"other"), first)[:2] == (404, b"other")


def test_what_a_mapper_does_happens_in_envoys_order() -> None:
    told = HeaderValueOption(b"x-told", b"%RESPONSE_CODE% %RESP(:status)% %RESP(x-was)% %REQ(:path)%")
    one = mapper(status_code=503, body=b"inner", headers=(told,), body_format=text("<%LOCAL_REPLY_BODY%> %RESPONSE_CODE% %RESP(x-told)%"))
    status, body, block, kind = changed(one, body_format=text("not this one"), fields=b"\r\nx-was: 1")
    assert (status, kind) == (503, b"text/plain")
    assert block == b"\r\nx-was: 1\r\nx-told: 404 404 1 /"
    assert body == b"<inner> 503 404 404 1 /"


def test_the_format_for_all_words_what_has_none_of_its_own() -> None:
    form = text("%RESPONSE_CODE%: %LOCAL_REPLY_BODY%\n")
    assert changed(body_format=form)[1] == b"404: no\n"
    assert changed(mapper(body=b"other"), body_format=form)[1] == b"404: other\n"
    assert changed(body_format=text("x", content_type="text/html"))[3] == b"text/html"
    json = SubstitutionFormat(json={"code": "%RESPONSE_CODE%", "none": "%REQ(x)%"}, omit_empty_values=True)
    assert changed(body_format=json)[1::2] == (b'{"code":404}\n', b"application/json")
    assert changed(body_format=text("[%REQ(x)%]"))[1] == b"[-]"
    assert changed(body_format=text("[%REQ(x)%]", omit_empty_values=True))[1] == b"[]"


def test_a_content_type_is_that_of_its_body() -> None:
    typed = b"\r\ncontent-type: text/x-route"
    assert changed(fields=typed)[2] == typed
    assert changed(mapper(body=b"other"), fields=typed)[2] == b""
    own = HeaderValueOption(b"content-type", b"text/x-own", OVERWRITE)
    assert changed(mapper(body=b"other", headers=(own,)), fields=typed)[2] == b"\r\ncontent-type: text/x-own"


# through a listener


def answer(proxy: Proxy, request: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Status line, fields and body of the answer to *request*."""
    head, _, body = proxy.connect(request).take().partition(b"\r\n\r\n")
    line, crlf, block = head.partition(b"\r\n")
    return line, dict(fields(crlf + block)), body


CONFIG = LocalReplyConfig((mapper(StatusCodeFilter(Comparison.EQ, 404), status_code=410),), text("%RESPONSE_CODE% %LOCAL_REPLY_BODY%"))


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (get(b"/none"), b"410 Gone", b"410 "),
        (get(b"/direct"), b"403 Forbidden", b"403 no entry"),
        (get(b"/elsewhere"), b"301 Moved Permanently", b"301 "),
        (get(b"/empty"), b"503 Service Unavailable", b"503 no healthy upstream"),
        (get(b"/one", b"bad header: 1"), b"400 Bad Request", b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400 Bad Request", b"400 "),
        (b"HEAD /direct HTTP/1.1\r\nhost: a\r\n\r\n", b"403 Forbidden", b""),
    ],
)
def test_every_answer_of_the_proxys_own_is_mapped(request_: bytes, status: bytes, body: bytes) -> None:
    proxy = Proxy(local_reply=CONFIG)
    line, told, said = answer(proxy, request_)
    assert (line, said) == (b"HTTP/1.1 " + status, body)
    assert told[b"server"] == b"shifter"
    assert proxy.stats.codes == {int(status[:3]): 1}
    assert f" {status[:3].decode()} " in proxy.lines[0]


def test_an_upstreams_own_answer_is_not() -> None:
    proxy = Proxy(local_reply=CONFIG)
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno")
    assert client.take().startswith(b"HTTP/1.1 404 ")


def test_a_mapped_answer_is_charged_to_its_cluster_as_it_was() -> None:
    proxy = Proxy(local_reply=LocalReplyConfig((mapper(status_code=200),)))
    assert answer(proxy, get(b"/empty"))[0] == b"HTTP/1.1 200 OK"
    assert proxy.clusters["empty"].state.stats.codes == {503: 1}
    assert proxy.stats.codes == {200: 1}


def test_grpc_clients_get_the_changed_words() -> None:
    json = SubstitutionFormat(json={"told": "%LOCAL_REPLY_BODY%"})
    proxy = Proxy(local_reply=LocalReplyConfig((mapper(status_code=404),), json))
    line, told, body = answer(proxy, get(b"/direct", b"content-type: application/grpc"))
    assert (line, body) == (b"HTTP/1.1 200 OK", b"")
    assert told[b"grpc-status"] == b"12"
    assert told[b"grpc-message"] == b'{"told":"no entry"}'
    assert told[b"content-type"] == b"application/grpc"


def test_an_empty_body_has_no_type() -> None:
    edits = HeaderMutations(response_add=(HeaderValueOption(b"content-type", b"text/x"),))
    proxy = Proxy((Route(RouteMatch(PathMatchKind.PREFIX, b"/"), DirectResponseAction(200), headers=edits),))
    assert b"content-type" not in answer(proxy, get(b"/"))[1]


# what formats know


def knowing(form: bytes, action: RouteAction | DirectResponseAction, **settings: Any) -> Proxy:
    """A proxy that tells *form* both ways in ``x-told``."""
    add = (HeaderValueOption(b"x-told", form, keep_empty_value=True),)
    route = Route(
        RouteMatch(PathMatchKind.PREFIX, b"/"), action, name="way", headers=HeaderMutations(add, (), add), metadata={"own": {"k": "v"}}
    )
    return Proxy((route, *ROUTES), **settings)


FORWARD = RouteAction((WeightedCluster("one", 1),))


@pytest.mark.parametrize(
    ("form", "asked", "answered"),
    [
        (b"%ROUTE_NAME% %UPSTREAM_CLUSTER% %PROTOCOL%", b"way one HTTP/1.1", b"way one HTTP/1.1"),
        (b"[%UPSTREAM_HOST%] [%UPSTREAM_PROTOCOL%]", b"[] []", b"[192.0.2.101:80] [HTTP/1.1]"),
        (b"%RESPONSE_CODE% [%RESPONSE_CODE_DETAILS%] [%RESP(:status)%]", b"0 [] []", b"201 [via_upstream] [201]"),
        (b"%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%", b"192.0.2.7:4711 192.0.2.1:80", b"192.0.2.7:4711 192.0.2.1:80"),
        (b"%UPSTREAM_REQUEST_ATTEMPT_COUNT% %REQUEST_DURATION% [%RESPONSE_DURATION%]", b"1 0 []", b"1 0 [7]"),
        (b"%METADATA(ROUTE:own:k)% %CONNECTION_ID%", b"v 1", b"v 1"),
        (b"[%RESP(x-up)%] [%REQ(x-in)%]", b"[] [in]", b"[up] [in]"),
    ],
)
def test_what_is_known_of_a_forwarded_request(form: bytes, asked: bytes, answered: bytes) -> None:
    proxy = knowing(form, FORWARD)
    client = proxy.connect(get(b"/", b"x-in: in"))
    assert b"\r\nx-told: %b\r\n" % asked in proxy.backend.take()
    proxy.clock.advance(0.007)
    proxy.backend.say(b"HTTP/1.1 201 Created\r\nx-up: up\r\ncontent-length: 0\r\n\r\n")
    assert b"\r\nx-told: %b\r\n" % answered in client.take()


def test_an_answer_in_the_upstreams_place_has_no_status_yet() -> None:
    proxy = knowing(b"%RESPONSE_CODE% %RESP(:status)% %RESPONSE_FLAGS% %UPSTREAM_CLUSTER%", RouteAction((WeightedCluster("empty", 1),)))
    assert answer(proxy, get(b"/"))[1][b"x-told"] == b"0 503 UH empty"


def test_what_is_known_of_a_direct_response() -> None:
    made = DirectResponseAction(418, b"in\nner", text("%LOCAL_REPLY_BODY%|%ROUTE_NAME%|%RESPONSE_CODE%|%METADATA(ROUTE:own:k)%"))
    proxy = knowing(b"%RESPONSE_CODE% %RESP(:status)% %RESPONSE_CODE_DETAILS% [%LOCAL_REPLY_BODY%] %REQUEST_DURATION%", made)
    _, told, body = answer(proxy, get(b"/"))
    assert told[b"x-told"] == b"0 418 direct_response [] 0"
    assert body == b"in\nner|way|0|v"


def test_the_client_is_who_x_forwarded_for_says_where_that_is_believed() -> None:
    form = b"%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"
    asked = get(b"/", b"x-forwarded-for: 198.51.100.9, 203.0.113.7")
    assert answer(knowing(form, DirectResponseAction(200)), asked)[1][b"x-told"] == b"203.0.113.7:0 192.0.2.7:4711"
    edge = knowing(form, DirectResponseAction(200), use_remote_address=True)
    assert answer(edge, asked)[1][b"x-told"] == b"192.0.2.7:4711 192.0.2.7:4711"


def test_log_lines_know_what_they_ask_for_of_each_request_anew() -> None:
    proxy = knowing(b"", FORWARD)
    form = (
        "%DOWNSTREAM_REMOTE_ADDRESS% %METADATA(ROUTE:own:k)% %RESPONSE_DURATION% %TRAILER(x-end)% %UPSTREAM_PROTOCOL% %REQUEST_DURATION%\n"
    )
    runtime = proxy.runtime
    runtime.configure(runtime.listener, runtime.settings, runtime.tree, [AccessLog(compile_format(form), proxy.writer)])
    client = proxy.connect(get(b"/", b"x-forwarded-for: 203.0.113.7"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-end: yes\r\n\r\n")
    client.say(b"GET / HTTP/1.1\r\nbad header: 1\r\n\r\n")
    assert proxy.lines == ["203.0.113.7:0 v 0 yes HTTP/1.1 0", "192.0.2.7:4711 - - - - -"]


@pytest.mark.parametrize(
    ("settings", "server"),
    [
        ({}, b"shifter"),
        ({"server_header": ServerHeader.APPEND_IF_ABSENT}, b"theirs"),
        ({"server_header": ServerHeader.PASS_THROUGH}, b"theirs"),
        ({"via": b"us"}, b"shifter"),
    ],
)
def test_the_server_field(settings: dict[str, Any], server: bytes) -> None:
    proxy = Proxy(**settings)
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\nserver: theirs\r\ncontent-length: 0\r\n\r\n")
    assert b"\r\nserver: %b\r\n" % server in client.take() + b"\r\n"


def test_an_edit_of_the_server_field_does_not_outlast_overwriting() -> None:
    add = (HeaderValueOption(b"server", b"mine", OVERWRITE),)
    route = Route(RouteMatch(PathMatchKind.PREFIX, b"/"), DirectResponseAction(200, b"x"), headers=HeaderMutations(response_add=add))
    for settings, value in (({}, b"shifter"), ({"server_header": ServerHeader.PASS_THROUGH}, b"mine")):
        told = Proxy((route,), **settings).connect(get(b"/")).take()
        assert told.count(b"\r\nserver: ") == 1
        assert b"\r\nserver: %b\r\n" % value in told
