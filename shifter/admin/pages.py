"""The admin pages: a table of paths, each with a function from a query to a page.

Rule 1. A page sees the service only through `AdminView`, and has it do what only it can.
Rule 2. What changes something is a POST; a GET never changes anything.
Rule 3. Paths, words and shapes are Envoy's (its admin interface, 1.40), so that scripts and dashboards made for it work.
Rule 4. Here is the table, and what is made of it; the pages themselves are in modules by family.
"""

from collections.abc import Sequence
from html import escape

from twisted.internet.defer import Deferred, succeed

from shifter.admin import changes, clusters, configuration, server, stats
from shifter.admin.certificates import certificates
from shifter.admin.page import BY, HTML, WHY, Command, Page, Query
from shifter.admin.view import AdminView


def _table_page(view: AdminView, query: Query) -> Deferred[Page]:
    from shifter.admin import routes  # explaining takes a tenth of all that shifter is, and most never ask

    return routes.table_page(view, query)


def _explain_page(view: AdminView, query: Query) -> Deferred[Page]:
    from shifter.admin import routes  # see `_table_page`

    return routes.explain_page(view, query)


def _help_page(view: AdminView, query: Query) -> Deferred[Page]:
    return succeed(Page(help_text()))


def _home(view: AdminView, query: Query) -> Deferred[Page]:
    links = (one for one in COMMANDS if one.listed and one.method == "GET")
    rows = "\n".join(f'<dt><a href="{escape(one.path)}">{escape(one.path)}</a></dt><dd>{escape(one.summary)}</dd>' for one in links)
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
_STATS_FORMAT = ("format", "Format to use; One of (json, prometheus, text)")

COMMANDS: Sequence[Command] = (
    Command("/", "Admin home page", _home),
    Command("/certs", "print certs on machine", certificates),
    Command("/clusters", "upstream cluster status", clusters.clusters, (_FILTER, _FORMAT)),
    Command("/config_dump", "dump the configuration in use", configuration.dump),
    Command("/help", "print out list of admin commands", _help_page),
    Command("/listeners", "print listener info", clusters.listeners, (_FORMAT,)),
    Command("/ready", "print server state, return 200 if LIVE, otherwise return 503", server.ready),
    Command("/reload", "read the configuration's files again and serve what they say", changes.reload, (BY, WHY), "POST"),
    Command("/routes", "print the table of routes", _table_page, (_FORMAT, _LISTENER)),
    Command("/routes/explain", "say where a request goes, and why", _explain_page, _EXPLAIN),
    Command("/server_info", "print server version/status information", server.server_info),
    Command("/stats", "print server stats", stats.stats, (_USED_ONLY, _FILTER, _STATS_FORMAT)),
    Command("/stats/prometheus", "print server stats in prometheus format", stats.stats_prometheus, (_USED_ONLY, _FILTER)),
)
"""Every path there is, in alphabetical order."""


def help_text() -> str:
    """Return the list of commands, in Envoy's layout."""
    lines = ["admin commands are:"]
    for command in COMMANDS:
        if command.listed:
            method = "" if command.method == "GET" else f" ({command.method})"
            lines.append(f"  {command.path}{method}: {command.summary}")
            lines += [f"      {name}: {meaning}" for name, meaning in command.parameters]
    return "\n".join(lines) + "\n"
