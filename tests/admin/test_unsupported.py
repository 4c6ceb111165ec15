"""What a Python process does not have."""

import pytest

from tests.support.admin import Asker


@pytest.mark.parametrize(
    ("method", "target", "status", "body"),
    [
        ("POST", "/cpuprofiler", 400, "?enable=<y|n>\n"),
        ("POST", "/cpuprofiler?enable=x", 400, "?enable=<y|n>\n"),
        ("POST", "/cpuprofiler?enable=y", 500, "failure to start the profiler"),
        ("POST", "/cpuprofiler?enable=n", 200, "OK\n"),
        ("POST", "/allocprofiler", 400, "?enable=<y|n>\n"),
        ("POST", "/heapprofiler?enable=y", 501, "The current build does not support heap profiler"),
        ("GET", "/heap_dump", 501, "The current build does not support heap dump"),
        ("GET", "/contention", 200, "Mutex contention tracing is not enabled.\n"),
        ("GET", "/stats/recentlookups", 200, "Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n\ntotal: 0\n"),
        ("POST", "/stats/recentlookups/clear", 200, "OK\n"),
    ],
)
def test_answers(method: str, target: str, status: int, body: str) -> None:
    answer = Asker().ask(target, method)
    assert (answer.status, answer.body) == (status, body)
