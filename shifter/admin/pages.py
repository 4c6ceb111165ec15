"""The admin pages: a table of paths, each with a function from a query to a page.

Rule 1. A page sees the service only through `AdminView`, and has it do what only it can.
Rule 2. What changes something is a POST; a GET never changes anything.
Rule 3. Paths, words and shapes are Envoy's (its admin interface, 1.40), so that scripts and dashboards made for it work.
Rule 4. Here is the table, and what is made of it; the pages themselves are in modules by family.
"""

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed

from shifter.admin import (
    actions,
    changes,
    clusters,
    configuration,
    events,
    livepage,
    logging,
    releases,
    runtime,
    server,
    stats,
    unsupported,
)
from shifter.admin.certificates import certificates
from shifter.admin.openapi import description
from shifter.admin.page import BY, WHY, Command, Page, Query, json_page
from shifter.admin.view import AdminView
from shifter.observe.loglevels import LEVELS


def _table_page(view: AdminView, query: Query) -> Deferred[Page]:
    from shifter.admin import routes  # explaining takes a tenth of all that shifter is, and most never ask

    return routes.table_page(view, query)


def _explain_page(view: AdminView, query: Query) -> Deferred[Page]:
    from shifter.admin import routes  # see `_table_page`

    return routes.explain_page(view, query)


def _help_page(view: AdminView, query: Query) -> Deferred[Page]:
    return succeed(Page(help_text()))


def _openapi_page(view: AdminView, query: Query) -> Deferred[Page]:
    return succeed(json_page(description(COMMANDS, view.info().version)))


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

_DRAIN = (
    ("graceful", "When draining listeners, enter a graceful drain period prior to closing listeners"),
    ("skip_exit", "When draining listeners, drain the connections but never stop the listeners"),
    ("inboundonly", "Drains only listeners whose traffic_direction is INBOUND"),
)
_LOGGING = (
    ("paths", "Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>"),
    ("group", "Change all loggers of a package to desired level, set to <package>:<desired_level>"),
    ("level", f"desired logging level, this will change all loggers's level; One of (, {', '.join(LEVELS)})"),
)
_fail = actions.doing(lambda view: view.fail_health_checks(True))
_pass = actions.doing(lambda view: view.fail_health_checks(False))
_DUMP = (
    ("resource", "The resource to dump"),
    (
        "mask",
        "The mask to apply. When both resource and mask are specified, the mask is applied to every element in the desired repeated field",
    ),
    ("name_regex", "Dump only the currently loaded configurations whose names match the specified regex"),
    ("include_eds", "Dump currently loaded configuration including EDS"),
)
_MASK = ("mask", "The desired component to dump unready targets")

_RUNTIME_MODIFY = (
    "Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the value. "
    "Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via override but not "
    "deleted. E.g. ?key1=value1&key2=value2..."
)
_AUDIT = (("count", "How many changes to tell, the newest first"), ("before", "Only those with a lower number"), _FORMAT)
_WEIGHTS = (
    ("route", "With POST: the route that gets other weights, by its name or the path that it matches"),
    ("cluster", "With POST: NAME=WEIGHT, may be given several times; or NAME itself as a parameter"),
    ("reset", "With POST: the weights of the file hold again"),
    ("dry_run", "With POST: only say what would change"),
    BY,
    WHY,
)

_COMMANDS = (
    Command("/audit", "print changes that were taken", changes.audit, _AUDIT),
    Command("/runtime", "print runtime values", runtime.runtime),
    Command("/runtime_modify", _RUNTIME_MODIFY, runtime.modify, (), "POST"),
    Command("/undo", "take the last change back", changes.undo, (BY, WHY), "POST"),
    Command("/weights", "print routes with weights, or change those of one", changes.weights, _WEIGHTS, changing=changes.set_weights),
    Command("/certs", "print certs on machine", certificates),
    Command("/clusters", "upstream cluster status", clusters.clusters, (_FILTER, _FORMAT)),
    Command("/config_dump", "dump current Envoy configs", configuration.dump, _DUMP),
    Command("/drain_listeners", "drain listeners", actions.drain_listeners, _DRAIN, "POST"),
    Command(
        "/healthcheck/fail", "cause the server to fail health checks", actions.doing(lambda view: view.fail_health_checks(True)), (), "POST"
    ),
    Command(
        "/healthcheck/ok", "cause the server to pass health checks", actions.doing(lambda view: view.fail_health_checks(False)), (), "POST"
    ),
    Command("/help", "print out list of admin commands", _help_page),
    Command("/hot_restart_version", "print the hot restart compatibility version", server.hot_restart_version),
    Command("/init_dump", "dump current Envoy init manager information (experimental)", server.init_dump, (_MASK,)),
    Command("/listeners", "print listener info", clusters.listeners, (_FORMAT,)),
    Command("/logging", "query/change logging levels", logging.logging, _LOGGING, "POST"),
    Command("/memory", "print current allocation/heap usage", server.memory),
    Command("/openapi.json", "print this list as an OpenAPI description", _openapi_page),
    Command("/quitquitquit", "exit the server", actions.doing(lambda view: view.quit()), (), "POST"),
    Command("/ready", "print server state, return 200 if LIVE, otherwise return 503", server.ready, open=True),
    Command("/reload", "read the configuration's files again and serve what they say", changes.reload, (BY, WHY), "POST"),
    Command("/reopen_logs", "reopen access logs", actions.doing(lambda view: view.reopen_logs()), (), "POST"),
    Command("/reset_counters", "reset all counters to zero", actions.reset_counters, (), "POST"),
    Command("/restart", "have a new process take over, without a connection refused", changes.restart, (), "POST"),
    Command("/routes", "print the table of routes", _table_page, (_FORMAT, _LISTENER)),
    Command("/routes/explain", "say where a request goes, and why", _explain_page, _EXPLAIN),
    Command("/server_info", "print server version/status information", server.server_info),
)

_FAMILIES = (_COMMANDS, stats.COMMANDS, events.COMMANDS, livepage.COMMANDS, releases.COMMANDS, unsupported.COMMANDS)
COMMANDS: Sequence[Command] = sorted((command for family in _FAMILIES for command in family), key=lambda command: command.path)
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
