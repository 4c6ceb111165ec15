"""Log files are opened before they are needed, shared, exchanged, and closed when nobody needs them; who loses lines says so."""

from pathlib import Path

import pytest
from twisted.logger import LogEvent, capturedLogs

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap, RuntimeLayer
from shifter.model.http_connection_manager import FileAccessLog, HttpConnectionManager
from shifter.model.logfilter import Comparison, HeaderFilter, LogTypeFilter, StatusCodeFilter
from shifter.model.route import HeaderMatcher, RouteConfiguration, StringMatcher, StringMatchKind
from shifter.observe.accesslog import AccessLogError
from shifter.observe.logformat import LogEntry
from shifter.observe.server_stats import ServerStats
from shifter.routing.errors import RoutingError
from shifter.routing.runtime import Runtime
from shifter.service.access_logs import AccessLogs
from tests.support.listeners import http_listener
from tests.support.sinks import Direct, Full

ONE = LogEntry(0.0, b"GET", b"/one", b"h")


def wanting(*logs: FileAccessLog) -> Bootstrap:
    manager = HttpConnectionManager("http", RouteConfiguration(), access_log=logs)
    return Bootstrap((http_listener("front", SocketAddress("192.0.2.1", 80), manager),))


def serving(logs: AccessLogs, *configs: FileAccessLog) -> None:
    logs.prepare(wanting(*configs), Runtime())
    logs.commit()


def a_log(path: Path, line: str = "%REQ(:PATH)% %ACCESS_LOG_TYPE% %HOSTNAME%\n", **more: object) -> FileAccessLog:
    return FileAccessLog(str(path), line, **more)  # type: ignore[arg-type]  # whatever it takes


@pytest.fixture
def logs() -> AccessLogs:
    return AccessLogs("vm", lambda: 7, lambda: 0.0, Direct)


def test_two_logs_share_a_file(logs: AccessLogs, tmp_path: Path) -> None:
    configs = a_log(tmp_path / "a"), a_log(tmp_path / "a", "%REQ(:METHOD)%\n")
    serving(logs, *configs)
    made = logs.compile(configs, Runtime(), b"TcpConnectionEnd")
    for one in made:
        one.write(ONE)
    logs.flush(made)
    assert (tmp_path / "a").read_text() == "/one TcpConnectionEnd vm\nGET\n"
    stats = ServerStats("1", 0.0)
    logs.count(stats)
    assert (stats.access_log_lines, stats.access_log_writes, stats.access_log_lost) == (2, 1, 0)
    logs.close()


def test_a_file_that_nobody_writes_to_any_more_is_closed_and_still_counts(logs: AccessLogs, tmp_path: Path) -> None:
    serving(logs, a_log(tmp_path / "a"), a_log(tmp_path / "b"))
    first, second = logs.compile((a_log(tmp_path / "a"), a_log(tmp_path / "b")), Runtime())
    first.write(ONE)
    logs.flush([second])
    assert repr(logs) == f"<AccessLogs {tmp_path / 'b'}>"
    stats = ServerStats("1", 0.0)
    logs.count(stats)
    assert stats.access_log_lines == 1
    logs.close()


def test_a_file_that_is_wanted_again_stays_open_while_that_is_prepared(logs: AccessLogs, tmp_path: Path) -> None:
    config = a_log(tmp_path / "a")
    serving(logs, config)
    logs.prepare(wanting(config), Runtime())
    logs.flush([])  # what is served now does without
    logs.commit()
    [made] = logs.compile((config,), Runtime())
    made.write(ONE)
    logs.prepare(wanting(config), Runtime())
    logs.discard()
    logs.flush([])
    assert ((tmp_path / "a").read_text(), repr(logs)) == ("/one DownstreamEnd vm\n", "<AccessLogs >")


def test_a_file_that_is_exchanged_before_it_is_needed_is_opened_anew(logs: AccessLogs, tmp_path: Path) -> None:
    config = a_log(tmp_path / "a")
    logs.prepare(wanting(config), Runtime())
    (tmp_path / "a").rename(tmp_path / "b")
    logs.reopen()
    logs.commit()
    [made] = logs.compile((config,), Runtime())
    made.write(ONE)
    logs.close()
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("/one DownstreamEnd vm\n", "")


def test_what_was_prepared_can_be_undone(logs: AccessLogs, tmp_path: Path) -> None:
    with pytest.raises(AccessLogError):
        logs.prepare(wanting(a_log(tmp_path / "good"), a_log(tmp_path / "none" / "bad")), Runtime())
    logs.discard()
    assert repr(logs) == "<AccessLogs >"


def test_a_filter_that_cannot_be_made_is_found_before_it_is_needed(logs: AccessLogs, tmp_path: Path) -> None:
    bad = HeaderFilter(HeaderMatcher(b"a", StringMatcher(StringMatchKind.SAFE_REGEX, b"(")))
    with pytest.raises(RoutingError):
        logs.prepare(wanting(a_log(tmp_path / "a", filter=bad)), Runtime())
    logs.discard()


def test_filters_and_forms(logs: AccessLogs, tmp_path: Path) -> None:
    configs = (
        a_log(tmp_path / "late", filter=StatusCodeFilter(Comparison.GE, 500, "least")),
        a_log(tmp_path / "type", filter=LogTypeFilter(frozenset({"DownstreamEnd"}))),
        a_log(tmp_path / "other", filter=LogTypeFilter(frozenset({"DownstreamEnd"}), exclude=True)),
        a_log(tmp_path / "json", json={"a": "%REQ(:PATH)%", "b": "%REQ(x)%", "c": "%ACCESS_LOG_TYPE%"}),
        a_log(tmp_path / "less", json={"a": "%REQ(:PATH)%", "b": "%REQ(x)%"}, omit_empty_values=True),
        a_log(tmp_path / "text", "[%REQ(x)%]\n", omit_empty_values=True),
    )
    serving(logs, *configs)
    made = logs.compile(configs, Runtime([RuntimeLayer("one", {"least": 404})]))
    entry = LogEntry(0.0, b"GET", b"/one", b"h")
    entry.status = 404
    for one in made:
        one.write(entry)
    logs.flush(made)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "late": "/one DownstreamEnd vm\n",
        "type": "/one DownstreamEnd vm\n",
        "other": "",
        "json": '{"a":"/one","b":null,"c":"DownstreamEnd"}\n',
        "less": '{"a":"/one"}\n',
        "text": "[]\n",
    }
    logs.close()


def test_files_are_exchanged(logs: AccessLogs, tmp_path: Path) -> None:
    config = a_log(tmp_path / "a")
    serving(logs, config)
    [made] = logs.compile((config,), Runtime())
    made.write(ONE)
    (tmp_path / "a").rename(tmp_path / "b")
    logs.reopen()
    made.write(ONE)
    logs.close()
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()


def test_lost_lines_are_told_once_a_minute(tmp_path: Path) -> None:
    now = 0.0
    logs = AccessLogs("vm", lambda: 7, lambda: now, Full)
    config = a_log(tmp_path / "a", "x" * 65536)
    serving(logs, config)
    made = logs.compile((config,), Runtime())

    def told(lines: int) -> list[LogEvent]:
        for _ in range(lines):
            made[0].write(ONE)
        with capturedLogs() as captured:
            logs.flush(made)
        return [event for event in captured if "lost" in event.get("log_format", "")]

    assert told(17) and not told(5)
    now = 61.0
    [event] = told(0)
    assert event["count"] == 5


def test_a_file_that_cannot_be_written_is_told_before_lines_are_lost_and_at_the_end_what_was(tmp_path: Path) -> None:
    logs = AccessLogs("vm", lambda: 7, lambda: 5.0, Full)
    config = a_log(tmp_path / "a")
    serving(logs, config)
    made = logs.compile((config,), Runtime())
    made[0].write(ONE)
    with capturedLogs() as captured:
        logs.flush(made)
        logs.flush(made)
    [event] = captured
    assert (event["path"], "lines wait" in event["log_format"]) == (str(tmp_path / "a"), True)
    with capturedLogs() as captured:
        logs.close()
    [event] = captured
    assert (event["count"], "lost" in event["log_format"]) == (1, True)
