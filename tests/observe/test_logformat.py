"""Access log formats print what Envoy prints, and nobody's header can forge a line."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shifter.model.http_connection_manager import DEFAULT_ACCESS_LOG_FORMAT
from shifter.observe.logformat import (
    OPERATORS,
    FormatError,
    LogEntry,
    asks_for_more,
    compile_format,
    compile_template,
    template_problem,
)
from shifter.observe.operators import FIELDS

# Envoy 1.40 was asked the same; these are its lines.
START = 1795409043.328476
DEFAULT_LINE = (
    b'[2026-11-23T04:44:03.328Z] "GET /s1?a=1 HTTP/1.1" 200 - 0 84 1 0 "-" "curl/7.88.1" '
    b'"33890625-c52c-44ae-997f-3c28d6598b95" "localhost:8000" "127.0.0.1:9101"\n'
)


ARGUMENTS = {
    **dict.fromkeys(("REQ", "RESP", "TRAILER", "REQUEST_HEADER", "RESPONSE_HEADER", "RESPONSE_TRAILER", "REQ_WITHOUT_QUERY"), "(server)"),
    "CLUSTER_METADATA": "(a:b)",
    "COALESCE": '({"operators": ["PROTOCOL"]})',
    "DYNAMIC_METADATA": "(a:b)",
    "ENVIRONMENT": "(HOME)",
    "METADATA": "(ROUTE:a)",
    "QUERY_PARAM": "(a)",
    "UPSTREAM_METADATA": "(a:b)",
}
"""What operators cannot do without."""


def an_entry(**attributes: object) -> LogEntry:
    entry = LogEntry(START, b"GET", b"/s1?a=1", b"localhost:8000")
    entry.request_block = b"\r\nuser-agent: curl/7.88.1\r\naccept: */*\r\nx-request-id: 33890625-c52c-44ae-997f-3c28d6598b95"
    entry.response_block = b"\r\nserver: envoy\r\ncontent-length: 84"
    entry.status = 200
    entry.bytes_sent = 84
    entry.duration_ms = 1
    entry.upstream_host = b"127.0.0.1:9101"
    entry.upstream_service_time = b"0"
    for name, value in attributes.items():
        setattr(entry, name, value)
    return entry


def line(form: str, **attributes: object) -> bytes:
    return compile_format(form, hostname="vm")(an_entry(**attributes))


def test_the_default_format() -> None:
    assert line(DEFAULT_ACCESS_LOG_FORMAT) == DEFAULT_LINE


def test_a_local_reply_in_the_default_format() -> None:
    told = line(DEFAULT_ACCESS_LOG_FORMAT, status=404, flags=b"NR", bytes_sent=0, upstream_host=None, upstream_service_time=None)
    assert b'" 404 NR 0 0 1 - "-" "curl' in told
    assert told.endswith(b'"localhost:8000" "-"\n')


@pytest.mark.parametrize(
    "form, printed",
    [
        ("%START_TIME(%Y/%m/%dT%H:%M:%S%z %s)%", b"2026/11/23T04:44:03+0000 1795409043"),
        ("%START_TIME(%3f %6f %1f)%", b"328 328476 3"),
        ("%START_TIME(%9f %f)%", b"328476000 328476000"),
        ("%START_TIME(%H:%M)% %START_TIME(%S)%", b"04:44 03"),
        ("%START_TIME(100%% %s%%)%", b"100% 1795409043%"),
        ("%RESPONSE_CODE_DETAILS%", b"via_upstream"),
        ("%UPSTREAM_CLUSTER% %ROUTE_NAME%", b"service1 -"),
        ("%DOWNSTREAM_REMOTE_ADDRESS%", b"127.0.0.1:60784"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", b"127.0.0.1"),
        ("%UPSTREAM_REQUEST_ATTEMPT_COUNT% %CONNECTION_ID%", b"1 7"),
        ("%HOSTNAME%", b"vm"),
        ("%RESP(X-NONE?SERVER):3%", b"env"),
        ("%REQ(USER-AGENT):4%", b"curl"),
        ("%REQ(user-agent?accept)%", b"curl/7.88.1"),
        ("%REQ(X-None?X-Neither)%", b"-"),
        ("%REQ(:SCHEME)% %REQ(HOST)% %RESP(:STATUS)%", b"http localhost:8000 200"),
        ("%%|100%%|%PROTOCOL%%%", b"%|100%|HTTP/1.1%"),
        ("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", b"/s1?a=1"),
        ("é %RESPONSE_CODE%", "é 200".encode()),
        ("nothing to fill in", b"nothing to fill in"),
        ("", b""),
    ],
)
def test_operators(form: str, printed: bytes) -> None:
    told = line(form, details="via_upstream", cluster="service1", peer=b"127.0.0.1:60784", attempts=1, connection_id=7)
    assert told == printed


def test_a_rewritten_request_is_logged_as_it_came() -> None:
    assert line("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %REQ(:PATH)%", path=b"/", original_path=b"/rw/") == b"/rw/ /"


def test_details_have_no_blanks_and_ipv6_peers_no_brackets() -> None:
    assert line("%RESPONSE_CODE_DETAILS%", details="a b c") == b"a_b_c"
    assert line("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", peer=b"[::1]:80") == b"::1"


def test_time_goes_on() -> None:
    form = compile_format("%START_TIME(%S.%3f)%")
    assert [form(an_entry(start=START + plus)) for plus in (0, 0.001, 0.001, 1, 60, 0)] == [
        b"03.328",
        b"03.329",
        b"03.329",
        b"04.328",
        b"03.328",
        b"03.328",
    ]


def test_a_field_that_is_part_of_another_is_not_taken_for_it() -> None:
    block = b"\r\nx-a-b: 1\r\na: x-a: 2\r\nx-a: 3"
    assert line("%REQ(X-A)%", request_block=block) == b"3"
    assert line("%REQ(A)%", request_block=block) == b"x-a: 2"


@pytest.mark.parametrize(
    "form, position, operator, hint",
    [
        ("ok %RESPONSE_CODES%", 3, "RESPONSE_CODES", "RESPONSE_CODE"),
        ("%REG(X)%", 0, "REG", "REQ"),
        ("%NOTHING_LIKE_IT_AT_ALL%", 0, "NOTHING_LIKE_IT_AT_ALL", ""),
        ("100% sure", 3, "% sure", ""),
        ("%RESPONSE_CODE", 0, "%RESPONSE_CODE", ""),
        ("%REQ%", 0, "%REQ%", ""),
        ("%REQ()%", 0, "%REQ()%", ""),
        ("%REQ(a b)%", 0, "%REQ(a b)%", ""),
        ("%REQ(a?b?c)%", 0, "%REQ(a?b?c)%", ""),
        ("%REQ(a):x%", 0, "%REQ(a):x%", ""),
        ("%RESPONSE_CODE(3)%", 0, "%RESPONSE_CODE(3)%", ""),
        ("%RESPONSE_CODE:3%", 0, "%RESPONSE_CODE:3%", ""),
        ("%START_TIME(%S):3%", 0, "%START_TIME(%S):3%", ""),
        ("%HOSTNAME(x)%", 0, "%HOSTNAME(x)%", ""),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(form: str, position: int, operator: str, hint: str) -> None:
    with pytest.raises(FormatError) as caught:
        compile_format(form)
    assert (caught.value.position, caught.value.operator, caught.value.hint) == (position, operator, hint)
    assert f"offset {position}" in str(caught.value)
    assert not hint or f"did you mean {hint!r}?" in str(caught.value)


def test_names_in_a_format_are_never_code() -> None:
    with pytest.raises(FormatError):
        compile_format("%REQ(x');raise SystemExit('')%")
    assert compile_format("'\"\\\n{}%%s%%d''' + x")(an_entry()) == b"'\"\\\n{}%s%d''' + x"


anything = st.binary(max_size=40)
nasty = st.one_of(anything, st.sampled_from([b'"', b"\\", b"\n", b"\r\n", b"\x00", b"\x1b[2J", b"\x85", b"%d%s%%", b'" 200 - 0\n[2026']))


@given(path=nasty, agent=nasty, request_id=nasty, authority=nasty, method=nasty, service_time=nasty)
@example(path=b'/" 200\n', agent=b"\\", request_id=b"", authority=b"\xff", method=b"\x7f", service_time=b"\t")
def test_one_request_makes_one_line_of_plain_text(
    path: bytes, agent: bytes, request_id: bytes, authority: bytes, method: bytes, service_time: bytes
) -> None:
    told = line(
        DEFAULT_ACCESS_LOG_FORMAT,
        path=path,
        method=method,
        authority=authority,
        upstream_service_time=service_time,
        # CR cannot be in a field of a block; all else might be.
        request_block=b"\r\nuser-agent: " + agent.replace(b"\r", b"") + b"\r\nx-request-id: " + request_id.replace(b"\r", b""),
    )
    assert told.count(b"\n") == 1
    assert told.endswith(b"\n")
    assert re.fullmatch(rb"[ -~]+\n", told)
    unescaped = re.sub(rb'\\(\\|"|x[0-9a-f]{2})', b"", told)
    assert b"\\" not in unescaped
    assert unescaped.count(b'"') == DEFAULT_ACCESS_LOG_FORMAT.count('"')


@given(nasty)
def test_escapes_can_be_undone(value: bytes) -> None:
    told = line("%REQ(:PATH)%", path=b"/" + value)
    undone = re.sub(rb"\\(x([0-9a-f]{2})|.)", lambda found: bytes.fromhex(found[2].decode()) if found[2] else found[1], told)
    assert undone == b"/" + value


@given(st.text(alphabet='%()?:0139fsREQSP_ABCTIM"\\\n{}', max_size=30))
def test_formats_compile_or_are_refused(form: str) -> None:
    try:
        made = compile_format(form)
    except FormatError as refused:
        assert form[refused.position] == "%"
    else:
        assert made(an_entry()).count(b"\n") >= form.count("\n")


def test_every_operator_is_known_to_itself() -> None:
    for name in OPERATORS:
        line = compile_format(f"%{name}{ARGUMENTS.get(name, '')}%")(an_entry(body=b"no"))
        assert line or name in FIELDS


def test_formats_that_show_the_connection_say_so() -> None:
    assert asks_for_more("%DOWNSTREAM_REMOTE_ADDRESS%\n")
    assert asks_for_more("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\n")
    assert asks_for_more("%CONNECTION_ID%\n")
    assert not asks_for_more(DEFAULT_ACCESS_LOG_FORMAT)


@given(st.sampled_from(["%REQ(X-A)%|%PATH%", "%QUERY_PARAM(a)%", "[%REQ(:authority)%]", "%METADATA(DYNAMIC:f:k)% x"]), nasty)
def test_a_template_yields_no_control_characters(form: str, value: bytes) -> None:
    entry = an_entry(path=b"/?a=" + value, authority=value, request_block=b"\r\nx-a: " + value.replace(b"\r", b""))
    entry.metadata = {"f": {"k": value.decode("latin-1")}}
    assert not re.search(rb"[\0-\x08\n-\x1f\x7f]", compile_template(form)(entry))


def test_templates_escape_nothing_and_say_nothing_of_what_is_not_known() -> None:
    template = compile_template("%REQ(:path)% [%UPSTREAM_HOST%] [%REQ(x-none)%] %RESPONSE_FLAGS%")
    assert template(an_entry(path=b'/"\\\xff', upstream_host=None)) == b'/"\\\xff [] [] -'
    assert template.constant is None
    assert "with operators" in repr(template)


def test_a_template_without_operators_is_made_once() -> None:
    template = compile_template("100%% of it, by %%REQ(x)%% \N{SNOWMAN}")
    assert template.constant == template(an_entry()) == "100% of it, by %REQ(x)% \N{SNOWMAN}".encode()
    assert compile_template("%HOSTNAME%", hostname="vm").constant == b"vm"


def test_templates_of_bodies_keep_the_lines_of_the_body_and_their_own() -> None:
    template = compile_template("<%LOCAL_REPLY_BODY%|%REQ(x-in)%|%REQ(x-none)%>\n", unknown=b"-", lines=True)
    assert template(an_entry(body=b"a\r\nb", request_block=b"\r\nx-in: c\nd")) == b"<a\r\nb|cd|->\n"


@pytest.mark.parametrize(
    ("form", "printed"),
    [
        ("%REQUEST_HEADER(USER-AGENT)% %RESPONSE_HEADER(SERVER)%", b"curl/7.88.1 envoy"),
        ("%TRAILER(a)% %RESPONSE_TRAILER(none?a):1%", b"tr t"),
        ("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_PORT% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)%", b"10.9.8.7:0 0 10.0.0.0/8"),
        ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_PORT%", b"192.0.2.7:4711 4711"),
        ("%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_PORT% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", b"192.0.2.1:80 80 192.0.2.1"),
        ("%UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", b"127.0.0.1:9101 9101 127.0.0.1"),
        ("%UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT% %UPSTREAM_PROTOCOL%", b"127.0.0.1:9101 127.0.0.1 HTTP/2"),
        ("%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION% %REQUEST_TX_DURATION%", b"3 7 2 3"),
        ("%RESPONSE_FLAGS_LONG% %RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", b"NoRouteFound a b"),
        ("%PATH(NQ)% %PATH(WQ:ORIG)% %PATH(NQ:PATH):2%", b"/old /old?x /s"),
        ("%QUERY_PARAM(a)% %QUERY_PARAMS% %QUERY_PARAM(b)%", b"1 a=1 -"),
        ("%REQ_WITHOUT_QUERY(X-NONE?:PATH)% %REQ_WITHOUT_QUERY(X-NONE)%", b"/s1 -"),
        ("%REQUESTED_SERVER_NAME% %REQUESTED_SERVER_NAME(SNI_FIRST)%", b"- localhost:8000"),
        ('%COALESCE({"operators": ["ROUTE_NAME", {"command": "REQ", "param": ":method"}]}):2%', b"GE"),
        ("%STREAM_ID%", b"33890625-c52c-44ae-997f-3c28d6598b95"),
        ("%REQUEST_HEADERS_BYTES% %RESPONSE_HEADERS_BYTES% %RESPONSE_TRAILERS_BYTES%", b"135 37 3"),
        ("%DYNAMIC_METADATA(f:k)% %METADATA(DYNAMIC:f)% %METADATA(ROUTE:f:k):1% %DYNAMIC_METADATA(none)%", b'v {\\"k\\":\\"v\\"} r -'),
        ("%VIRTUAL_CLUSTER_NAME% %ACCESS_LOG_TYPE% %DOWNSTREAM_TLS_VERSION% %ENVIRONMENT(SHIFTER_NONE)%", b"vc DownstreamEnd - -"),
        ("%EMIT_TIME(%S.%3f)% %START_TIME_LOCAL(%s)%", b"03.337 1795409043"),
        ("%GRPC_STATUS% %GRPC_STATUS_NUMBER%", b"- -"),
    ],
)
def test_operators_that_cost_something_to_fill_in(form: str, printed: bytes) -> None:
    told = line(
        form,
        start=START,
        duration_ms=9,
        peer=b"10.9.8.7:0",
        direct_peer=b"192.0.2.7:4711",
        local_address=b"192.0.2.1:80",
        trailers=b"\r\na: tr",
        upstream_protocol=b"HTTP/2",
        request_ms=3,
        response_ms=7,
        flags=b"NR",
        details="a b",
        original_path=b"/old?x",
        metadata={"f": {"k": "v"}},
        route_metadata={"f": {"k": "route"}},
        virtual_cluster="vc",
    )
    assert told == printed


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("%PATH(X)%", "takes one of WQ, NQ"),
        ("%PATH(wq)%", "did you mean 'WQ'?"),
        ("%PATH(WQ:OTHER)%", "takes one of ORIG, PATH, ORIG_OR_PATH"),
        ("%QUERY_PARAMS(RAW)%", "takes one of ORIG, DECODED"),
        ("%QUERY_PARAM%", "needs the name of a parameter"),
        ("%ENVIRONMENT%", "needs the name of a variable"),
        ("%GRPC_STATUS(x)%", "takes one of CAMEL_STRING"),
        ("%REQUESTED_SERVER_NAME(HOST)%", "takes one of SNI_ONLY"),
        ("%METADATA(HOST:a)%", "takes one of DYNAMIC, ROUTE"),
        ("%METADATA(LISTENER:a)%", "Envoy knows %METADATA(LISTENER:...)%, shifter does not yet"),
        ("%METADATA(ROUTE)%", "needs a namespace"),
        ("%DYNAMIC_METADATA([x)%", "not a list of keys"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(a)%", "the length of a prefix"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(129)%", "the length of a prefix"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT:3%", "takes no length"),
        ("%START_TIME(%n)%", "no line end"),
        ("%HOSTNAME:3%", "takes no length"),
        ("%COALESCE%", "needs operators"),
        ("%COALESCE({})%", "needs operators"),
        ('%COALESCE({"operators": []})%', "without operators"),
        ('%COALESCE({"operators": [{"command": "REQ", "param": 3}]})%', "needs operators"),
        ('%COALESCE({"operators": ["COALESCE"]})%', "needs operators"),
        ('%COALESCE({"operators": ["NOPE"]})%', "unknown operator"),
        ("%CEL(1)%", "Envoy knows %CEL%, shifter does not yet"),
    ],
)
def test_what_is_wrong_is_said_in_words(form: str, reason: str) -> None:
    problem = template_problem(form)
    assert problem is not None
    assert reason in problem
    assert template_problem("%PROTOCOL%") is None


@given(st.lists(st.sampled_from([*(f"%{name}{ARGUMENTS.get(name, '')}%" for name in OPERATORS), "%%", " ", "text"])).map("".join), nasty)
def test_what_compiles_never_raises(form: str, value: bytes) -> None:
    field = value.replace(b"\r", b"")
    entry = an_entry(path=value, method=value, authority=value, peer=value, direct_peer=value, local_address=value, upstream_host=value)
    entry.request_block = b"\r\nserver: %b\r\ncontent-type: application/grpc" % field
    entry.response_block = entry.trailers = b"\r\ngrpc-status: %b\r\nserver: %b" % (field, field)
    assert compile_format(form)(entry).count(b"\n") == 0
    assert not re.search(rb"[\r\n\0]", compile_template(form)(entry))
