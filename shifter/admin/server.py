"""The pages about the process: whether it is ready, what it is, and what it takes."""

from twisted.internet.defer import Deferred, succeed

from shifter.admin.page import Page, Query, json_page
from shifter.admin.view import AdminView
from shifter.model.report import Report


def ready(view: AdminView, query: Query) -> Deferred[Page]:
    """``/ready``: 200 while requests are taken; the first line is the state. Who is known is told what is wrong with the files, too."""
    state = view.state()
    problems, notices = (view.problems(), view.notices()) if query.known else ((), ())
    lines = [state]
    if problems:
        lines += ["", "The last configuration was refused, the one before it is in use:", *problems]
    if notices:
        lines += ["", "What is in use is not what the files say:", *notices]
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
                "uptime_all_epochs": f"{int(max(info.now - info.first_started, 0))}s",
                "hot_restart_version": "disabled",
                "hot_restart_initializing": False,
                "command_line_options": {
                    "concurrency": info.concurrency,
                    "config_path": snapshot.source if snapshot else "",
                    "drain_time": f"{info.drain_time:g}s",
                    "mode": "Serve",
                    "drain_strategy": info.drain_strategy.capitalize(),
                    "parent_shutdown_time": f"{info.parent_shutdown_time:g}s",
                    "restart_epoch": info.restart_epoch,
                },
                "node": node,
            }
        )

    return view.report().addCallback(told)


def memory(view: AdminView, query: Query) -> Deferred[Page]:
    """``/memory`` (``envoy.admin.v3.Memory``), of which a Python process knows what it takes in all."""

    def told(report: Report) -> Page:
        physical = report.server.gauges.get("server.memory_physical_size", 0)
        found = {
            "allocated": physical,
            "heap_size": physical,
            "pageheap_unmapped": 0,
            "pageheap_free": 0,
            "total_thread_cache": 0,
            "total_physical_bytes": physical,
        }
        return json_page({name: str(value) for name, value in found.items()})

    return view.report().addCallback(told)


def init_dump(view: AdminView, query: Query) -> Deferred[Page]:
    """``/init_dump`` (``envoy.admin.v3.UnreadyTargetsDumps``): empty, for what is served was waited for before it was."""
    return succeed(json_page({}))


def hot_restart_version(view: AdminView, query: Query) -> Deferred[Page]:
    """``/hot_restart_version``: what Envoy without hot restart says; processes of shifter share no memory."""
    return succeed(Page("disabled\n"))
