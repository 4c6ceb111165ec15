"""How commands ask a running proxy: through its admin listener.

Rule 1. It is asked directly, whatever ``http_proxy`` says, and never for longer than `PATIENCE` between two pieces of an answer.
Rule 2. What it answers is data: bounded by `MAX_ANSWER`, and never more than printed.
Rule 3. Whoever cannot ask ends with `EXIT_UNREACHABLE` and one sentence, whatever the command.
"""

import getpass
import json
import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from functools import update_wrapper
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import click

from shifter.cli.exits import EXIT_ERRORS, EXIT_UNREACHABLE, EXIT_USAGE, Failed

DEFAULT = "127.0.0.1:8001"
"""The admin listener that is asked when nothing else is said: that of Envoy's examples."""

PATIENCE = 10.0
MAX_ANSWER = 256 << 20

_HOST_AND_PORT = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}")
_TOKEN = re.compile(r"[!-~]+")
_REFUSALS = {400, 409}
_PROBLEM = "application/problem+json"
_F = TypeVar("_F", bound=Callable[..., Any])


class Answer(NamedTuple):
    """What came back: 2xx, or a refusal (400, 409, or anything that is told as problem+json) for its caller to tell of."""

    status: int
    text: str

    def json(self) -> Any:
        """Return what it says in JSON. Raises `Failed`."""
        try:
            return json.loads(self.text)
        except ValueError:
            raise Failed("what answers there is no proxy's admin listener", EXIT_UNREACHABLE) from None


class Client:
    """One admin listener. *where* is a URL, ``HOST:PORT``, or ``unix:PATH``; *token* what it wants to see, if it does."""

    def __init__(self, where: str, token: str | None = None) -> None:
        self.where = where
        self._token = token
        self._path = where.removeprefix("unix:") if where.startswith("unix:") else None
        try:
            url = urlsplit(where if "://" in where else f"http://{where}")
            port = url.port
        except ValueError:
            url, port = urlsplit(""), None
        if not (self._path or (url.hostname and (url.scheme in ("http", "https") if "://" in where else _HOST_AND_PORT.fullmatch(where)))):
            raise Failed(f"--admin takes a URL, HOST:PORT or unix:PATH, not {where!r}", EXIT_USAGE)
        if token is not None and not _TOKEN.fullmatch(token):
            raise Failed("a token is one word of ASCII characters", EXIT_USAGE)
        self._secure = url.scheme == "https"
        self._host, self._port, self._prefix = url.hostname or "localhost", port, "" if self._path else url.path.rstrip("/")

    def get(self, path: str, pairs: Iterable[tuple[str, str]] = (), **parameters: str) -> Answer:
        """Return what the page *path* shows. Raises `Failed`."""
        return self._read(self.open("GET", path, (*pairs, *parameters.items())))

    def post(
        self,
        path: str,
        pairs: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        more_fields: Mapping[str, str] | None = None,
        **parameters: str,
    ) -> Answer:
        """Have *path* done; waits for as long as that takes. Raises `Failed`."""
        return self._read(self.open("POST", path, (*pairs, *parameters.items()), body, more_fields))

    def open(
        self,
        method: str,
        path: str,
        pairs: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        more_fields: Mapping[str, str] | None = None,
    ) -> HTTPResponse:
        """Return an answer that is still to be read. Raises `Failed`, also for one that is neither 2xx nor a refusal."""
        query = urlencode(list(pairs))
        fields = {"user-agent": "shifter", "accept": "*/*", "connection": "close", **(more_fields or {})}
        if self._token is not None:
            fields["authorization"] = f"Bearer {self._token}"
        connection = self._connection(method)
        try:
            connection.request(method, f"{self._prefix}{path}" + (f"?{query}" if query else ""), body, fields)
            answer = connection.getresponse()
        except (OSError, HTTPException, ValueError) as error:
            connection.close()
            raise self._unreachable(error) from None
        if connection.sock is not None:
            connection.sock.close()  # it stays open until the answer is read; there is nothing else to be asked over it
        refused = answer.status in _REFUSALS or answer.headers.get_content_type() == _PROBLEM
        if answer.status < 300 or refused or (answer.status == 503 and path == "/ready"):
            return answer
        words = self._read(answer).text.strip().partition("\n")[0]
        if answer.status == 401:
            raise Failed(f"{self.where} wants a token: SHIFTER_ADMIN_TOKEN or --token-file has it", EXIT_UNREACHABLE)
        if answer.status == 404:
            raise Failed(f"{self.where} has no {path}: is that shifter's admin listener, and as new as this command?", EXIT_UNREACHABLE)
        raise Failed(f"{self.where} answers {answer.status} for {path}: {words}", EXIT_ERRORS)

    def _connection(self, method: str) -> HTTPConnection:
        patience = PATIENCE if method == "GET" else None
        if self._path is not None:
            return _UnixConnection(self._path, timeout=patience)
        return (HTTPSConnection if self._secure else HTTPConnection)(self._host, self._port, timeout=patience)

    def _read(self, answer: HTTPResponse) -> Answer:
        try:
            with answer:
                return Answer(answer.status, answer.read(MAX_ANSWER).decode("utf-8", "replace"))
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> Failed:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        return Failed(f"{self.where} cannot be reached: {why} (--admin says where the proxy's admin listener is)", EXIT_UNREACHABLE)


class _UnixConnection(HTTPConnection):
    """HTTP over a Unix domain socket; a path that begins with ``@`` is an abstract one."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = f"\0{path[1:]}" if path.startswith("@") else path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def admin_options(command: _F) -> _F:
    """Give *command* the options that say which proxy is asked; it is called with ``client`` and ``as_json``."""

    def asking(admin: str | None, config: str | None, token_file: str | None, **parameters: Any) -> Any:
        try:
            return command(client=Client(where(admin, config), token(token_file)), **parameters)
        except Failed as failure:
            if not parameters["as_json"]:
                raise
            click.echo(failure.as_json.rstrip("\n"))  # a program reads that: a refusal is JSON, too
            return click.get_current_context().exit(failure.exit_code)

    asking = update_wrapper(asking, command)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Answer in JSON."),
        click.option("--token-file", metavar="FILE", help="Has the token of the admin listener; else SHIFTER_ADMIN_TOKEN has it."),
        click.option("-c", "--config", metavar="FILE", help="Ask the proxy of this configuration: its admin listener."),
        click.option("--admin", metavar="ADDRESS", help=f"Its URL, HOST:PORT or unix:PATH; else SHIFTER_ADMIN, else {DEFAULT}."),
    ):
        asking = option(asking)
    return asking  # type: ignore[return-value]  # it takes what click gives it


def author_options(command: _F) -> _F:
    """Give *command* ``by`` and ``why``, for the audit log."""
    command = click.option("--why", metavar="TEXT", default="", help="For what reason, for the audit log.")(command)
    return click.option("--by", metavar="NAME", default=_user, help="Who wants it, for the audit log; else you.")(command)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""  # a container's user without a name: the proxy has a word for it


def where(admin: str | None, config: str | None = None) -> str:
    """Return which admin listener is asked, by what options and the environment say."""
    if admin is not None and config is not None:
        raise click.UsageError("--admin and --config both say which proxy is asked: give one of them")
    if config is not None:
        from shifter.cli.configured import admin_of  # reading configurations takes most of a second

        return admin_of(config)
    return admin or os.environ.get("SHIFTER_ADMIN") or DEFAULT


def token(name: str | None) -> str | None:
    """Return the token in the file *name*, or else what the environment says. Raises `Failed`."""
    if name is None:
        given = os.environ.get("SHIFTER_ADMIN_TOKEN", "").strip()
        kept = os.path.join(os.environ.get("STATE_DIRECTORY", "").split(":")[0], "admin-token")  # what the proxy of this unit made up
        if given or not os.path.isabs(kept) or not os.access(kept, os.R_OK):
            return given or None
        name = kept
    try:
        with open(name, encoding="utf-8") as file:
            return file.read(4096).strip() or None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise Failed(f"{name}: cannot be read: {why}", EXIT_USAGE) from None


def tell_change(answer: Answer, as_json: bool) -> int:
    """Print what came of a change (`model.change.ChangeResult` as JSON), and return the exit code that says the same."""
    result = answer.json()
    if not isinstance(result, Mapping) or not isinstance(result.get("taken"), bool):
        raise Failed(answer.text.strip().partition("\n")[0] or f"answered {answer.status}", EXIT_ERRORS)
    if as_json:
        click.echo(answer.text, nl=False)
    else:
        for warning in result.get("warnings", ()):
            click.echo(f"warning: {warning}", err=True)
        for problem in result.get("problems", ()):
            click.echo(problem, err=True)
        if result["taken"]:
            change = result.get("change")
            click.echo(f"configuration {result['version']} is served" + ("" if change else "; nothing is different"))
            for line in change["changes"] if change else ():
                click.echo(f"  {line}")
        else:
            click.echo(f"refused: configuration {result['version']} goes on being served", err=True)
    return 0 if result["taken"] else EXIT_ERRORS
