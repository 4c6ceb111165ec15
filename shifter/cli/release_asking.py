"""What commands about releases share: which release is meant, what is asked, and how a refusal is told.

Rule 1. Whoever names no release means the one that runs or, where none does, the one that was begun last. With several that run, one
        has to be named.
Rule 2. A refusal is a sentence, with the state that it is for and what would fit there.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import click

from shifter.cli.client import Answer, Client, admin_options, author_options
from shifter.cli.exits import EXIT_ERRORS, EXIT_UNREACHABLE, Failed
from shifter.cli.release_text import standing
from shifter.cli.table import plain

Json = Mapping[str, Any]

OUTCOMES = {"succeeded": 0, "rolled back": 1, "aborted": 2}
"""What commands end with that wait for a release, by its state; with `EXIT_UNDECIDED` for all others."""
EXIT_UNDECIDED = 3


def releases(client: Client) -> list[Json]:
    """Return all releases that the proxy knows, the newest first. Raises `Failed`."""
    found = told(client.get("/v1/releases")).get("releases")
    if not isinstance(found, list):
        raise Failed("what answers there knows nothing of releases", EXIT_UNREACHABLE)
    return [one for one in found if isinstance(one, Mapping)]


def meant(client: Client, name: str | None) -> str:
    """Return which release is meant (rule 1). Raises `Failed`."""
    if name is not None:
        return name
    known = releases(client)
    running = [str(one.get("name")) for one in known if not one.get("over")]
    if len(running) > 1:
        raise Failed(f"several releases run; say which: {', '.join(map(plain, running))}", EXIT_ERRORS)
    if not known:
        raise Failed("there is no release; shifter release start begins one", EXIT_ERRORS)
    return running[0] if running else str(max(known, key=lambda one: one.get("started") or 0)["name"])


def path(name: str, *more: str) -> str:
    """Return where the release *name* is, or *more* of it."""
    return "/".join(("/v1/releases", *(quote(part, safe="") for part in (name, *more))))


def told(answer: Answer) -> Json:
    """Return what an *answer* says in JSON. Raises `Failed` when it is a refusal."""
    found = answer.json()
    if answer.status >= 300:
        raise Failed(refusal(found, answer), EXIT_ERRORS, answer.text)
    if not isinstance(found, Mapping):
        raise Failed("what answers there is no proxy's admin listener", EXIT_UNREACHABLE)
    return found


def refusal(found: object, answer: Answer, placed: Callable[[object], str] = str) -> str:
    """Return why something is not done, in lines (rule 2). *placed* says where a problem is."""
    if not isinstance(found, Mapping):
        return plain(answer.text.strip().partition("\n")[0] or f"answered {answer.status}")
    problems = found.get("problems")
    lines = [plain(placed(one)) for one in problems] if isinstance(problems, list) else []
    verbs = [plain(one) for one in found.get("verbs") or ()]
    fits = f"; what fits now: {', '.join(verbs)}" if verbs else ""
    detail = str(found.get("detail") or found.get("title") or f"answered {answer.status}")
    if lines and detail == "\n".join(map(str, problems or ())):
        return "\n".join(lines)  # it says nothing that they do not
    return "\n".join([*lines, plain(detail) + fits])


def wanted(client: Client, path: str, pairs: Sequence[tuple[str, str]], version: int | None = None) -> Answer:
    """Have something done to a release that is at *version*, whatever that is when it is ``None``. Raises `Failed`."""
    fields = {"if-match": f'"{version}"'} if version is not None else None
    return client.post(path, [(key, value) for key, value in pairs if value], more_fields=fields)


def tell(answer: Answer, as_json: bool, done: str = "") -> int:
    """Print how a release stands after something was done to it, and what that was, if not *done* the reason of its state; return the
    exit code."""
    found = answer.json()
    if as_json:
        click.echo(answer.text, nl=False)
        return 0 if answer.status < 300 else EXIT_ERRORS
    if answer.status >= 300:
        click.echo(refusal(found, answer), err=True)
        return EXIT_ERRORS
    for warning in found.get("warnings") or ():
        click.echo(f"warning: {plain(warning)}", err=True)
    click.echo(standing(found, done or found["reason"]))
    return 0


def version_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* ``version``: that which the release must be at."""
    text = "Only if the release is still at this version (it counts what happened)."
    return click.option("--if-version", "version", type=click.IntRange(0), metavar="N", help=text)(command)


def verb(name: str, help: str) -> click.Command:
    """Return a command that has *name* done to a release."""

    @click.command(name, help=f"{help}\n\nThe exit code is 0 when it is done, 1 when it does not fit, 3 when the proxy cannot be reached.")
    @click.argument("release", metavar="[NAME]", required=False)
    @version_option
    @author_options
    @admin_options
    @click.pass_context
    def command(context: click.Context, client: Client, as_json: bool, release: str | None, version: int | None, by: str, why: str) -> None:
        answer = wanted(client, path(meant(client, release), name), [("by", by), ("why", why)], version)
        context.exit(tell(answer, as_json))

    return command


def echo_json(found: object) -> None:
    """Print *found*."""
    click.echo(json.dumps(found, indent=1, ensure_ascii=False))
