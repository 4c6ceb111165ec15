"""The admin listener: what operators and their tools may read about a running shifter."""

from shifter.admin.site import AdminResource, AdminSite
from shifter.admin.view import AdminView, ServerInfo

__all__ = ["AdminResource", "AdminSite", "AdminView", "ServerInfo"]
