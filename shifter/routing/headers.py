"""Fields that a route table adds and removes (``*_headers_to_add``, ``*_headers_to_remove``).

Rule 1. Levels work one after the other, the most specific first: weighted entry, route, virtual host, route configuration.
        A later level sees, and may undo, what an earlier one did. ``most_specific_header_mutations_wins`` turns their order
        around, but for the weighted entry: that is the first either way, as in Envoy.
Rule 2. Within a level: first everything is removed; then it is decided, by what is there at that moment, which additions
        apply, and what their formats say; then those that overwrite are made, then those that append.
Rule 3. An empty value is not added, unless ``keep_empty_value``. Appending makes a line of its own, except to the fields that
        Envoy keeps as one value: there the value is joined to the line, with a comma.
Rule 4. What frames a message or belongs to one connection cannot be edited (Envoy lets it, and breaks its messages).
Rule 5. A value is a format (``observe.logformat``). One without operators is made once, when it is compiled.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from shifter.model.route import AppendAction, HeaderMutations, HeaderValueOption
from shifter.observe.logformat import FormatError, LogEntry, Template, compile_template
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


class _Addition:
    """One `HeaderValueOption`, compiled: its value is ``made`` from an entry unless it is always the same."""

    __slots__ = ("action", "joins", "keep_empty", "made", "name", "value")

    def __init__(self, option: HeaderValueOption, joined: frozenset[bytes]) -> None:
        self.name = option.name.lower()
        self.action = option.action
        self.keep_empty = option.keep_empty_value
        self.joins = self.name in joined
        for problem in (name_problem(option.name), value_problem(option.value)):
            if problem is not None:
                raise RoutingError(problem)
        try:
            template = compile_template(option.value.decode("utf-8", "surrogateescape"))
        except FormatError as error:
            raise RoutingError(f"the value of {option.name.decode('utf-8', 'replace')!r}: {error}") from error
        self.made: Template | None = template if template.constant is None else None
        self.value = (template.constant or b"").strip(b" \t")

    @property
    def overwrites(self) -> bool:
        return self.action in (AppendAction.OVERWRITE_IF_EXISTS, AppendAction.OVERWRITE_IF_EXISTS_OR_ADD)

    @property
    def is_nothing(self) -> bool:
        """Whether there is never anything to add."""
        return self.made is None and not self.value and not self.keep_empty


class _Level:
    """The edits of one level to one kind of message."""

    __slots__ = ("_appends", "_formats", "_overwrites", "_remove", "_response", "lines")

    def __init__(self, add: Iterable[HeaderValueOption], remove: Iterable[bytes], joined: frozenset[bytes]) -> None:
        self._remove = [name.lower() for name in remove]
        for name in self._remove:
            problem = name_problem(name, removed=True)
            if problem is not None:
                raise RoutingError(problem)
        additions = [addition for addition in [_Addition(option, joined) for option in add] if not addition.is_nothing]
        self._overwrites = [addition for addition in additions if addition.overwrites]
        self._appends = [addition for addition in additions if not addition.overwrites]
        self._response = joined is JOINED_IN_RESPONSES
        self._formats = any(addition.made is not None for addition in additions)
        self.lines: bytes | None = None
        """What this level appends, when appending the same lines is all that it ever does."""
        plain = all(one.action is AppendAction.APPEND_IF_EXISTS_OR_ADD and not one.joins for one in self._appends)
        if not self._remove and not self._overwrites and not self._formats and plain:
            self.lines = b"".join([b"\r\n" + one.name + b": " + one.value for one in self._appends])

    @property
    def run(self) -> Edit:
        """The edits as a function."""
        return self._run_with_formats if self._formats else self._run

    def _run(self, block: bytes, subject: Subject) -> bytes:
        """Return *block* after the edits of this level."""
        for name in self._remove:
            block = _cut(block, name)
        before = block
        for one in self._overwrites:
            block = _overwritten(block, one, one.value, before)
        for one in self._appends:
            block = _appended(block, one, one.value, before)
        return block

    def _run_with_formats(self, block: bytes, subject: Subject) -> bytes:
        """`_run`, where values are made for the occasion: all of them before the first is added, as in Envoy."""
        for name in self._remove:
            block = _cut(block, name)
        before = block
        entry = subject.describe()
        if self._response:
            entry.response_block = block
        else:
            entry.request_block = block
        for one, value in _values(self._overwrites, entry):
            block = _overwritten(block, one, value, before)
        for one, value in _values(self._appends, entry):
            block = _appended(block, one, value, before)
        return block


def _values(additions: list[_Addition], entry: LogEntry) -> list[tuple[_Addition, bytes]]:
    """Return what is to be added now, and with which values."""
    made = [(one, one.value if one.made is None else one.made(entry)) for one in additions]
    return [(one, value.strip(b" \t")) for one, value in made if value or one.keep_empty]


def _overwritten(block: bytes, one: _Addition, value: bytes, before: bytes) -> bytes:
    if one.action is AppendAction.OVERWRITE_IF_EXISTS and not _has(before, one.name):
        return block
    return _cut(block, one.name) + b"\r\n" + one.name + b": " + value


def _appended(block: bytes, one: _Addition, value: bytes, before: bytes) -> bytes:
    if one.action is AppendAction.ADD_IF_ABSENT and _has(before, one.name):
        return block
    if one.joins and _has(block, one.name):
        value = b",".join([*values(block, one.name), value])
        block = _cut(block, one.name)
    return block + b"\r\n" + one.name + b": " + value


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
    edits = [level.run for level in levels]
    if len(edits) == 1:
        return edits[0]

    def all_levels(block: bytes, subject: Subject) -> bytes:
        for edit in edits:
            block = edit(block, subject)
        return block

    return all_levels


class HeaderEditor:
    """The edits of all *levels*, in this order, as two functions of a field block; ``None`` where nothing is to do.

    ``request`` runs when forwarding fields and the expected timeout are in the block, before path and host are rewritten.
    ``response`` runs when ``x-envoy-upstream-service-time`` is in it, before ``server`` is set and a missing ``date`` is added.

    Raises `RoutingError` for fields that cannot be edited.
    """

    __slots__ = ("request", "response")

    def __init__(self, levels: Sequence[HeaderMutations]) -> None:
        asked = [(level.request_add, level.request_remove) for level in levels if level.request_add or level.request_remove]
        answered = [(level.response_add, level.response_remove) for level in levels if level.response_add or level.response_remove]
        self.request = _compiled([_Level(add, remove, JOINED) for add, remove in asked]) if asked else None
        self.response = _compiled([_Level(add, remove, JOINED_IN_RESPONSES) for add, remove in answered]) if answered else None
