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

from shifter.model.route import AppendAction, HeaderMutations, HeaderValueOption
from shifter.routing.errors import RoutingError
from shifter.routing.match import JOINED
from shifter.wire.events import values, without

Edit = Callable[[bytes], bytes]

JOINED_IN_RESPONSES = frozenset(
    b"access-control-allow-credentials access-control-allow-headers access-control-allow-methods access-control-allow-origin "
    b"access-control-allow-private-network access-control-expose-headers access-control-max-age age cache-control content-encoding "
    b"content-type date etag expires grpc-message grpc-status last-modified location proxy-status server vary via "
    b"x-envoy-attempt-count x-envoy-decorator-operation x-envoy-degraded x-envoy-immediate-health-check-fail x-envoy-ratelimited x-envoy-upstream-canary "
    b"x-envoy-upstream-healthchecked-cluster x-envoy-upstream-service-time x-request-id".split()
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

    __slots__ = ("_add", "_joined", "_remove")

    def __init__(self, add: Iterable[HeaderValueOption], remove: Iterable[bytes], joined: frozenset[bytes]) -> None:
        self._remove = [name.lower() for name in remove]
        # An option without effect is left out here, not asked about again for every message.
        self._add = [
            (option.action, option.name.lower(), option.value.strip(b" \t"))
            for option in add
            if option.value.strip(b" \t") or option.keep_empty_value
        ]
        self._joined = joined
        problems = [name_problem(name, removed=True) for name in self._remove]
        problems += [problem for option in add for problem in (name_problem(option.name), value_problem(option.value))]
        for problem in problems:
            if problem is not None:
                raise RoutingError(problem)

    def __bool__(self) -> bool:
        return bool(self._remove or self._add)

    def edit(self, block: bytes) -> bytes:
        """Return *block* after the edits of this level."""
        for name in self._remove:
            block = _cut(block, name)
        appended = []
        overwritten = []
        for action, name, value in self._add:
            if action is AppendAction.APPEND_IF_EXISTS_OR_ADD:
                appended.append((name, value))
            elif action is AppendAction.OVERWRITE_IF_EXISTS_OR_ADD:
                overwritten.append((name, value))
            elif (block.rfind(b"\r\n" + name + b": ") >= 0) is (action is AppendAction.OVERWRITE_IF_EXISTS):
                (overwritten if action is AppendAction.OVERWRITE_IF_EXISTS else appended).append((name, value))
        for name, value in overwritten:
            block = _cut(block, name) + b"\r\n" + name + b": " + value
        for name, value in appended:
            if name in self._joined and block.rfind(b"\r\n" + name + b": ") >= 0:
                value = b",".join([*values(block, name), value])
                block = _cut(block, name)
            block += b"\r\n" + name + b": " + value
        return block


def _cut(block: bytes, name: bytes) -> bytes:
    return without(block, name) if block.rfind(b"\r\n" + name + b": ") >= 0 else block


def _appended_only(levels: Sequence[_Level]) -> bytes | None:
    """Return what *levels* append when appending lines is all that they ever do, as it mostly is."""
    lines = b""
    for level in levels:
        if level._remove or any(
            action is not AppendAction.APPEND_IF_EXISTS_OR_ADD or name in level._joined for action, name, _ in level._add
        ):
            return None
        lines += b"".join([b"\r\n" + name + b": " + value for _, name, value in level._add])
    return lines


def _compiled(levels: list[_Level]) -> Edit | None:
    levels = [level for level in levels if level]
    if not levels:
        return None
    lines = _appended_only(levels)
    if lines is not None:
        return lambda block: block + lines
    edits = [level.edit for level in levels]
    if len(edits) == 1:
        return edits[0]

    def all_levels(block: bytes) -> bytes:
        for edit in edits:
            block = edit(block)
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
