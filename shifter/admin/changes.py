"""The pages that change what is served."""

from twisted.internet.defer import Deferred

from shifter.admin.page import Page, Query, result_page
from shifter.admin.view import AdminView


def reload(view: AdminView, query: Query) -> Deferred[Page]:
    """``POST /reload``: what came of it, when that is known."""
    return view.reload(query.actor).addCallback(result_page)
