"""What an admin page is made of, and made from: an answer, and the parameters of a query."""

from collections.abc import Sequence
from dataclasses import dataclass

from shifter.admin.filters import ShifterError

PLAIN = "text/plain; charset=UTF-8"
JSON = "application/json"
HTML = "text/html; charset=UTF-8"


class Query(dict[str, str]):
    """Parameters by name. Of one that is given several times the first counts, unless `every` is asked."""

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(reversed(pairs))
        self._pairs = tuple(pairs)

    def every(self, name: str) -> list[str]:
        """Return all values of a parameter, in order."""
        return [value for key, value in self._pairs if key == name]


@dataclass(frozen=True, slots=True)
class Page:
    """An answer. ``headers`` go beside those that every answer has."""

    body: str
    content_type: str = PLAIN
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class BadQuery(ShifterError):
    """A query that cannot be answered; the text is the page that says so."""


def form(query: Query, path: str, known: Sequence[str]) -> str:
    """Return the form that *query* wants the page *path* in, one of *known*. Raises `BadQuery`."""
    wanted = query.get("format", "text")
    if wanted not in known:
        raise BadQuery(f"usage: {path}?format=({'|'.join(known)})\n")
    return wanted
