"""The pages about where traffic comes in and where it goes: listeners and clusters.

Rule 1. Clusters may be many: what is said of them is written between requests (`AdminView.meanwhile`).
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred

from shifter.admin.jsontext import written
from shifter.admin.page import JSON, PLAIN, Page, Query, form, name_filter
from shifter.admin.view import AdminView
from shifter.model.report import Report
from shifter.model.steps import Steps
from shifter.observe import text


def clusters(view: AdminView, query: Query) -> Deferred[Page]:
    """``/clusters``."""
    keep = name_filter(query)

    def as_json(report: Report) -> Steps[str]:
        return (yield from written((yield from text.cluster_statuses(report, keep))))

    if form(query, "/clusters", ("json", "text")) == "json":
        return _made(view, as_json, JSON)
    return _made(view, lambda report: text.clusters_text_in_steps(report, keep), PLAIN)


def _made(view: AdminView, make: Callable[[Report], Steps[str]], content_type: str) -> Deferred[Page]:
    def reported(report: Report) -> Deferred[Page]:
        return view.meanwhile(make(report)).addCallback(lambda text: Page(text, content_type))

    return view.report().addCallback(reported)


def listeners(view: AdminView, query: Query) -> Deferred[Page]:
    """``/listeners``."""
    if form(query, "/listeners", ("json", "text")) == "json":
        return view.report().addCallback(lambda report: Page(text.listeners_json(report), JSON))
    return view.report().addCallback(lambda report: Page(text.listeners_text(report)))
