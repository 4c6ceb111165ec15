"""What an admin page is made of, and made from: an answer, a row of the table of commands, and what was asked.

Rule 1. Everything here comes from outside and is bounded: a body by `MAX_BODY`, the words of an `Actor` by `MAX_WORDS`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred

from shifter.admin.filters import FilterError, ShifterError, compile_filter
from shifter.model.change import Actor, ChangeResult

if TYPE_CHECKING:
    from shifter.admin.view import AdminView

PLAIN = "text/plain; charset=UTF-8"
JSON = "application/json"
HTML = "text/html; charset=UTF-8"

MAX_BODY = 1 << 20
"""How many bytes the body of a request may have."""

MAX_WORDS = 1000
"""How many characters of ``by`` and of ``why`` are kept."""

FIELDS = ("if-match", "last-event-id")
"""Header fields that pages understand."""

NOBODY = "operator"
"""Who wants a change, where the request does not say: whoever may ask here."""


class Query(dict[str, str]):
    """Parameters by name. Of one that is given several times the first counts, unless `every` is asked.

    ``body`` is what came with the request. ``origin`` says which request it was and where it came from, ``sender`` who sent it as
    far as its header fields say so (``x-shifter-by``, ``x-shifter-why``), for pages whose parameters mean something else. Who asks
    is ``known`` when nothing needs to be hidden from them: they have shown the token, or none is wanted. ``path`` has what stands in
    the path where its `Command` has a name in braces, ``fields`` those of `FIELDS` that came with the request.
    """

    def __init__(
        self,
        pairs: Iterable[tuple[str, str]] = (),
        *,
        body: bytes = b"",
        origin: str = "",
        by: str = "",
        why: str = "",
        known: bool = True,
        path: Mapping[str, str] = MappingProxyType({}),
        fields: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._pairs = tuple(pairs)
        super().__init__(reversed(self._pairs))
        self.body = body
        self.known = known
        self.path = path
        self.fields = fields
        self.origin = origin
        self.sender = Actor(_words(by) or NOBODY, _words(why), origin)

    def every(self, name: str) -> list[str]:
        """Return all values of a parameter, in order."""
        return [value for key, value in self._pairs if key == name]

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """All parameters as they came."""
        return self._pairs

    @property
    def actor(self) -> Actor:
        """Who asks: the parameters ``by`` and ``why``, and where they are not given what header fields say."""
        sender = self.sender
        return Actor(_words(self.get("by", "")) or sender.by, _words(self.get("why", "")) or sender.why, self.origin)


def _words(text: str) -> str:
    return " ".join(one_line(text[:MAX_WORDS]).split())


def one_line(text: str) -> str:
    """Return *text* as one line that a terminal can show."""
    return text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)


@dataclass(frozen=True, slots=True)
class Page:
    """An answer. ``headers`` go beside those that every answer has, and instead of those of the same name."""

    body: str | bytes
    content_type: str = PLAIN
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Sink(Protocol):
    """Where a `Stream` writes its pieces."""

    @property
    def full(self) -> bool:
        """Whether the client reads slower than is written: what can be left out should be."""

    def write(self, piece: bytes) -> None:
        """Send *piece*; nothing happens once the client is gone."""

    def finish(self) -> None:
        """End the answer."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer in pieces, as they come up: ``start`` is given where they go, and returns what to call when the client is gone."""

    start: Callable[[Sink], Callable[[], None]]
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


Answer = Page | Stream
_NAMES = re.compile(r"\{(\w+)\}")
_LONGEST_SHOWN = 40
"""Characters of a word that are told back."""


@dataclass(frozen=True, slots=True)
class Command:
    """A path of the admin interface; ``parameters`` are those it understands, with what they mean. A part of the path in braces,
    ``{name}``, stands for whatever is there (`Query.path`).

    ``method`` is ``GET`` for what only shows something (``HEAD`` is answered too), ``POST`` for what changes something. What is not
    ``listed`` is part of another page (its script, its style).
    """

    path: str
    summary: str
    answer: "Callable[[AdminView, Query], Deferred[Any]]"  # of an `Answer`; a Deferred of a part of it would not be one to mypy
    parameters: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    listed: bool = True
    changing: "Callable[[AdminView, Query], Deferred[Any]] | None" = None
    """What a POST to the same path does."""
    open: bool = False
    """Whether anybody may ask, also where a token is wanted: it says nothing to who is not known."""

    fields: tuple[tuple[str, str], ...] = ()
    """Header fields that it understands (some of `FIELDS`), with what they mean."""
    body: tuple[str, ...] = ()
    """The content types of bodies that are understood."""

    @property
    def names(self) -> Sequence[str]:
        """What the parts of the path are called that may be anything."""
        return _NAMES.findall(self.path)

    @property
    def public(self) -> bool:
        """Whether anybody may ask: parts of pages say nothing by themselves."""
        return self.open or not self.listed


class BadQuery(ShifterError):
    """A query that cannot be answered; the text is the page that says so."""


BY = ("by", "Who wants it, for the audit log")
WHY = ("why", "For what reason, for the audit log")


def form(query: Query, path: str, known: Sequence[str]) -> str:
    """Return the form that *query* wants the page *path* in, one of *known*. Raises `BadQuery`."""
    wanted = query.get("format", "text")
    if wanted not in known:
        raise BadQuery(f"usage: {path}?format=({'|'.join(known)})\n")
    return wanted


_YES = ("", "1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")


def is_on(query: Query, name: str) -> bool:
    """Say whether *query* wants the parameter *name*: it is there, and does not say no. Raises `BadQuery` when it says neither."""
    said = query.get(name, "0").strip().lower()
    if said not in _YES and said not in _NO:
        raise BadQuery(f"`{name}` is 1 or 0, and not `{one_line(said[:_LONGEST_SHOWN])}`\n")
    return said in _YES


def name_filter(query: Query) -> Callable[[str], bool] | None:
    """Return what the parameter ``filter`` lets through; ``None`` when everything. Raises `BadQuery`."""
    pattern = query.get("filter", "")
    try:
        return compile_filter(pattern) if pattern else None
    except FilterError as error:
        raise BadQuery(f"Invalid re2 regex: {error}\n") from error


def json_page(value: object, status: int = 200) -> Page:
    """Return a page of JSON in Envoy's layout."""
    return Page(json.dumps(value, indent=1) + "\n", JSON, status)


def result_page(result: ChangeResult) -> Page:
    """Return what came of a wish, as JSON: with 200 when it was taken, 400 when it was refused."""
    return json_page(result.to_dict(), 200 if result.taken else 400)
