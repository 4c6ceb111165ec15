"""``/logging``: which events of which loggers are logged, in Envoy's words."""

from twisted.internet.defer import Deferred, succeed

from shifter.admin.page import Page, Query
from shifter.admin.view import AdminView
from shifter.observe.loglevels import LEVELS, LogLevels, UnknownLogger

_USAGE = f"""\
usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
usage: /logging?group=<group_name>:<level> (change group of loggers)
levels: {" ".join(LEVELS)}
"""


class _Bad(Exception):
    """What is wrong with the parameters."""


def logging(view: AdminView, query: Query) -> Deferred[Page]:
    """``POST /logging``."""
    levels = view.log_levels()
    try:
        _change(levels, query)
    except UnknownLogger:
        return succeed(_page(levels, "unknown logger name"))
    except _Bad as error:
        return succeed(_page(levels, str(error)))
    return succeed(_page(levels))


def _change(levels: LogLevels, query: Query) -> None:
    if not query:
        return
    if len(query) > 1:
        raise _Bad("invalid number of parameters")
    ((name, value),) = query.items()
    if not value and name in ("level", "paths"):
        return  # a form that was sent without a choice
    if name == "level":
        levels.set_all(_level(value))
    elif name == "paths":
        levels.set([_pair(one) for one in value.split(",")])
    elif name == "group":
        group, level = _pair(value)
        levels.set([(f"{group.removesuffix('.')}.*", level)])
    else:
        levels.set([(name, _level(value))])


def _pair(text: str) -> tuple[str, str]:
    name, _, level = text.partition(":")
    if not name or not level:
        raise _Bad("empty logger name or empty logger level")
    return name, _level(level)


def _level(word: str) -> str:
    if word not in LEVELS:
        raise _Bad("unknown logger level")
    return word


def _page(levels: LogLevels, wrong: str = "") -> Page:
    lines = "".join(f"  {name}: {level}\n" for name, level in levels.levels().items())
    listing = f"active loggers:\n{lines}\n"
    return Page(f"error: {wrong}\n\n{_USAGE}{listing}", status=400) if wrong else Page(listing)
