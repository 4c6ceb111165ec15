"""A second table of planted mistakes (route_mistakes.yaml), in everything that a route table can say: one message, its place, the cure."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from shifter.service.loading import load_checked
from tests.support.configs import GOOD, NAME

TABLE = yaml.safe_load(Path(__file__).with_name("route_mistakes.yaml").read_text())

# Where a mistake is written: in place of what, or behind it, and at which column.
SPOTS = {
    "match": ("                  prefix: /old\n", 18, True),
    "path": ("                  prefix: /old\n", 18, False),
    "weighted": ("                  weighted_clusters:\n", 20, True),
    "entry": ("                    - name: service1a\n                      weight: 25\n", 22, True),
    "action": ("                  cluster: service1a\n", 18, True),
    "redirect": ("                  path_redirect: /new\n", 18, True),
    "direct": ("                direct_response:\n                  status: 200\n", 18, True),
    "body": ("                    inline_string: hello\n", 20, False),
    "route": ("                redirect:\n                  path_redirect: /new\n", 16, True),
    "host": ('              domains: ["*"]\n', 14, True),
    "config": ("            name: local_route\n", 12, True),
    "manager": ("          stat_prefix: ingress_http\n", 10, True),
    "filters": ("          http_filters:\n", 10, True),
}
SHORT = {"T/": "type.googleapis.com/", "F/": "type.googleapis.com/envoy.extensions.filters.http."}


def planted(where: str, written: str) -> tuple[str, tuple[int, int, int]]:
    """The configuration with the mistake in it, and line, column and width of the caret."""
    old, column, behind = SPOTS[where]
    assert GOOD.count(old) >= 1
    for short, whole in SHORT.items():
        written = written.replace(short, whole)
    lines = "".join(f"{' ' * column}{line}\n" for line in written.split("\n"))
    marked = GOOD.replace(old, (old if behind else "") + lines, 1)
    before, _, rest = marked.partition("«")
    inside, _, after = rest.partition("»")
    return before + inside + after, (before.count("\n") + 1, len(before) - before.rfind("\n"), len(inside))


def rows(level: str) -> Iterator[tuple[str, str, str, str]]:
    for where, found in TABLE[level].items():
        yield from ((where, *row) for row in found)


def name_of(value: object) -> str | None:
    return re.sub(r"[^\w ]+", " ", value)[:60].strip() if isinstance(value, str) and "«" in value else None


@pytest.mark.parametrize(("where", "written", "message", "hint"), list(rows("errors")), ids=name_of)
def test_error(where: str, written: str, message: str, hint: str) -> None:
    tell("error", where, written, message, hint)


@pytest.mark.parametrize(("where", "written", "message", "hint"), list(rows("warnings")), ids=name_of)
def test_warning(where: str, written: str, message: str, hint: str) -> None:
    tell("warning", where, written, message, hint)


def tell(level: str, where: str, written: str, message: str, hint: str) -> None:
    text, place = planted(where, written)
    loaded = load_checked(text.encode(), NAME)
    [problem] = loaded.problems
    assert problem.level == level
    assert problem.message.startswith(message)
    assert hint in problem.hint
    assert (problem.place.line, problem.place.column, problem.place.width) == place
    assert (loaded.bootstrap is None) == (level == "error")


def test_the_table_is_as_long_as_it_is_said_to_be() -> None:
    assert len([*rows("errors"), *rows("warnings")]) > 150
