"""The page that shows the configuration in use.

Rule 1. It is written between requests (`AdminView.meanwhile`): it may be large.
"""

from twisted.internet.defer import Deferred, succeed

from shifter.admin.dump import DumpError, Wanted, config_dump
from shifter.admin.jsontext import written
from shifter.admin.page import JSON, Page, Query
from shifter.admin.view import AdminView
from shifter.model.report import Report
from shifter.routing.regex import RegexError, compile_regex

_ERROR = "text/plain"


def dump(view: AdminView, query: Query) -> Deferred[Page]:
    """``/config_dump``."""
    pattern = query.get("name_regex", "")
    try:
        fits = compile_regex(pattern.encode()) if pattern else None
    except RegexError as error:
        words = f"INVALID_ARGUMENT: Error while parsing name_regex from {pattern}: {error}"
        return succeed(Page(words, _ERROR, 400))

    def told(report: Report | None) -> Deferred[Page]:
        snapshot = view.snapshot()
        keep = None if fits is None else lambda name: fits(name.encode())
        wanted = Wanted(query.get("resource", ""), query.get("mask", ""), keep, None if report is None else report.clusters)
        try:
            found: dict[str, object] = {"configs": []} if snapshot is None else config_dump(snapshot, view.info().config_time, wanted)
        except DumpError as error:
            return succeed(Page(str(error), _ERROR, error.status))
        steps = written(found if found["configs"] else {})
        return view.meanwhile(steps).addCallback(lambda text: Page(text, JSON))

    return view.report().addCallback(told) if "include_eds" in query else told(None)
