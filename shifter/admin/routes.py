"""The pages about routes: the table in use, and why a request goes where it goes in it.

Rule 1. The configuration in use is asked, through the functions that traffic goes through; no request is sent anywhere.
Rule 2. A large table is gone through a little at a time, so that traffic does not wait for the answer.
"""

from collections.abc import Generator
from itertools import islice

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import cooperate

from shifter.admin.page import JSON, BadQuery, Page, Query, form
from shifter.admin.view import AdminView
from shifter.model.bootstrap import Bootstrap
from shifter.net.own_address import own_address
from shifter.routing import explain_text
from shifter.routing.explain import Explanation, explaining
from shifter.routing.explain_question import Asked, ExplainError, Scene, question, scene_of
from shifter.routing.match_text import shown
from shifter.routing.runtime import Runtime

_USAGE = "ask with /routes/explain?request=GET%20http://host/path&header=name:%20value, or with shifter routes --explain\n"

_DIGITS = 20

AT_ONCE = 500
"""So many routes are looked at before something else may come in between."""


def table_page(view: AdminView, query: Query) -> Deferred[Page]:
    """``/routes``."""
    as_json = form(query, "/routes", ("json", "text")) == "json"
    bootstrap = _bootstrap(view)
    try:
        tables = explain_text.tables_of(bootstrap, query.get("listener"))
    except ExplainError as error:
        raise BadQuery(f"{error}\n") from error
    told = view.meanwhile(explain_text.tabling(tables, Runtime(bootstrap.runtime), as_json))
    return told.addCallback(lambda text: _page(text, as_json))


def explain_page(view: AdminView, query: Query) -> Deferred[Page]:
    """``/routes/explain``."""
    as_json = form(query, "/routes/explain", ("json", "text")) == "json"
    bootstrap = _bootstrap(view)
    try:
        random = _random(query)
        if "request" not in query:
            return succeed(Page(_USAGE))
        asked = question(query["request"], query.every("header"), query.get("from", "127.0.0.1"), random, view.info().now)
        scene = scene_of(bootstrap, asked, query.get("listener"), own_address().encode("ascii"))
    except ExplainError as error:
        raise BadQuery(f"{error}\n") from error
    everything = "all" in query
    return _explained(scene, asked).addCallback(lambda found: _page(explain_text.page(found, as_json, everything), as_json))


def _bootstrap(view: AdminView) -> Bootstrap:
    snapshot = view.snapshot()
    return Bootstrap() if snapshot is None else snapshot.bootstrap


def _random(query: Query) -> int | None:
    random = query.get("random")
    if random is not None and not (random.isascii() and random.isdigit() and len(random) < _DIGITS and int(random) < 2**63):
        raise ExplainError(f"random is a number below 2^63, not {shown(random)!r}")
    return int(random) if random is not None else None


def _page(body: str, as_json: bool) -> Page:
    return Page(body, JSON) if as_json else Page(body)


def _explained(scene: Scene, asked: Asked) -> Deferred[Explanation]:
    answers: list[Explanation] = []

    def steps() -> Generator[None, None, None]:
        answers.append((yield from explaining(scene, asked)))

    running = steps()
    if sum(1 for _ in islice(running, AT_ONCE)) < AT_ONCE:
        return succeed(answers[0])
    return cooperate(running).whenDone().addCallback(lambda _: answers[0])
