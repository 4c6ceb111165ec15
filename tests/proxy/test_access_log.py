"""Access logs have the lines that they are to have, and lines of requests that begin where these are wanted."""

from shifter.model.http_connection_manager import FileAccessLog
from shifter.model.logfilter import GrpcStatusFilter, HeaderFilter, OrFilter
from shifter.model.route import HeaderMatcher, Route
from shifter.observe.accesslog import AccessLogWriter
from shifter.observe.logformat import LogEntry, compile_format
from shifter.proxy.access_log import AccessLog, FilteredLog, compile_access_log
from shifter.routing.runtime import Runtime
from tests.support.proxies import CLUSTERS, Memory, Proxy, forward, get

HEADER = HeaderFilter(HeaderMatcher(b"x-log", present=True))
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def compiled(config: FileAccessLog) -> tuple[AccessLog, AccessLogWriter, Memory]:
    memory = Memory()
    writer = AccessLogWriter(config.path, lambda _: memory)
    return compile_access_log(config, writer, Runtime(), lambda: 7), writer, memory


def test_a_log_without_a_filter_has_every_line() -> None:
    log, writer, memory = compiled(FileAccessLog("a", "%REQ(:PATH)%\n"))
    assert type(log) is AccessLog
    assert not log.asks_for_more
    log.write(LogEntry(0.0, b"GET", b"/x", b"h"))
    writer.flush()
    assert memory.data == b"/x\n"


def test_a_filter_looks_at_the_request() -> None:
    log, writer, memory = compiled(FileAccessLog("a", "%REQ(:PATH)%\n", filter=HEADER))
    assert isinstance(log, FilteredLog)
    for path, block in ((b"/no", b""), (b"/yes", b"\r\nx-log: 1")):
        entry = LogEntry(0.0, b"GET", path, b"h")
        entry.request_block = block
        log.write(entry)
    writer.flush()
    assert memory.data == b"/yes\n"


def test_what_a_filter_or_a_json_value_asks_for_is_found_out() -> None:
    assert not compiled(FileAccessLog("a", "x\n", filter=HEADER))[0].asks_for_more
    assert compiled(FileAccessLog("a", "x\n", filter=OrFilter((HEADER, GrpcStatusFilter(frozenset({0}))))))[0].asks_for_more
    assert not compiled(FileAccessLog("a", json={"a": "%DURATION%"}))[0].asks_for_more
    assert compiled(FileAccessLog("a", json={"a": ["%DURATION%", {"b": "%TRACE_ID%"}]}))[0].asks_for_more


def test_requests_that_begin_have_a_line() -> None:
    one = forward(b"/", "one")
    proxy = Proxy((Route(one.match, one.action, name="named"),), CLUSTERS)
    form = "%ACCESS_LOG_TYPE% %REQ(:PATH)% %RESPONSE_CODE% %ROUTE_NAME% %UPSTREAM_CLUSTER% %UPSTREAM_HOST%\n"
    runtime = proxy.runtime
    runtime.access_logs = (AccessLog(compile_format(form), proxy.writer),)
    runtime.start_logs = (AccessLog(compile_format(form, log_type=b"DownstreamStart"), proxy.writer),)
    proxy.connect(get(b"/x"))
    assert proxy.lines == ["DownstreamStart /x 0 named one -"]
    proxy.backend.say(ANSWER)
    assert proxy.lines[1:] == ["DownstreamEnd /x 200 named one 192.0.2.101:80"]
