"""``shifter status``: how the running proxy is."""

import json

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.exits import EXIT_ERRORS


@click.command("status")
@admin_options
@click.pass_context
def command(context: click.Context, client: Client, as_json: bool) -> None:
    """Say how the running proxy is: state, version, uptime, listeners, and what is wrong with its configuration's files.

    The exit code is 0 when it takes requests (its state is LIVE), 1 when not, 3 when it cannot be reached.
    """
    info = client.get("/server_info").json()
    problems, notices = _told(client.get("/ready").text)
    listeners = [_listener(one) for one in client.get("/listeners", format="json").json().get("listener_statuses", [])]
    state = info.get("state", "")
    found = {
        "state": state,
        "version": info.get("version", ""),
        "uptime_s": int(str(info.get("uptime_current_epoch", "0s")).rstrip("s") or 0),
        "config": info.get("command_line_options", {}).get("config_path", ""),
        "config_version": info.get("node", {}).get("metadata", {}).get("config_version", 0),
        "listeners": listeners,
        "problems": problems,
        "notices": notices,
    }
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        click.echo(f"{state}  {found['version']}  up {_span(found['uptime_s'])}")
        click.echo(f"configuration {found['config_version']}  {found['config']}")
        for name, address in listeners:
            click.echo(f"listener {name}  {address}")
        if problems:
            click.echo("the last configuration was refused, the one before it is in use:")
            for problem in problems:
                click.echo(f"  {problem}")
        if notices:
            click.echo("what is in use is not what the files say:")
            for notice in notices:
                click.echo(f"  {notice}")
    context.exit(0 if state == "LIVE" else EXIT_ERRORS)


def _told(ready: str) -> tuple[list[str], list[str]]:
    """Return what ``/ready`` tells of problems, and of what the files do not say."""
    problems: list[str] = []
    notices: list[str] = []
    for block in ready.split("\n\n")[1:]:
        head, *lines = block.splitlines()
        (problems if "refused" in head else notices).extend(line for line in lines if line)
    return problems, notices


def _listener(status: dict[str, dict[str, dict[str, object]]]) -> tuple[str, str]:
    address = status.get("local_address", {})
    if "pipe" in address:
        return str(status.get("name", "")), str(address["pipe"].get("path", ""))
    place = address.get("socket_address", {})
    return str(status.get("name", "")), f"{place.get('address', '')}:{place.get('port_value', '')}"


def _span(seconds: int) -> str:
    """Return a span of time in its two largest units."""
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (left, "s")) if number]
    return " ".join(parts[:2]) or "0 s"
