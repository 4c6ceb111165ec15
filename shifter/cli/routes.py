"""``shifter routes``: the table of routes, why a request goes where it goes, and tests of the table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from time import time
from typing import NoReturn

import click

from shifter.cli.client import DEFAULT, Client, token, where
from shifter.cli.common import load, read, tell, title
from shifter.cli.exits import EXIT_ERRORS, EXIT_USAGE, Failed
from shifter.config.route_tests import load_tests
from shifter.model.bootstrap import Bootstrap
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.net.own_address import own_address
from shifter.routing import explain_text, routetest_text
from shifter.routing.errors import RoutingError
from shifter.routing.explain import explain
from shifter.routing.explain_question import ExplainError, Scene, question, scene_of
from shifter.routing.regex import regex_problem
from shifter.routing.routetest import Summary, run
from shifter.routing.runtime import Runtime

_ALONE = "routes alone"
_NO_LISTENERS = "there are only routes in this file, and no listeners"


@dataclass(frozen=True, slots=True)
class _Question:
    """What was asked on the command line."""

    request: str | None
    headers: Sequence[str]
    client: str
    random: int | None
    listener: str | None
    as_json: bool
    everything: bool

    def parameters(self) -> list[tuple[str, str]]:
        """Return the same for the admin page."""
        found = [("format", "json" if self.as_json else "text")]
        if self.request is not None:
            found += [("request", self.request), *(("header", header) for header in self.headers), ("from", self.client)]
            found += [("random", str(self.random))] if self.random is not None else []
            found += [("all", "")] if self.everything else []
        return found + ([("listener", self.listener)] if self.listener is not None else [])


@click.command("routes")
@click.argument("files", metavar="[FILE...]", nargs=-1)
@click.option("-c", "--config", metavar="FILE", help="Ask this configuration, whole or a route configuration alone.")
@click.option("--admin", metavar="ADDRESS", help=f"Ask the proxy whose admin listener is there; else SHIFTER_ADMIN, else {DEFAULT}.")
@click.option("--token-file", metavar="FILE", help="Has the token of the admin listener; else SHIFTER_ADMIN_TOKEN has it.")
@click.option("--listener", metavar="NAME", help="Which listener, where there are several.")
@click.option("--explain", "request", metavar="REQUEST", help="Say where REQUEST goes and why: 'GET http://host/path'.")
@click.option("-H", "--header", "headers", metavar="HEADER", multiple=True, help="A header of the request: 'name: value'.")
@click.option("--from", "client", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where the request comes from.")
@click.option("--random", type=click.IntRange(0, 2**63 - 1), help="The number that random choices are made with.")
@click.option("--all", "everything", is_flag=True, help="Show every route that did not fit.")
@click.option("--test", "tests", metavar="FILE", multiple=True, help="Run the tests in FILE (and in further FILEs).")
@click.option("--details", is_flag=True, help="Show every field of every test, and the routes that were not tested.")
@click.option("--only-show-failures", is_flag=True, help="Show nothing of tests that passed.")
@click.option("--fail-under", type=click.FloatRange(0, 100), metavar="PERCENT", help="Fail when less of the routes is tested.")
@click.option("--covall", is_flag=True, help="Count for the coverage all that can be tested of a route, not just whether it was.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
def command(
    context: click.Context,
    files: Sequence[str],
    config: str | None,
    admin: str | None,
    token_file: str | None,
    listener: str | None,
    request: str | None,
    headers: Sequence[str],
    client: str,
    random: int | None,
    everything: bool,
    tests: Sequence[str],
    details: bool,
    only_show_failures: bool,
    fail_under: float | None,
    covall: bool,
    as_json: bool,
) -> None:
    """List routes, say where a request goes and why (--explain), or test the routes of a file (--test).

    Asks the file that --config names; without it, the running proxy through its admin listener.

    Tests are in the format of Envoy's router check tool. The exit code is 0 when all is well, 1 when the configuration has
    errors, a test failed or --fail-under was missed, 2 when the command line is wrong or a file cannot be read, 3 when the
    proxy cannot be reached.
    """
    if config is not None and admin is not None:
        raise click.UsageError("--config asks a file, --admin a running proxy: give one of them")
    if tests and request is not None:
        raise click.UsageError("--test and --explain are two questions: ask one of them")
    if files and not tests:
        raise click.UsageError(f"what is {files[0]!r} for? Tests come with --test, a configuration with --config")
    asked = _Question(request, headers, client, random, listener, as_json, everything)
    if tests:
        if config is None:
            raise click.UsageError("--test needs --config FILE")
        summary = _run([*tests, *files], config, listener)
        _print_summary(summary, routetest_text.Detail(details, only_show_failures, details, covall), as_json)
        missed = fail_under is not None and summary.coverage(covall) < fail_under
        if missed:
            click.echo(f"less than the {fail_under:g} % of --fail-under", err=True)
        context.exit(EXIT_ERRORS if summary.failures or missed else 0)
    if config is None:
        proxy = Client(where(admin), token(token_file))
        if admin is None:
            click.echo(f"asking the proxy at {proxy.where} (--admin ADDRESS asks another one, --config FILE a file)", err=True)
        click.echo(_ask(proxy, asked), nl=False)
    else:
        click.echo(_answer(_loaded(config), asked), nl=False)


def _print_summary(summary: Summary, detail: routetest_text.Detail, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(routetest_text.as_dict(summary), indent=1, ensure_ascii=False))
    else:
        click.echo(routetest_text.text(summary, detail), nl=False)


def _fail(code: int, words: str) -> NoReturn:
    click.echo(words, err=True)
    raise click.exceptions.Exit(code)


def _loaded(name: str) -> Bootstrap | Scene:
    """Return the configuration in the file *name*; a route configuration alone becomes the scene of a plain listener."""
    text = read(name)
    if text is None:
        raise click.exceptions.Exit(EXIT_USAGE)
    loaded, texts = load(name, text, routes_alone=True)
    if loaded.bootstrap is not None:
        return loaded.bootstrap
    if loaded.routes is not None:
        return Scene(HttpConnectionManager(_ALONE, loaded.routes), Runtime())
    tell([problem for problem in loaded.problems if problem.level == "error"], texts, err=True)
    raise click.exceptions.Exit(EXIT_ERRORS)


def _answer(config: Bootstrap | Scene, asked: _Question) -> str:
    try:
        if isinstance(config, Scene) and asked.listener is not None:
            raise ExplainError(_NO_LISTENERS)
        if asked.request is None:
            if isinstance(config, Scene):
                return explain_text.table([(None, config.manager.route_config)], config.runtime, asked.as_json)
            return explain_text.table(explain_text.tables_of(config, asked.listener), Runtime(config.runtime), asked.as_json)
        request = question(asked.request, asked.headers, asked.client, asked.random, time())
        scene = config if isinstance(config, Scene) else scene_of(config, request, asked.listener, own_address().encode("ascii"))
        return explain_text.page(explain(scene, request), asked.as_json, asked.everything)
    except ExplainError as error:
        _fail(EXIT_USAGE, str(error))
    except RoutingError as error:
        _fail(EXIT_ERRORS, f"the routes cannot be compiled: {error}")


def _run(names: Sequence[str], config: str, listener: str | None) -> Summary:
    loaded = _loaded(config)
    try:
        if isinstance(loaded, Scene) and listener is not None:
            raise ExplainError(_NO_LISTENERS)
        scene = loaded if isinstance(loaded, Scene) else scene_of(loaded, None, listener)
    except ExplainError as error:
        _fail(EXIT_USAGE, str(error))
    layers = () if isinstance(loaded, Scene) else loaded.runtime
    summary: Summary | None = None
    for name in names:
        text = read(name)
        if text is None:
            raise click.exceptions.Exit(EXIT_USAGE)
        tests = load_tests(text, title(name), regex_problem)
        if tests.tests is None:
            tell([problem for problem in tests.problems if problem.level == "error"], text, err=True)
            raise click.exceptions.Exit(EXIT_ERRORS)
        try:
            found = run(scene.manager.route_config, tests.tests, layers)
        except RoutingError as error:
            _fail(EXIT_ERRORS, f"the routes cannot be compiled: {error}")
        summary = found if summary is None else summary.plus(found)
    assert summary is not None
    return summary


def _ask(proxy: Client, asked: _Question) -> str:
    """Return the answer of a running proxy."""
    answer = proxy.get("/routes" if asked.request is None else "/routes/explain", asked.parameters())
    if answer.status != 200:
        raise Failed(answer.text.strip(), EXIT_USAGE)
    return answer.text
