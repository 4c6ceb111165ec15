"""``shifter release plan``: how long each step of a release needs."""

import click

from shifter.cli.common import read, tell, title
from shifter.cli.exits import EXIT_ERRORS, EXIT_USAGE
from shifter.cli.release_asking import echo_json
from shifter.config.releases import read_release
from shifter.release.plan import plan
from shifter.release.plan_text import plan_text


@click.command("plan")
@click.argument("file")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), metavar="R", help="How many requests a second the route gets.")
@click.option("--errors", type=click.FloatRange(0, 100), metavar="PERCENT", help="How many of them fail today; else 1 % is taken.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
def command(context: click.Context, file: str, rate: float | None, errors: float | None, as_json: bool) -> None:
    """Say what each step of the release in FILE can see of a bad canary, and how long that takes. No proxy is asked: `shifter release
    start FILE --dry-run` says it for the requests that there are.

    The exit code is 0, 1 when the release has errors, 2 when FILE cannot be read.
    """
    text = read(file)
    if text is None:
        context.exit(EXIT_USAGE)
    spec, problems = read_release(text, title(file))
    if spec is None:
        tell(problems, text, err=True)
        context.exit(EXIT_ERRORS)
    found = plan(spec, rate, errors / 100 if errors is not None else None, whole=False).to_dict()
    if as_json:
        echo_json(found)
    else:
        click.echo(plan_text(found), nl=False)
    context.exit(0)
