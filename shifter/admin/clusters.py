"""The pages about where traffic comes in and where it goes: listeners and clusters."""

from twisted.internet.defer import Deferred

from shifter.admin.page import JSON, Page, Query, form, name_filter
from shifter.admin.view import AdminView
from shifter.observe import text


def clusters(view: AdminView, query: Query) -> Deferred[Page]:
    """``/clusters``."""
    keep = name_filter(query)
    if form(query, "/clusters", ("json", "text")) == "json":
        return view.report().addCallback(lambda report: Page(text.clusters_json(report, keep), JSON))
    return view.report().addCallback(lambda report: Page(text.clusters_text(report, keep)))


def listeners(view: AdminView, query: Query) -> Deferred[Page]:
    """``/listeners``."""
    if form(query, "/listeners", ("json", "text")) == "json":
        return view.report().addCallback(lambda report: Page(text.listeners_json(report), JSON))
    return view.report().addCallback(lambda report: Page(text.listeners_text(report)))
