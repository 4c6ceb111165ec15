"""Fields that a route table adds and removes (``*_headers_to_add``, ``*_headers_to_remove``).

Rule 1. Levels work one after the other, the most specific first: weighted entry, route, virtual host, route configuration.
        A later level sees, and may undo, what an earlier one did.
Rule 2. Within a level: first everything is removed; then it is decided, by what is there at that moment, which additions
        apply; then those that overwrite are made, then those that append.
Rule 3. An empty value is not added, unless ``keep_empty_value``. Appending makes a line of its own, except to the fields that
        Envoy keeps as one value: there the value is joined to the line, with a comma.
Rule 4. What frames a message or belongs to one connection cannot be edited (Envoy lets it, and breaks its messages).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from shifter.model.route import AppendAction, HeaderMutations, HeaderValueOption
from shifter.observe.logformat import LogEntry
from shifter.routing.errors import RoutingError
from shifter.routing.match import JOINED
from shifter.wire.events import values, without


class Subject(Protocol):
    """What formats in values are about."""

    def describe(self) -> LogEntry:
        """Return what is known of the exchange by now."""


Edit = Callable[[bytes, Subject], bytes]
"""Returns an edited field block."""

JOINED_IN_RESPONSES = frozenset(
    b"access-control-allow-credentials access-control-allow-headers access-control-allow-methods access-control-allow-origin "
    b"access-control-allow-private-network access-control-expose-headers access-control-max-age age cache-control content-encoding "
    b"content-type date etag expires grpc-message grpc-status last-modified location proxy-status server vary via "
    b"x-envoy-attempt-count x-envoy-decorator-operation x-envoy-degraded x-envoy-immediate-health-check-fail x-envoy-ratelimited "
    b"x-envoy-upstream-canary x-envoy-upstream-healthchecked-cluster x-envoy-upstream-service-time x-request-id".split()
)
"""Response fields of which Envoy's header map holds one value; `match.JOINED` has those of requests."""

FRAMING = frozenset(b"connection content-length keep-alive proxy-connection te trailer transfer-encoding upgrade".split())
"""Fields that say where a message ends, or are between two neighbours only (RFC 9110 section 7.6.1)."""

_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


def name_problem(name: bytes, removed: bool = False) -> str | None:
    """Return why *name* cannot be added (or *removed*) by a route table, or ``None`` when it can."""
    shown = name.decode("utf-8", "replace")
    lower = name.lower()
    if lower.startswith(b":") or lower == b"host":
        return f"{shown!r} cannot be edited here; use prefix_rewrite, host_rewrite_literal or a match"
    if not lower or not _TOKEN.issuperset(lower):
        return f"{shown!r} is not a field name"
    if lower in FRAMING and not (removed and lower != b"content-length"):
        return f"{shown!r} frames the message or belongs to one connection, and cannot be edited"
    return None


def value_problem(value: bytes) -> str | None:
    """Return why *value* cannot be the value of a field, or ``None`` when it can."""
    if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in value):
        return f"the value {value.decode('utf-8', 'replace')!r} has a control character"
    return None


class _Level:
    """The edits of one level to one kind of message."""

    __slots__ = ("_appends", "_overwrites", "_remove", "lines")

    def __init__(self, add: Iterable[HeaderValueOption], remove: Iterable[bytes], joined: frozenset[bytes]) -> None:
        self._remove = [name.lower() for name in remove]
        problems = [name_problem(name, removed=True) for name in self._remove]
        # What overwrites: (name, line, the field must be there). What appends: (name, value, it must not be, it is joined).
        self._overwrites: list[tuple[bytes, bytes, bool]] = []
        self._appends: list[tuple[bytes, bytes, bool, bool]] = []
        for option in add:
            problems += [name_problem(option.name), value_problem(option.value)]
            name, value, action = option.name.lower(), option.value.strip(b" \t"), option.action
            if not value and not option.keep_empty_value:
                continue
            if action in (AppendAction.OVERWRITE_IF_EXISTS, AppendAction.OVERWRITE_IF_EXISTS_OR_ADD):
                line = b"\r\n" + name + b": " + value
                self._overwrites.append((name, line, action is AppendAction.OVERWRITE_IF_EXISTS))
            else:
                self._appends.append((name, value, action is AppendAction.ADD_IF_ABSENT, name in joined))
        for problem in problems:
            if problem is not None:
                raise RoutingError(problem)
        self.lines: bytes | None = None
        """What this level appends, when appending lines is all that it ever does."""
        if not self._remove and not self._overwrites and not any(absent or joins for _, _, absent, joins in self._appends):
            self.lines = b"".join([b"\r\n" + name + b": " + value for name, value, _, _ in self._appends])

    def edit(self, block: bytes, subject: Subject) -> bytes:
        """Return *block* after the edits of this level."""
        for name in self._remove:
            block = _cut(block, name)
        before = block
        for name, line, must_exist in self._overwrites:
            if not must_exist or _has(before, name):
                block = _cut(block, name) + line
        for name, value, must_not_exist, joins in self._appends:
            if must_not_exist and _has(before, name):
                continue
            if joins and _has(block, name):
                value = b",".join([*values(block, name), value])
                block = _cut(block, name)
            block += b"\r\n" + name + b": " + value
        return block


def _has(block: bytes, name: bytes) -> bool:
    return block.rfind(b"\r\n" + name + b": ") >= 0


def _cut(block: bytes, name: bytes) -> bytes:
    return without(block, name) if _has(block, name) else block


def _compiled(levels: list[_Level]) -> Edit | None:
    levels = [level for level in levels if level.lines != b""]
    if not levels:
        return None
    lines = b"".join([level.lines for level in levels if level.lines is not None])
    if all(level.lines is not None for level in levels):
        return lambda block, subject: block + lines
    edits = [level.edit for level in levels]
    if len(edits) == 1:
        return edits[0]

    def all_levels(block: bytes, subject: Subject) -> bytes:
        for edit in edits:
            block = edit(block, subject)
        return block

    return all_levels


class HeaderEditor:
    """The edits of all *levels*, the most specific first, as two functions of a field block; ``None`` where nothing is to do.

    ``request`` runs when forwarding fields and the expected timeout are in the block, before path and host are rewritten.
    ``response`` runs when ``x-envoy-upstream-service-time`` is in it, before ``server`` is set and a missing ``date`` is added.

    Raises `RoutingError` for fields that cannot be edited.
    """

    __slots__ = ("request", "response")

    def __init__(self, levels: Sequence[HeaderMutations]) -> None:
        self.request = _compiled([_Level(level.request_add, level.request_remove, JOINED) for level in levels])
        self.response = _compiled([_Level(level.response_add, level.response_remove, JOINED_IN_RESPONSES) for level in levels])


def compile_editor(levels: Sequence[HeaderMutations]) -> HeaderEditor | None:
    """Return the editor for *levels*, the most specific first, or ``None`` where they do nothing. Raises `RoutingError`."""
    editor = HeaderEditor(levels)
    return editor if editor.request is not None or editor.response is not None else None
