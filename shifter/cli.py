"""The ``shifter`` command.

Exit codes: 0 all is well, 1 a configuration has errors, 2 the command line is wrong or a file cannot be read.
Rule: what a command needs is imported by it, so that ``shifter check`` starts as fast as it can.
"""

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace

import click

from shifter import __version__
from shifter.config import Problem, render
from shifter.service.sources import MAX_BYTES, load_checked, read_bounded

EXIT_ERRORS = 1
EXIT_USAGE = 2


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, help="Print the version and stop; with -v also what it runs on.")
@click.option("-v", "--verbose", is_flag=True, help="Tell more.")
@click.pass_context
def main(context: click.Context, version: bool, verbose: bool) -> None:
    """A reverse proxy for incremental releases that reads Envoy's configuration."""
    if version:
        click.echo("\n".join(_version(verbose)))
        context.exit(0)
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(EXIT_USAGE)


def _version(verbose: bool) -> list[str]:
    lines = [f"shifter {__version__}"]
    if verbose:
        from shifter.wire.heads import IMPLEMENTATION
        from twisted import __version__ as twisted_version

        lines.append(f"Python {platform.python_version()} ({platform.python_implementation()}, {sys.platform})")
        lines.append(f"Twisted {twisted_version}")
        lines.append(f"head parser: {IMPLEMENTATION}")
    return lines


@main.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to tell the problems.")
@click.option("--strict", is_flag=True, help="Make every warning an error.")
@click.pass_context
def check(context: click.Context, files: Sequence[str], form: str, strict: bool) -> None:
    """Check configurations without starting anything; "-" is the standard input.

    Tells every problem of every FILE with its place, and what to write instead. The exit code is 0 when all of them may start,
    1 when one has errors, 2 when one cannot be read.
    """
    reports = []
    unreadable = failed = False
    for name in files:
        try:
            text = sys.stdin.buffer.read(MAX_BYTES) if name == "-" else read_bounded(name)
        except (OSError, ValueError) as error:
            click.echo(f"{name}: cannot be read: {_reason(error)}", err=True)
            unreadable = True
            continue
        loaded = load_checked(text, name if name != "-" else "<stdin>")
        problems = [replace(problem, level="error") if strict else problem for problem in loaded.problems]
        errors = sum(problem.level == "error" for problem in problems)
        failed = failed or errors > 0
        if form == "text":
            _tell(problems, text, name, errors)
        reports.append({"file": name, "ok": not errors, "problems": [_as_dict(problem) for problem in problems]})
    if form == "json":
        click.echo(json.dumps(reports, indent=2, ensure_ascii=False))
    context.exit(EXIT_USAGE if unreadable else EXIT_ERRORS if failed else 0)


def _tell(problems: Sequence[Problem], text: bytes, name: str, errors: int) -> None:
    if problems:
        click.echo(render(problems, text.decode("utf-8", "replace")))
    warnings = len(problems) - errors
    found = [f"{count} {word}{'s' if count > 1 else ''}" for count, word in ((errors, "error"), (warnings, "warning")) if count]
    click.echo(f"{name}: {'OK' if not errors else 'refused'}" + (f", {', '.join(found)}" if found else ""))


def _as_dict(problem: Problem) -> dict[str, object]:
    place = asdict(problem.place)
    del place["file"]
    return {"level": problem.level, **place, "message": problem.message, "hint": problem.hint}


def _reason(error: OSError | ValueError) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


@main.command()
@click.option("-c", "--config", required=True, type=click.Path(), help="Configuration file, in Envoy's spelling (YAML or JSON).")
@click.option("--dns-resolver", metavar="HOST:PORT", help="Name server for clusters that do not name their own.")
def run(config: str, dns_resolver: str | None) -> None:
    """Serve a configuration until Ctrl-C or SIGTERM: the same as `twistd -n --pidfile= shifter --config FILE`."""
    from twisted.scripts.twistd import run as twistd

    resolver = ["--dns-resolver", dns_resolver] if dns_resolver else []
    sys.argv = ["twistd", "-n", "--pidfile=", "shifter", "--config", config, *resolver]
    twistd()


if __name__ == "__main__":
    main()
