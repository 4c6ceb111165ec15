"""The page that shows the configuration in use.

Rule 1. A large one is written a little at a time, so that traffic does not wait for it.
"""

from collections.abc import Iterator
from itertools import islice

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import cooperate

from shifter.admin.dump import DumpError, Wanted, config_dump
from shifter.admin.jsontext import pieces
from shifter.admin.page import JSON, Page, Query
from shifter.admin.view import AdminView
from shifter.model.report import Report
from shifter.routing.regex import RegexError, compile_regex

AT_ONCE = 5
"""So many pieces are made before something else may come in between."""

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
        return _written(found if found["configs"] else {})

    return view.report().addCallback(told) if "include_eds" in query else told(None)


def _written(value: object) -> Deferred[Page]:
    text: list[str] = []

    def steps() -> Iterator[None]:
        for piece in pieces(value):
            text.append(piece)
            yield None

    running = steps()
    if sum(1 for _ in islice(running, AT_ONCE)) < AT_ONCE:
        return succeed(Page("".join(text), JSON))
    return cooperate(running).whenDone().addCallback(lambda _: Page("".join(text), JSON))
