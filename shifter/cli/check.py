"""``shifter check``: every problem of every file, for people and for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import click

from shifter.cli.common import EXIT_ERRORS, EXIT_USAGE, read, tell, title
from shifter.config import Problem
from shifter.service.sources import load_checked


@click.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to tell the problems.")
@click.option("--strict", is_flag=True, help="Make every warning an error.")
@click.pass_context
def command(context: click.Context, files: Sequence[str], form: str, strict: bool) -> None:
    """Check configurations without starting anything; "-" is the standard input.

    Tells every problem of every FILE with its place, and what to write instead. The exit code is 0 when all of them may start,
    1 when one has errors, 2 when one cannot be read.
    """
    reports = []
    unreadable = failed = False
    for name in files:
        text = read(name)
        if text is None:
            unreadable = True
            continue
        loaded = load_checked(text, title(name))
        problems = [replace(problem, level="error") if strict else problem for problem in loaded.problems]
        errors = sum(problem.level == "error" for problem in problems)
        failed = failed or errors > 0
        if form == "text":
            tell(problems, text)
            click.echo(_verdict(name, errors, len(problems) - errors))
        reports.append({"file": name, "ok": not errors, "problems": [_as_dict(problem) for problem in problems]})
    if form == "json":
        click.echo(json.dumps(reports, indent=2, ensure_ascii=False))
    context.exit(EXIT_USAGE if unreadable else EXIT_ERRORS if failed else 0)


def _verdict(name: str, errors: int, warnings: int) -> str:
    found = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in ((errors, "error"), (warnings, "warning")) if count]
    return f"{name}: {'OK' if not errors else 'refused'}" + (f", {', '.join(found)}" if found else "")


def _as_dict(problem: Problem) -> dict[str, object]:
    place = asdict(problem.place)
    del place["file"]
    return {"level": problem.level, **place, "message": problem.message, "hint": problem.hint}
