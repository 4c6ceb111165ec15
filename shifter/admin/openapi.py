"""``/openapi.json``: the table of commands as an OpenAPI 3.1 description, for tools that make clients, documentation or tests of it. (pure)

Rule 1. Everything is made from the table: a new command is described by being in it.
Rule 2. What a parameter may be is read from its description, which names the choices as Envoy's do: ``One of (a, b)``.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from shifter.admin.page import HTML, JSON, PLAIN, Command

_CHOICES = re.compile(r"One of \(([^)]*)\)")
_NUMBERS = {"random": 2**63 - 1, "count": 10**15 - 1, "before": 10**15 - 1}
_FLAGS = frozenset(("all", "graceful", "skip_exit", "inboundonly", "usedonly", "include_eds", "text_readouts", "invert_filter"))
_MANY = frozenset(("header", "cluster"))

_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_FIELD = {"type": "string", "pattern": r'^(\*|"?[0-9]{1,15}"?)?$'}
_WORDS = {PLAIN: _TEXT, "text/plain": _TEXT}
_PROBLEM: dict[str, Any] = {"application/problem+json": {}}
_REFUSED = {PLAIN: _TEXT, "text/plain": _TEXT, JSON: {}, **_PROBLEM}

_STATUSES = {
    400: ("What is asked for is not understood, or refused.", _REFUSED),
    401: ("The admin listener wants its token.", _WORDS),
    403: ("The request comes from, or is for, somebody else.", _WORDS),
    404: ("There is no such thing.", _REFUSED),
    409: ("It is refused.", _REFUSED),
    412: ("It is not at that version any more.", _PROBLEM),
    413: ("The body is too long.", _WORDS),
    500: ("It cannot be done.", _WORDS),
    501: ("There is no such thing in this build.", _WORDS),
    503: ("Not now.", {**_WORDS, **_PROBLEM}),
}
_CHANGED = {"$ref": "#/components/schemas/ChangeResult"}

_CHANGE_RESULT = {
    "type": "object",
    "required": ["taken", "version", "change", "problems", "warnings"],
    "properties": {
        "taken": {"type": "boolean"},
        "version": {"type": "integer"},
        "change": {"type": ["object", "null"]},
        "problems": {"type": "array", "items": {"type": "string"}},
        "warnings": {"type": "array", "items": {"type": "string"}},
    },
}


def description(commands: Iterable[Command], version: str) -> dict[str, object]:
    """Return the description of *commands* of shifter *version*."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "shifter admin",
            "version": version,
            "description": "Paths, words and shapes are those of Envoy's admin interface.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {}],
        "paths": {command.path: _path(command) for command in commands if command.listed},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "Wanted off loopback, or when one is given."}},
            "schemas": {"ChangeResult": _CHANGE_RESULT},
        },
    }


def _path(command: Command) -> dict[str, object]:
    operations: dict[str, object] = {command.method.lower(): _operation(command, command.method)}
    if command.method == "GET":
        operations["head"] = _operation(command, "HEAD")
    if command.changing is not None:
        operations["post"] = _operation(command, "POST")
    return operations


def _operation(command: Command, method: str) -> dict[str, object]:
    name = re.sub(r"\W+", "_", command.path).strip("_") or "home"
    answers = _answers(command, method)
    return {
        "operationId": name if method == command.method else f"{name}_{method.lower()}",
        "summary": command.summary,
        "parameters": [
            *map(_part, command.names),
            *(_parameter(*one) for one in command.parameters),
            *({"name": name, "in": "header", "description": words, "schema": _FIELD} for name, words in command.fields),
        ],
        **({"requestBody": {"content": {kind: {} for kind in command.body}}} if command.body and method == "POST" else {}),
        "responses": {
            "200": {"description": "OK", **({"content": answers} if method != "HEAD" else {})},
            **{
                str(status): {"description": words, **({"content": content} if method != "HEAD" else {})}
                for status, (words, content) in _STATUSES.items()
            },
        },
        **({"security": [{}]} if command.public else {}),
    }


def _answers(command: Command, method: str) -> dict[str, object]:
    if command.path in ("/", "/release", "/release/{name}"):
        return {HTML: _TEXT}
    if command.path.endswith("/events"):
        return {"text/event-stream": _TEXT}
    if command.path.startswith("/v1/"):
        return {JSON: {}} if not command.path.endswith("/patch") else {"text/x-diff; charset=UTF-8": _TEXT}
    if method == "POST" and any(name == "by" for name, _ in command.parameters):
        return {JSON: {"schema": _CHANGED}}
    html = {HTML: _TEXT} if any(name == "format" and "html" in words for name, words in command.parameters) else {}
    prometheus = {"text/plain; version=0.0.4; charset=utf-8": _TEXT} if command.path.startswith("/stats") else {}
    return {**_WORDS, JSON: {}, **html, **prometheus}


def _part(name: str) -> dict[str, object]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _parameter(name: str, words: str) -> dict[str, object]:
    found = _CHOICES.search(words)
    schema: dict[str, object] = {"type": "string"}
    if found:
        schema = {"type": "string", "enum": _words(found[1])}
    elif name in _NUMBERS:
        schema = {"type": "integer", "minimum": 0, "maximum": _NUMBERS[name]}
    if name in _MANY:
        schema = {"type": "array", "items": {"type": "string"}}
    flag = {"allowEmptyValue": True} if name in _FLAGS else {}
    return {"name": name, "in": "query", "description": words, "schema": schema, **flag}


def _words(choices: str) -> Sequence[str]:
    return [one.strip() for one in choices.split(",")]
