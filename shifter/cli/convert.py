"""``shifter convert``: old spellings to today's, in the text as it was laid out."""

import difflib
from pathlib import Path

import click

from shifter.cli.common import load, read, reason, tell, title
from shifter.cli.exits import EXIT_ERRORS, EXIT_USAGE
from shifter.config.convert import convert


@click.command("convert")
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", metavar="OUT", type=click.Path(), help='Write here; "-", the standard output, is the default.')
@click.option("--in-place", is_flag=True, help="Write into FILE itself.")
@click.option("--diff", "as_diff", is_flag=True, help="Write nothing, print what would change.")
@click.pass_context
def command(context: click.Context, file: str, output: str | None, in_place: bool, as_diff: bool) -> None:
    """Rewrite the old spellings in FILE (Envoy's v1 and v2 names, the tutorials' of 2018) as they are written today.

    Comments and layout stay as they are, and so does what is meant. The exit code is 0 when FILE is now in today's spelling, 1 when
    something in it is left for you or it has errors, 2 when a file cannot be read or written.
    """
    if sum((output is not None, in_place, as_diff)) > 1:
        raise click.UsageError("one of --output, --in-place and --diff, please")
    if in_place and file == "-":
        raise click.UsageError("the standard input cannot be written to")
    data = read(file)
    if data is None:
        context.exit(EXIT_USAGE)
    converted = convert(data, title(file))
    new = converted.text.encode()
    if as_diff:
        old_lines = data.decode("utf-8", "replace").splitlines(keepends=True)
        lines = difflib.unified_diff(old_lines, converted.text.splitlines(keepends=True), file, f"{file} (converted)")
        click.echo("".join(line if line.endswith("\n") else f"{line}\n" for line in lines), nl=False)
    elif in_place or output not in (None, "-"):
        target = file if in_place else output
        assert target is not None
        try:
            if not in_place or new != data:
                Path(target).write_bytes(new)
        except OSError as error:
            click.echo(f"{target}: cannot be written: {reason(error)}", err=True)
            context.exit(EXIT_USAGE)
        click.echo(f"{target}: {_count(converted.changes)}", err=True)
    else:
        click.echo(new, nl=False)
    left = converted.problems
    tell(left, data, err=True)
    loaded, texts = load(file, new, routes_alone=True)
    wrong = [problem for problem in loaded.problems if problem.level == "error" or problem.alias]
    if wrong and not left:
        click.echo("in the converted text:", err=True)
        tell(wrong, texts, err=True)
    context.exit(EXIT_ERRORS if left or wrong else 0)


def _count(changes: int) -> str:
    return "nothing to change" if not changes else f"{changes} change{'s' if changes > 1 else ''}"
