"""The pages of statistics."""

from twisted.internet.defer import Deferred

from shifter.admin.page import JSON, Page, Query, form, name_filter
from shifter.admin.view import AdminView
from shifter.observe import prometheus, text
from shifter.observe.scopes import Selection


def stats(view: AdminView, query: Query) -> Deferred[Page]:
    """``/stats``."""
    kind = form(query, "/stats", ("json", "prometheus", "text"))
    if kind == "prometheus":
        return stats_prometheus(view, query)
    selection = _selection(query)
    if kind == "json":
        return view.report().addCallback(lambda report: Page(text.stats_json(report, selection), JSON))
    return view.report().addCallback(lambda report: Page(text.stats_text(report, selection)))


def stats_prometheus(view: AdminView, query: Query) -> Deferred[Page]:
    """``/stats/prometheus``."""
    selection = _selection(query)
    return view.report().addCallback(lambda report: Page(prometheus.exposition(report, selection), prometheus.CONTENT_TYPE))


def _selection(query: Query) -> Selection:
    return Selection(name_filter(query), "usedonly" in query)
