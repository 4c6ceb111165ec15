"""``shifter top``: what every version gets, how it answers and how long it takes, once a second in the terminal.

Rule 1. What is drawn comes over ``/events``, as the live page's figures do.
Rule 2. Where the output is no terminal it is plain text, one table a sample.
"""

import json
import shutil
import sys

import click

from shifter.cli.client import Client, admin_options
from shifter.cli.exits import EXIT_UNREACHABLE, Failed
from shifter.cli.figures import Figures
from shifter.cli.terminal import LOST, Reader, draw, screen_of_its_own, waits
from shifter.cli.top_text import head, screen, table

_WIDE = 120


@click.command("top")
@click.option("--interval", type=click.FloatRange(1, 60), default=2.0, show_default=True, help="Seconds that figures are added up over.")
@click.option("-n", "samples", type=click.IntRange(min=1), help="So many samples, then stop; otherwise until q is pressed.")
@click.option("--once", is_flag=True, help="One sample as plain text, as where the output is no terminal.")
@admin_options
def command(client: Client, as_json: bool, interval: float, samples: int | None, once: bool) -> None:
    """Show the clusters of a running proxy with their figures, weighted routes first; q ends it.

    The exit code is 0, or 3 when the proxy cannot be reached.
    """
    live = sys.stdout.isatty() and sys.stdin.isatty() and not (as_json or once)
    with Reader(client, "/events") as reader:
        if live:
            _draw(reader, interval, samples)
        else:
            _print(reader, interval, samples or 1, as_json)


def _print(reader: Reader, interval: float, samples: int, as_json: bool) -> None:
    figures = Figures()
    while samples:
        name, data = reader.told.get()
        if name == LOST:
            raise Failed(data, EXIT_UNREACHABLE)
        figures.take(name, data)
        if figures.greeted and figures.fresh >= interval - 0.5:
            seconds, figures.fresh = figures.fresh, 0.0
            samples -= 1
            if as_json:
                click.echo(json.dumps(_sample(figures, seconds)))
            else:
                width = shutil.get_terminal_size((_WIDE, 24)).columns
                click.echo("\n".join([*head(figures, seconds, width, False), "", *table(figures.rows(seconds, 20), width, False)]))
                if samples:
                    click.echo("")


def _sample(figures: Figures, seconds: float) -> dict[str, object]:
    rps, errors = figures.total(seconds)
    return {
        "time": figures.now,
        "seconds": round(seconds, 3),
        "version": figures.version,
        "state": figures.state,
        "config_version": figures.configuration,
        "problems": list(figures.problems),
        "rps": rps,
        "errors": errors,
        "clusters": [row.to_dict() for row in figures.rows(seconds)],
    }


def _draw(reader: Reader, interval: float, samples: int | None) -> None:
    figures, lost, drawn = Figures(), "", 0
    while not figures.greeted:  # one that cannot be reached is no reason to touch the terminal
        name, data = reader.told.get()
        if name == LOST:
            raise Failed(data, EXIT_UNREACHABLE)
        figures.take(name, data)
    with screen_of_its_own():
        while samples is None or drawn < samples:
            size = shutil.get_terminal_size()
            draw(screen(figures, interval, size.columns, size.lines, lost=lost))
            if not waits(reader):
                return
            for name, data in reader.fresh():
                lost = data if name == LOST else ""
                if name != LOST:
                    figures.take(name, data)
                    drawn += name == "figures" and figures.greeted
