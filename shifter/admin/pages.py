"""The admin pages: a table of paths, each with a function from a query to a page.

Rule 1. A page sees the service only through `AdminView`; it never changes anything.
Rule 2. Paths, words and shapes are Envoy's (its admin interface, 1.40), so that scripts and dashboards made for it work.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from twisted.internet.defer import Deferred, succeed

from shifter.admin.dump import config_dump
from shifter.admin.filters import FilterError, compile_filter
from shifter.admin.page import HTML, JSON, BadQuery, Page, Query, form
from shifter.admin.view import AdminView
from shifter.model.report import CertificateDetails, CertificateReport, Report
from shifter.observe import prometheus, text
from shifter.observe.scopes import Selection


@dataclass(frozen=True, slots=True)
class Command:
    """A path of the admin interface; ``parameters`` are those it understands, with what they mean."""

    path: str
    summary: str
    answer: Callable[[AdminView, Query], Deferred[Page]]
    parameters: tuple[tuple[str, str], ...] = ()


def ready(view: AdminView, query: Query) -> Deferred[Page]:
    """``/ready``: 200 while requests are taken; the first line is the state. Problems of a refused reload follow."""
    state, problems = view.state(), view.problems()
    lines = [state]
    if problems:
        lines += ["", "The last configuration was refused, the one before it is in use:", *problems]
    return succeed(Page("\n".join(lines) + "\n", status=200 if state == "LIVE" else 503))


def server_info(view: AdminView, query: Query) -> Deferred[Page]:
    """``/server_info`` (``envoy.admin.v3.ServerInfo``); what Envoy has no field for is in the node's metadata."""
    info, snapshot = view.info(), view.snapshot()
    node: dict[str, object] = {
        "user_agent_name": "shifter",
        "user_agent_version": info.version,
        "metadata": {"head_parser": info.head_parser, "reactor": info.reactor, "config_version": snapshot.version if snapshot else 0},
    }
    if snapshot is not None:
        node = {"id": snapshot.bootstrap.node_id, "cluster": snapshot.bootstrap.node_cluster, **node}

    def told(report: Report) -> Page:
        uptime = f"{report.server.shared.get('server.uptime', 0)}s"
        return _json(
            {
                "version": f"shifter/{info.version}",
                "state": view.state(),
                "uptime_current_epoch": uptime,
                "uptime_all_epochs": uptime,
                "hot_restart_version": "disabled",
                "command_line_options": {
                    "concurrency": info.concurrency,
                    "config_path": snapshot.source if snapshot else "",
                    "drain_time": f"{info.drain_time:g}s",
                    "mode": "Serve",
                    "disable_hot_restart": True,
                    "restart_epoch": 0,
                },
                "node": node,
            }
        )

    return view.report().addCallback(told)


def clusters(view: AdminView, query: Query) -> Deferred[Page]:
    """``/clusters``."""
    keep = _filter(query)
    if form(query, "/clusters", ("json", "text")) == "json":
        return view.report().addCallback(lambda report: Page(text.clusters_json(report, keep), JSON))
    return view.report().addCallback(lambda report: Page(text.clusters_text(report, keep)))


def listeners(view: AdminView, query: Query) -> Deferred[Page]:
    """``/listeners``."""
    if form(query, "/listeners", ("json", "text")) == "json":
        return view.report().addCallback(lambda report: Page(text.listeners_json(report), JSON))
    return view.report().addCallback(lambda report: Page(text.listeners_text(report)))


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


def dump(view: AdminView, query: Query) -> Deferred[Page]:
    """``/config_dump``."""
    snapshot = view.snapshot()
    return succeed(_json({"configs": []} if snapshot is None else config_dump(snapshot, view.info().config_time)))


def certificates(view: AdminView, query: Query) -> Deferred[Page]:
    """``/certs`` (``envoy.admin.v3.Certificates``)."""
    now = view.info().now
    return view.report().addCallback(lambda report: _json({"certificates": [_certificates(one, now) for one in report.certificates]}))


def _certificates(one: CertificateReport, now: float) -> dict[str, object]:
    known = {"ca_cert": (one.authority,) if one.authority is not None else (), "cert_chain": one.shown}
    return {name: [_certificate(detail, now) for detail in details] for name, details in known.items()}


def _certificate(detail: CertificateDetails, now: float) -> dict[str, object]:
    return {
        "path": detail.path,
        "serial_number": detail.serial_number,
        "subject_alt_names": [{kind: name} for kind, name in detail.names],
        "days_until_expiration": str(detail.days_left(now)),
        "valid_from": _moment(detail.valid_from),
        "expiration_time": _moment(detail.expires),
    }


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def table_page(view: AdminView, query: Query) -> Deferred[Page]:
    """``/routes``."""
    from shifter.admin import routes  # explaining takes a tenth of all that shifter is, and most never ask

    return routes.table_page(view, query)


def explain_page(view: AdminView, query: Query) -> Deferred[Page]:
    """``/routes/explain``."""
    from shifter.admin import routes  # see `table_page`

    return routes.explain_page(view, query)


def help_page(view: AdminView, query: Query) -> Deferred[Page]:
    """``/help``."""
    return succeed(Page(help_text()))


def home(view: AdminView, query: Query) -> Deferred[Page]:
    """``/``: links to the other pages."""
    rows = "\n".join(f'<dt><a href="{escape(one.path)}">{escape(one.path)}</a></dt><dd>{escape(one.summary)}</dd>' for one in COMMANDS)
    title = f"shifter {escape(view.info().version)}: {escape(view.state())}"
    head = f'<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>'
    body = f"{head}\n<h1>{title}</h1>\n<dl>\n{rows}\n</dl>\n</html>\n"
    return succeed(Page(body, HTML, headers=(("content-security-policy", "default-src 'none'"),)))


_FILTER = ("filter", "Regular expression (RE2) that names must contain a match of")
_FORMAT = ("format", "Format to use; One of (json, text)")
_LISTENER = ("listener", "Name of the listener, where there are several")
_EXPLAIN = (
    ("request", "The request: GET http://host/path"),
    ("header", "A header of the request, name: value; may be given several times"),
    ("from", "Address that the request comes from"),
    ("random", "Number that random choices are made with"),
    ("all", "Show every route that did not fit"),
    _FORMAT,
    _LISTENER,
)
_USED_ONLY = ("usedonly", "Only include stats that were counted since start")

COMMANDS: Sequence[Command] = (
    Command("/", "Admin home page", home),
    Command("/certs", "print certs on machine", certificates),
    Command("/clusters", "upstream cluster status", clusters, (_FILTER, _FORMAT)),
    Command("/config_dump", "dump the configuration in use", dump),
    Command("/help", "print out list of admin commands", help_page),
    Command("/listeners", "print listener info", listeners, (_FORMAT,)),
    Command("/ready", "print server state, return 200 if LIVE, otherwise return 503", ready),
    Command("/routes", "print the table of routes", table_page, (_FORMAT, _LISTENER)),
    Command("/routes/explain", "say where a request goes, and why", explain_page, _EXPLAIN),
    Command("/server_info", "print server version/status information", server_info),
    Command("/stats", "print server stats", stats, (_USED_ONLY, _FILTER, ("format", "Format to use; One of (json, prometheus, text)"))),
    Command("/stats/prometheus", "print server stats in prometheus format", stats_prometheus, (_USED_ONLY, _FILTER)),
)
"""Every path there is, in alphabetical order."""


def help_text() -> str:
    """Return the list of commands, in Envoy's layout."""
    lines = ["admin commands are:"]
    for command in COMMANDS:
        lines.append(f"  {command.path}: {command.summary}")
        lines += [f"      {name}: {meaning}" for name, meaning in command.parameters]
    return "\n".join(lines) + "\n"


def _json(value: object) -> Page:
    return Page(json.dumps(value, indent=1) + "\n", JSON)


def _filter(query: Query) -> Callable[[str], bool] | None:
    pattern = query.get("filter", "")
    try:
        return compile_filter(pattern) if pattern else None
    except FilterError as error:
        raise BadQuery(f"Invalid regex: {error}\n") from error


def _selection(query: Query) -> Selection:
    return Selection(_filter(query), "usedonly" in query)
