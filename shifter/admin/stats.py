"""The pages of statistics.

Rule 1. Reports, and pages that are made of them, come in steps between requests (`AdminView.meanwhile`).
"""

from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred

from shifter.admin.page import HTML, JSON, PLAIN, BadQuery, Command, Page, Query, form, name_filter
from shifter.admin.view import AdminView
from shifter.model.report import Report
from shifter.model.stats import StatsSettings
from shifter.model.steps import Steps
from shifter.observe import prometheus, stats_text
from shifter.observe.scopes import Selection
from shifter.routing.statistics import bounds_of, wanted

FORMATS = ("html", "active-html", "json", "prometheus", "text")
KINDS = ("All", "Counters", "Gauges", "Histograms", "TextReadouts")

_MAKERS = {
    "text": (stats_text.text_in_steps, PLAIN),
    "json": (stats_text.json_in_steps, JSON),
    "html": (stats_text.html_in_steps, HTML),
    "active-html": (stats_text.html_in_steps, HTML),
}


def stats(view: AdminView, query: Query) -> Deferred[Page]:
    """``/stats``."""
    kind = form(query, "/stats", FORMATS)
    if kind == "prometheus":
        return stats_prometheus(view, query)
    mode = query.get("histogram_buckets", "summary")
    if mode not in stats_text.MODES:
        raise BadQuery(f"usage: /stats?histogram_buckets=({'|'.join(stats_text.MODES)})\n")
    selection, bounds = _selection(view, query), bounds_of(_settings(view))
    make, content_type = _MAKERS[kind]
    return _made(view, lambda report: make(report, selection, mode, bounds), content_type)


def stats_prometheus(view: AdminView, query: Query) -> Deferred[Page]:
    """``/stats/prometheus``."""
    mode = query.get("histogram_buckets", "cumulative")
    if mode not in ("cumulative", "summary"):
        raise BadQuery("unsupported prometheus histogram bucket mode\n")
    selection, bounds = _selection(view, query), bounds_of(_settings(view))
    summaries, words = mode == "summary", "text_readouts" in query
    make = partial(prometheus.exposition_in_steps, selection=selection, summaries=summaries, bounds=bounds, words=words)
    return _made(view, make, prometheus.CONTENT_TYPE)


def _made(view: AdminView, make: Callable[[Report], Steps[str]], content_type: str) -> Deferred[Page]:
    def reported(report: Report) -> Deferred[Page]:
        return view.meanwhile(make(report)).addCallback(lambda text: Page(text, content_type))

    return view.report().addCallback(reported)


def _settings(view: AdminView) -> StatsSettings:
    """What the configuration in use says of statistics."""
    snapshot = view.snapshot()
    return snapshot.bootstrap.stats if snapshot is not None else StatsSettings()


def _selection(view: AdminView, query: Query) -> Selection:
    kind = query.get("type", "All")
    if kind not in KINDS:
        raise BadQuery("invalid &type= param\n")
    asked, there = name_filter(query), wanted(_settings(view))
    inverted = "invert_filter" in query

    def keep(name: str) -> bool:
        return (there is None or there(name)) and (asked is None or asked(name) is not inverted)

    return Selection(None if there is asked is None else keep, "usedonly" in query, kind)


_CHOICE = (
    ("usedonly", "Only include stats that were counted since start"),
    ("filter", "Regular expression (RE2) that names must contain a match of"),
    ("invert_filter", "Show what the filter does not let through"),
)
COMMANDS = (
    Command(
        "/stats",
        "print server stats",
        stats,
        (
            *_CHOICE,
            ("format", f"Format to use; One of ({', '.join(FORMATS)})"),
            ("type", f"Stat types to include.; One of ({', '.join(KINDS)})"),
            ("histogram_buckets", f"Histogram bucket display mode; One of ({', '.join(stats_text.MODES)})"),
        ),
    ),
    Command(
        "/stats/prometheus",
        "print server stats in prometheus format",
        stats_prometheus,
        (
            *_CHOICE,
            ("text_readouts", "Show text readouts, too, as gauges that are 0, with the text as a label"),
            ("histogram_buckets", "Histogram bucket display mode; One of (cumulative, summary)"),
        ),
    ),
)
