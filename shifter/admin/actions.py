"""The pages that have something done to the process: drain, fail health checks, reopen logs, reset counters, quit.

Rule 1. They answer ``OK`` as Envoy's do, as soon as it has begun; counters are at zero by then.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed

from shifter.admin.page import Page, Query
from shifter.admin.view import AdminView

OK = Page("OK\n")


def drain_listeners(view: AdminView, query: Query) -> Deferred[Page]:
    """``POST /drain_listeners``. As with Envoy, that a parameter is there counts, not what it says."""
    view.drain_listeners("graceful" in query, "skip_exit" in query, "inboundonly" in query)
    return succeed(OK)


def reset_counters(view: AdminView, query: Query) -> Deferred[Page]:
    """``POST /reset_counters``."""
    return view.reset_counters().addCallback(lambda _: OK)


def doing(act: Callable[[AdminView], None]) -> Callable[[AdminView, Query], Deferred[Page]]:
    """Return a page that has *act* done."""

    def page(view: AdminView, query: Query) -> Deferred[Page]:
        act(view)
        return succeed(OK)

    return page
