"""The pages that change what is served, and those that tell what was changed."""

import json
from datetime import UTC, datetime

from twisted.internet.defer import Deferred

from shifter.admin.page import JSON, BadQuery, Page, Query, form, is_on, json_page, one_line, result_page
from shifter.admin.view import AdminView
from shifter.model.change import AuditEntry

COUNT = 50
"""Changes that are told when nobody says how many."""
MOST = 10_000


def reload(view: AdminView, query: Query) -> Deferred[Page]:
    """``POST /reload``: what came of it, when that is known."""
    return view.reload(query.actor).addCallback(result_page)


def undo(view: AdminView, query: Query) -> Deferred[Page]:
    """``POST /undo``: the last change is taken back."""
    return view.undo(query.actor).addCallback(result_page)


def weights(view: AdminView, query: Query) -> Deferred[Page]:
    """``/weights``: routes with several clusters, and what share of the requests each gets."""
    return view.weights().addCallback(_listed)


def _listed(routes: list[dict[str, object]]) -> Page:
    # one route a line: the encoder takes a tenth of the time that it needs for more than that, and there may be thousands
    return Page('{"routes": [\n' + ",\n".join(map(json.dumps, routes)) + "\n]}\n", JSON)


def set_weights(view: AdminView, query: Query) -> Deferred[Page]:
    """``POST /weights?route=...&service1a=10``: other weights for one route; with ``reset`` those of the file."""
    own = {"route", "by", "why", "dry_run", "reset", "cluster"}
    wanted = {name: value for name, value in reversed(query.pairs) if name not in own}
    for pair in query.every("cluster"):
        name, _, value = pair.rpartition("=")
        wanted[name] = value
    if not query.get("route") or bool(wanted) == ("reset" in query):
        raise BadQuery("usage: /weights?route=ROUTE&CLUSTER=WEIGHT&...\n       /weights?route=ROUTE&reset\n")
    return view.set_weights(query["route"], wanted, query.actor, is_on(query, "dry_run")).addCallback(result_page)


def audit(view: AdminView, query: Query) -> Deferred[Page]:
    """``/audit``: changes that were taken, the newest first."""
    count, before = _number(query, "count", COUNT), _number(query, "before", 0)
    as_json = form(query, "/audit", ("json", "text")) == "json"

    def told(entries: list[AuditEntry]) -> Page:
        if as_json:
            return json_page([entry.to_dict() for entry in entries])
        return Page("\n".join(map(entry_text, entries)) + "\n" if entries else "nothing was changed yet\n")

    return view.audit(min(count, MOST), before or None).addCallback(told)


def entry_text(entry: AuditEntry) -> str:
    """Return *entry* as people read it: when, what, who and why, and a line for everything that is different.

    Names in it may be anybody's words; none of them looks like a line of its own.
    """
    when = datetime.fromtimestamp(entry.when, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    what = f"{entry.kind.value} {entry.target}" + (f" (takes back {entry.undoes})" if entry.undoes else "")
    who = f"by {entry.actor.by}" + (f", {entry.actor.origin}" if entry.actor.origin else "")
    why = f": {entry.actor.why}" if entry.actor.why else ""
    return "\n".join(map(one_line, (f"{entry.number}  {when}  {what}  {who}{why}", *(f"    {line}" for line in entry.changes))))


def _number(query: Query, name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise BadQuery(f"usage: /audit?{name}=NUMBER\n")
    return int(text)


def restart(view: AdminView, query: Query) -> Deferred[Page]:
    """``POST /restart``: answers when the new process serves, or when nothing came of it."""
    return view.restart().addCallback(result_page)
