"""The pages about the process: whether it is ready, and what it is."""

from twisted.internet.defer import Deferred, succeed

from shifter.admin.page import Page, Query, json_page
from shifter.admin.view import AdminView
from shifter.model.report import Report


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
        return json_page(
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
