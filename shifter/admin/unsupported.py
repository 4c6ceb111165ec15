"""Pages of Envoy's about what only its build has: they answer as an Envoy does that was built without it.

Rule 1. Profilers, heap dumps and locks are those of a C++ process. What watches a Python process is `py-spy` and its like, from outside.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed

from shifter.admin.page import Command, Page, Query
from shifter.admin.view import AdminView

_ENABLE = (("enable", "enable/disable the profiler; One of (y, n)"),)
_LOOKUPS = "Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n\ntotal: 0\n"


def _lacking(what: str) -> Callable[[AdminView, Query], Deferred[Page]]:
    return _saying(f"The current build does not support {what}", 501)


def _saying(words: str, status: int = 200) -> Callable[[AdminView, Query], Deferred[Page]]:
    return lambda view, query: succeed(Page(words, status=status))


def _profiler(view: AdminView, query: Query) -> Deferred[Page]:
    if query.get("enable") not in ("y", "n"):
        return succeed(Page("?enable=<y|n>\n", status=400))
    return succeed(Page("OK\n") if query["enable"] == "n" else Page("failure to start the profiler", status=500))


COMMANDS = (
    Command("/allocprofiler", "enable/disable the allocation profiler (if supported)", _profiler, _ENABLE, "POST"),
    Command("/contention", "dump current Envoy mutex contention stats (if enabled)", _saying("Mutex contention tracing is not enabled.\n")),
    Command("/cpuprofiler", "enable/disable the CPU profiler", _profiler, _ENABLE, "POST"),
    Command("/heap_dump", "dump current Envoy heap (if supported)", _lacking("heap dump")),
    Command("/heapprofiler", "enable/disable the heap profiler", _lacking("heap profiler"), _ENABLE, "POST"),
    Command("/memory/tcmalloc", "print TCMalloc stats", _lacking("tcmalloc")),
    Command("/peak_heap_dump", "dump peak Envoy heap (if supported)", _lacking("heap dump")),
    Command("/stats/recentlookups", "Show recent stat-name lookups", _saying(_LOOKUPS)),
    Command("/stats/recentlookups/clear", "clear list of stat-name lookups and counter", _saying("OK\n"), method="POST"),
    Command("/stats/recentlookups/disable", "disable recording of reset stat-name lookup names", _saying("OK\n"), method="POST"),
    Command("/stats/recentlookups/enable", "enable recording of reset stat-name lookup names", _lacking("lookup tracking"), method="POST"),
)
