"""``shifter check``: every problem of every file, for people and for programs; and what a file would change."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import click

from shifter.cli.common import load, read, tell, title
from shifter.cli.exits import EXIT_ERRORS, EXIT_UNREACHABLE, EXIT_USAGE
from shifter.cli.running import Unreachable, address, configuration
from shifter.config import Problem
from shifter.model.bootstrap import Bootstrap
from shifter.service.changes import changes


@dataclass(frozen=True, slots=True)
class _Checked:
    """A file, what is wrong with it and with those that it names, and what it would change (``None``: nobody asked, or it cannot be
    said)."""

    name: str
    texts: Mapping[str, bytes]
    problems: list[Problem]
    changes: list[str] | None

    @property
    def errors(self) -> int:
        return sum(problem.level == "error" for problem in self.problems)


@click.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="How to tell the problems; github: as annotations of a workflow.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--strict", is_flag=True, help="Make every warning an error.")
@click.option("--quiet-aliases", is_flag=True, help="Say nothing about old spellings.")
@click.option(
    "--diff", "base", metavar="RUNNING_OR_FILE", help="Also tell what would change: from a file, or from the proxy at an admin address."
)
@click.pass_context
def command(
    context: click.Context, files: Sequence[str], form: str, as_json: bool, strict: bool, quiet_aliases: bool, base: str | None
) -> None:
    """Check configurations without starting anything; "-" is the standard input.

    Tells every problem of every FILE, and of the files with clusters, listeners and routes that it names, with its place, and what to
    write instead. The exit code is 0 when all of them may start, 1 when one has errors, 2 when one cannot be read, 3 when --diff
    cannot reach the proxy.
    """
    form = "json" if as_json else form
    before = _base(context, base) if base is not None else None
    checked = []
    unreadable = False
    for name in files:
        text = read(name)
        if text is None:
            unreadable = True
            continue
        loaded, texts = load(name, text)
        found = [*loaded.problems, *(_in_files(loaded.bootstrap) if loaded.bootstrap is not None else ())]
        problems = [replace(problem, level="error") if strict else problem for problem in found if not (quiet_aliases and problem.alias)]
        what = changes(before, loaded.bootstrap) if before is not None and loaded.bootstrap is not None else None
        checked.append(_Checked(name, texts, problems, what))
        if form == "text":
            _as_text(checked[-1])
        elif form == "github":
            _as_annotations(checked[-1])
    if form == "json":
        click.echo(json.dumps([_as_dict(one, diff=base is not None) for one in checked], indent=2, ensure_ascii=False))
    context.exit(EXIT_USAGE if unreadable else EXIT_ERRORS if any(one.errors for one in checked) else 0)


def _in_files(config: Bootstrap) -> Iterable[Problem]:
    """Say what is wrong with the files of endpoints that *config* names."""
    if not any(cluster.eds is not None for cluster in config.clusters):
        return ()
    from shifter.service.assignments import missing_assignments  # it brings Twisted, which most checks can do without

    return missing_assignments(config.clusters)


def _base(context: click.Context, where: str) -> Bootstrap:
    """Return the configuration to compare with; ends the command when there is none."""
    admin = address(where)
    try:
        text = read(where) if admin is None else configuration(admin)
    except Unreachable as error:
        click.echo(f"{where}: {error}", err=True)
        context.exit(EXIT_UNREACHABLE)
    if text is None:
        context.exit(EXIT_USAGE)
    loaded, texts = load(where, text)
    if loaded.bootstrap is None:
        tell([problem for problem in loaded.problems if problem.level == "error"], texts, err=True)
        click.echo(f"{where}: has errors itself, so nothing can be compared with it", err=True)
        context.exit(EXIT_USAGE)
    return loaded.bootstrap


def _as_text(checked: _Checked) -> None:
    tell(checked.problems, checked.texts)
    errors = checked.errors
    counts = ((errors, "error"), (len(checked.problems) - errors, "warning"))
    found = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count]
    click.echo(f"{checked.name}: {'OK' if not errors else 'refused'}" + (f", {', '.join(found)}" if found else ""))
    if checked.changes is not None:
        click.echo("\n".join(checked.changes or ["nothing would change"]))


def _as_annotations(checked: _Checked) -> None:
    """Print GitHub's workflow commands: it shows them beside the lines of the file."""
    for problem in checked.problems:
        place = problem.place
        where = f"line={place.line},col={place.column},endColumn={place.column + place.width - 1}"
        said = problem.message + (f" ({problem.hint})" if problem.hint else "")
        file = checked.name if place.file == title(checked.name) else place.file
        click.echo(f"::{problem.level} file={_property(file)},{where},title=shifter check::{_data(said)}")
    for change in checked.changes or ():
        click.echo(f"::notice file={_property(checked.name)},title=shifter check --diff::{_data(change)}")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _as_dict(checked: _Checked, *, diff: bool) -> dict[str, object]:
    found: dict[str, object] = {"file": checked.name, "ok": not checked.errors, "problems": list(map(problem_as_dict, checked.problems))}
    return {**found, "changes": checked.changes} if diff else found


def problem_as_dict(problem: Problem) -> dict[str, object]:
    """Return *problem* as JSON has it."""
    return {"level": problem.level, **asdict(problem.place), "message": problem.message, "hint": problem.hint}
