"""``shifter release start``: begin a release, or say what it would do."""

import click

from shifter.cli.client import Client, admin_options, author_options
from shifter.cli.common import read, title
from shifter.cli.exits import EXIT_ERRORS, EXIT_USAGE, Failed
from shifter.cli.release_asking import refusal
from shifter.cli.release_text import standing
from shifter.cli.table import plain
from shifter.config.releases import STEPS, placed_in_short, short_release
from shifter.release.plan_text import plan_text

_SHORT = "short form"
_OPTIONS = {
    "baseline": "BASELINE",
    "canary": "CANARY",
    **{name: f"--{name}" for name in ("steps", "route", "name", "min", "max", "undecided")},
}
"""Who says a release in short sees no text of it: what is wrong is placed by these."""


@click.command("start")
@click.argument("first", metavar="FILE|BASELINE")
@click.argument("canary", required=False)
@click.option("--steps", metavar="WEIGHTS", help=f"Weights in per cent, with commas between them; else {','.join(STEPS)}.")
@click.option(
    "--route", metavar="ROUTE", help="Its name or the path that it matches, as in `shifter weight`; else the one between the two."
)
@click.option("--name", metavar="NAME", help="What the release is called; else like the canary.")
@click.option("--min", "least", metavar="TIME", help="How long each step takes at least: 60s.")
@click.option("--max", "most", metavar="TIME", help="How long it takes at most: 600s.")
@click.option("--undecided", type=click.Choice(["hold", "advance", "roll_back"]), help="What happens then, without a verdict.")
@click.option("--dry-run", is_flag=True, help="Only say what it would do, and how long that takes at the rate of the requests now.")
@author_options
@admin_options
@click.pass_context
def command(
    context: click.Context,
    client: Client,
    as_json: bool,
    first: str,
    canary: str | None,
    steps: str | None,
    route: str | None,
    name: str | None,
    least: str | None,
    most: str | None,
    undecided: str | None,
    dry_run: bool,
    by: str,
    why: str,
) -> None:
    """Begin the release that FILE describes ("-" is the standard input), or one from the cluster BASELINE to CANARY:

    \b
        shifter release start etc/release.yaml
        shifter release start service1 service1a --steps 1,5,10,50,100

    The exit code is 0 when it begins, 1 when it is refused, 2 when FILE cannot be read, 3 when the proxy cannot be reached.
    """
    if canary is None:
        extra = {"--steps": steps, "--route": route, "--name": name, "--min": least, "--max": most, "--undecided": undecided}
        given = [option for option, value in extra.items() if value is not None]
        if given:
            raise Failed(f"{', '.join(given)}: the file says that; without a file, name two clusters", EXIT_USAGE)
        found = read(first)
        if found is None:
            click.echo("a release is a file, or two clusters: shifter release start BASELINE CANARY", err=True)
            context.exit(EXIT_USAGE)
        text, source = found, title(first)
    else:
        pace = {key: value for key, value in (("min", least), ("max", most), ("undecided", undecided)) if value is not None}
        weights = steps.split(",") if steps is not None else STEPS
        text, source = short_release(first, canary, weights, name, route, pace).encode(), _SHORT
    pairs = [("source", source), ("by", by), ("why", why), ("dry_run", "1" if dry_run else "")]
    fields = {"content-type": "application/yaml"}
    answer = client.post("/v1/releases", [(key, value) for key, value in pairs if value], text, fields)
    if as_json:
        click.echo(answer.text, nl=False)
        context.exit(0 if answer.status < 300 else EXIT_ERRORS)
    told = answer.json()

    def placed(line: object) -> str:
        return placed_in_short(str(line), source, text.decode(), _OPTIONS) if canary is not None else str(line)

    if answer.status >= 300:
        raise Failed(refusal(told, answer, placed), EXIT_ERRORS, answer.text)
    for warning in told.get("warnings") or ():
        click.echo(plain(placed(warning)), err=True)
    if dry_run:
        click.echo(plan_text(told), nl=False)
    else:
        click.echo(f"{standing(told)}\nshifter release watch {plain(told.get('name'))} shows how it goes on")
    context.exit(0)
