"""The page that shows the configuration in use."""

from twisted.internet.defer import Deferred, succeed

from shifter.admin.dump import config_dump
from shifter.admin.page import Page, Query, json_page
from shifter.admin.view import AdminView


def dump(view: AdminView, query: Query) -> Deferred[Page]:
    """``/config_dump``."""
    snapshot = view.snapshot()
    return succeed(json_page({"configs": []} if snapshot is None else config_dump(snapshot, view.info().config_time)))
