"""``shifter release status``: how a release stands, and what it came to, for scripts."""

import re
import time
from typing import Any

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.exits import EXIT_ERRORS, EXIT_UNREACHABLE, Failed
from shifter.cli.release_asking import EXIT_UNDECIDED, OUTCOMES, Json, echo_json, meant, releases
from shifter.cli.release_text import standing

_EVERY = 1.0
_LOST = 60.0
"""Seconds for which a proxy may not answer while it is waited for: it may be taking over from another process."""
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?(s|m|min|h|)")
_UNITS = {"s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

now = time.monotonic
pause = time.sleep


class _Time(click.ParamType[float]):
    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = _TIME.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not a time, such as 90s, 30m, 2h", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


@click.command("status")
@click.argument("release", metavar="[NAME]", required=False)
@click.option("--wait", is_flag=True, help="Wait until it is over, and end with what it came to.")
@click.option("--timeout", type=_Time(), default="30m", show_default=True, help="How long to wait, such as 90s, 30m, 2h.")
@admin_options
@click.pass_context
def command(context: click.Context, client: Client, as_json: bool, release: str | None, wait: bool, timeout: float) -> None:
    """Say in one line how a release stands.

    With --wait the exit code says what it came to: 0 when it succeeded, 1 when it was rolled back, 2 when it was aborted, 3 when
    it was undecided until the timeout, another took its place, or the proxy could not be asked. Without it the exit code is 0, or 3 when
    the proxy cannot be reached.
    """
    if not wait:
        _tell(_look(client, meant(client, release)), as_json)
        context.exit(0)
    try:
        name = meant(client, release)
        found = _wait(client, name, timeout)
    except Failed as failure:
        # 1 and 2 would say that the release was rolled back, or aborted
        raise Failed(failure.message, EXIT_UNDECIDED, failure.as_json) from None
    _tell(found, as_json)
    if not found.get("over"):
        click.echo(f"{name} is not over after {timeout:g} s", err=True)
        context.exit(EXIT_UNDECIDED)
    context.exit(OUTCOMES.get(str(found.get("state")), EXIT_UNDECIDED))


def _wait(client: Client, name: str, timeout: float) -> Json:
    """Return how the release *name* stands when it is over, or when *timeout* has passed. Raises `Failed`."""
    until = now() + timeout
    seen = now()
    while True:
        try:
            found = _look(client, name)
            seen = now()
            if found.get("over") or now() >= until:
                return found
        except Failed as failure:
            if failure.exit_code != EXIT_UNREACHABLE or now() - seen >= _LOST or now() >= until:
                raise
        pause(min(_EVERY, max(0.05, until - now())))


def _look(client: Client, name: str) -> Json:
    """Return how the release *name* stands. Raises `Failed`."""
    known = releases(client)
    found = next((one for one in known if one.get("name") == name), None)
    if found is None:
        rest = f"; there are {', '.join(str(one.get('name')) for one in known)}" if known else ""
        raise Failed(f"there is no release {name}{rest}", EXIT_ERRORS)
    return found


def _tell(found: Json, as_json: bool) -> None:
    if as_json:
        echo_json(found)
    else:
        click.echo(standing(found))
