"""Routes that no request can reach, since an earlier one takes all that they would match.

Rule 1. What is called unreachable is: a route with conditions beside its path never covers another, unless that one has the same.
Rule 2. Not all is found: which paths a pattern matches is not looked into.
Rule 3. n routes take n log n steps.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

from shifter.config.document import MapNode, Node, TextNode, is_false, map_in, plain, text_in
from shifter.config.report import Report, Spot


@dataclass(slots=True)
class _Prefixes:
    """Prefixes of which none begins with another: so only the last that is not greater than a text can be a prefix of it."""

    texts: list[str] = field(default_factory=list)
    spots: dict[str, Spot] = field(default_factory=dict)

    def find(self, text: str) -> Spot | None:
        at = bisect_right(self.texts, text)
        return self.spots[self.texts[at - 1]] if at and text.startswith(self.texts[at - 1]) else None

    def add(self, text: str, spot: Spot) -> None:
        at = end = bisect_right(self.texts, text)
        while end < len(self.texts) and self.texts[end].startswith(text):
            end += 1
        self.texts[at:end] = [text]
        self.spots[text] = spot


class Reach:
    """Finds routes of one virtual host that earlier ones leave nothing for; ``add`` them in their order."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._prefixes = _Prefixes()
        self._folded_prefixes = _Prefixes()
        self._same: dict[tuple[str, str, bool, str], Spot] = {}
        self._folded_paths: dict[str, Spot] = {}

    def add(self, route: MapNode) -> None:
        """Report *route* when no request can reach it."""
        match = map_in(route, "match")
        if match is None or not match.keys() <= {"prefix", "path", "safe_regex", "case_sensitive", "headers"}:
            return
        kinds = [key for key in match if key in ("prefix", "path", "safe_regex")]
        regex = map_in(match, "safe_regex")
        text = text_in(regex, "regex") if regex is not None else text_in(match, kinds[0]) if kinds else None
        if len(kinds) != 1 or text is None:
            return
        kind, sensitive = str(kinds[0]), not is_false(match, "case_sensitive")
        headers: Node | None = match.get("headers")
        identity = (kind, str(text), sensitive, repr(plain(headers)) if headers else "")
        earlier = self._earlier(kind, text, sensitive)
        earlier = self._same.get(identity) if earlier is None else earlier
        if earlier is not None:
            self._report.warn(text, "this route is never reached", f"line {earlier.line} matches all of it before")
            return
        self._same[identity] = text
        if headers:
            return
        self._same.setdefault((kind, str(text), sensitive, ""), text)
        if kind == "prefix":
            (self._prefixes if sensitive else self._folded_prefixes).add(str(text) if sensitive else text.lower(), text)
        elif kind == "path" and not sensitive:
            self._folded_paths[text.lower()] = text

    def _earlier(self, kind: str, text: TextNode, sensitive: bool) -> Spot | None:
        """Return the route that takes all that *text* would match, whatever the headers say."""
        found = self._same.get((kind, str(text), sensitive, ""))
        if kind == "safe_regex":
            # Which paths a pattern matches is not looked into; all begin with a slash.
            text = TextNode("/", 0, 0)
        elif found is None and kind == "path":
            found = self._folded_paths.get(text.lower())
        if found is None:
            found = self._folded_prefixes.find(text.lower())
        if found is None and (sensitive or kind == "safe_regex"):
            found = self._prefixes.find(text)
        return found
