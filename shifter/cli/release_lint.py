"""``shifter release lint``: every problem of a release's text, with its place."""

import click

from shifter.cli.check import problem_as_dict
from shifter.cli.common import load, read, tell, title
from shifter.cli.exits import EXIT_ERRORS, EXIT_USAGE
from shifter.cli.release_asking import echo_json
from shifter.config.check_release import check_release
from shifter.config.judge import Judge
from shifter.config.releases import read_release
from shifter.routing.regex import regex_problem


@click.command("lint")
@click.argument("file")
@click.option("-c", "--config", metavar="FRONT", help="Also check it against this configuration: its route, its clusters.")
@click.option("--strict", is_flag=True, help="Make every warning an error.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
def command(context: click.Context, file: str, config: str | None, strict: bool, as_json: bool) -> None:
    """Check the release in FILE ("-" is the standard input) without asking any proxy.

    Environment variables are those of the proxy, so they are not looked at. The exit code is 0 when the release may start, 1 when it has
    errors, 2 when a file cannot be read.
    """
    text = read(file)
    front = read(config) if config is not None else b""
    if text is None or front is None:
        context.exit(EXIT_USAGE)
    spec, problems = read_release(text, title(file), Judge(regex_problem=regex_problem))
    route = None
    if spec is not None and config is not None:
        loaded, texts = load(config, front)
        if loaded.bootstrap is None:
            tell([problem for problem in loaded.problems if problem.level == "error"], texts, err=True)
            click.echo(f"{config}: has errors itself, so no release can be checked against it", err=True)
            context.exit(EXIT_USAGE)
        checked = check_release(spec, loaded.bootstrap)
        problems = [*problems, *checked.problems]
        route = checked.found[0].name if checked.found else None
    errors = [one for one in problems if strict or one.level == "error"]
    if as_json:
        echo_json({"file": file, "ok": not errors, "route": route, "problems": [problem_as_dict(one) for one in problems]})
    else:
        tell(problems, text)
        counts = ((len(errors), "error"), (len(problems) - len(errors), "warning"))
        found = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count]
        click.echo(f"{file}: {', '.join(['refused' if errors else 'OK', *found, *([f'route {route}'] if route else [])])}")
    context.exit(EXIT_ERRORS if errors else 0)
