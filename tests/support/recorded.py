"""What Envoy 1.40.0 answered, as it was recorded; ``envoy_1_40.json`` holds the questions and the answers."""

import json
from pathlib import Path
from typing import TypedDict


class Headers(TypedDict):
    """``matched``: matcher -> the keys of ``values`` (lists of field values) that fit it, with a blank between them."""

    values: dict[str, list[str]]
    matched: dict[str, str]


class Hosts(TypedDict):
    """``answers``: kind of table -> authority -> name in ``domains``, ``def`` or 404."""

    domains: dict[str, list[str]]
    answers: dict[str, dict[str, str | int]]


class Rewritten(TypedDict):
    """One request and what the upstream or the client saw."""

    path: str
    host: str
    fields: list[list[str]]
    seen: list[str]


class Recorded(TypedDict):
    """All of it."""

    headers: Headers
    hosts: Hosts
    rewrites: list[Rewritten]
    paths: list[tuple[str, dict[str, str]]]


ENVOY: Recorded = json.loads((Path(__file__).parent / "envoy_1_40.json").read_text())
