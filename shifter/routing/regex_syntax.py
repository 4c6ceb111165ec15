"""Regular expressions as RE2 writes them, over single bytes (Envoy gives RE2 its Latin-1 mode).

Rule 1. What is read here means what RE2 makes of it; a property test holds the two side by side.
Rule 2. What RE2 refuses is an error. What RE2 knows and this page does not (``\\p{Greek}``, ``(?m)``, ``\\B`` ...) is `Unknown`:
        such a pattern needs google-re2.
Rule 3. Lazy repetitions and groups matter to `python_pattern` with *capture* only; all else asks whether a text fits.

Source: RE2's syntax page and its parser, Perl flavour.
"""

from dataclasses import dataclass

from shifter.routing.errors import RoutingError

ALL = (1 << 256) - 1
NEWLINE = 1 << 0x0A
MAX_REPEAT = 1000


class RegexError(RoutingError):
    """A regular expression that cannot be used; the text says why and where."""


class Unknown(RegexError):
    """A regular expression that may be right, but only google-re2 can read it."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """One byte of a set; bit *n* of ``mask`` stands for byte *n*."""

    mask: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other; without parts, the empty text."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of several."""

    choices: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """``low`` to ``high`` times, or any number from ``low`` on when ``high`` is ``None``."""

    body: "Node"
    low: int
    high: int | None
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A part whose text is remembered. Groups are numbered from 1 in the order of their beginnings."""

    body: "Node"


@dataclass(frozen=True, slots=True)
class Place:
    """A condition on the place between two bytes: ``^`` (begin), ``$`` (end), ``b`` (word boundary)."""

    kind: str


Node = OneOf | Sequence | Either | Repeat | Group | Place


def _span(*spans: str) -> int:
    mask = 0
    for span in spans:
        for code in range(ord(span[0]), ord(span[-1]) + 1):
            mask |= 1 << code
    return mask


_DIGIT = _span("0-9")
_WORD = _span("0-9", "A-Z", "a-z", "_")
_SPACE = _span("\t\n", "\f\r", " ")
_PERL = {"d": _DIGIT, "w": _WORD, "s": _SPACE, "D": ALL & ~_DIGIT, "W": ALL & ~_WORD, "S": ALL & ~_SPACE}
_POSIX = {
    "alnum": _span("0-9", "A-Z", "a-z"),
    "alpha": _span("A-Z", "a-z"),
    "ascii": _span("\x00-\x7f"),
    "blank": _span("\t", " "),
    "cntrl": _span("\x00-\x1f", "\x7f"),
    "digit": _DIGIT,
    "graph": _span("!-~"),
    "lower": _span("a-z"),
    "print": _span(" -~"),
    "punct": _span("!-/", ":-@", "[-`", "{-~"),
    "space": _span("\t-\r", " "),
    "upper": _span("A-Z"),
    "word": _WORD,
    "xdigit": _span("0-9", "A-F", "a-f"),
}
_CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_LOWER = _span("a-z")
_UPPER = _span("A-Z")
_ASCII = (1 << 128) - 1


def _folded(mask: int) -> int:
    """Return *mask*, of ASCII bytes, with both cases of every letter in it."""
    return mask | (mask & _UPPER) << 32 | (mask & _LOWER) >> 32


class _Parser:
    """Reads one pattern. ``_at`` is the place of the next character; flags hold until the end of their group."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._fold = False
        self._dot_newline = False
        self._lazy = False
        self._depth = 0

    def parse(self) -> Node:
        node = self._alternatives()
        if self._at < len(self._text):
            raise self._error("unexpected )")
        return node

    def _error(self, what: str) -> RegexError:
        return RegexError(f"{what} at offset {self._at} of {self._text!r}")

    def _unknown(self, what: str) -> Unknown:
        return Unknown(f"{what} at offset {self._at} of {self._text!r} needs the google-re2 package, which is not installed")

    def _peek(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _take(self, text: str) -> bool:
        if self._peek(text):
            self._at += len(text)
            return True
        return False

    def _next(self, missing: str) -> str:
        if self._at >= len(self._text):
            raise self._error(missing)
        char = self._text[self._at]
        self._at += 1
        return char

    def _alternatives(self) -> Node:
        choices = [self._sequence()]
        while self._take("|"):
            choices.append(self._sequence())
        return choices[0] if len(choices) == 1 else Either(tuple(choices))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._at < len(self._text) and not self._peek("|") and not self._peek(")"):
            if self._take("\\Q"):
                parts += self._quoted()
                continue
            start = self._at
            atom = self._atom()
            if atom is None:
                if self._repetition() is not None:
                    self._at = start
                    raise self._unknown("a repetition after flags")
                continue
            parts.append(self._repeated(atom))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _quoted(self) -> list[Node]:
        end = self._text.find("\\E", self._at)
        literal = self._text[self._at :] if end < 0 else self._text[self._at : end]
        self._at = len(self._text) if end < 0 else end + 2
        if self._repetition() is not None:
            raise self._unknown("a repetition after \\Q...\\E")
        return [self._literal(ord(char)) for char in literal]

    def _repeated(self, atom: Node) -> Node:
        bounds = self._repetition()
        if bounds is None:
            return atom
        if isinstance(atom, Place):
            raise self._unknown("a repeated anchor")
        if self._repetition() is not None:
            raise self._error("two repetitions in a row")
        return Repeat(atom, *bounds)

    def _repetition(self) -> tuple[int, int | None, bool] | None:
        """Read ``*``, ``+``, ``?`` or ``{n,m}`` with an optional ``?``, as ``(low, high, lazy)``."""
        bounds: tuple[int, int | None]
        if self._take("*"):
            bounds = (0, None)
        elif self._take("+"):
            bounds = (1, None)
        elif self._take("?"):
            bounds = (0, 1)
        elif self._peek("{"):
            counted = self._counted()
            if counted is None:
                return None
            bounds = counted
        else:
            return None
        return *bounds, self._take("?") != self._lazy

    def _counted(self) -> tuple[int, int | None] | None:
        end = self._text.find("}", self._at)
        low, comma, high = self._text[self._at + 1 : max(end, 0)].partition(",")
        if end < 0 or not _is_number(low) or (high and not _is_number(high)):
            return None  # as RE2 has it, a brace that counts nothing is a brace
        bounds = (int(low), (int(high) if high else None) if comma else int(low))
        if bounds[0] > MAX_REPEAT or (bounds[1] is not None and (bounds[1] > MAX_REPEAT or bounds[1] < bounds[0])):
            raise self._error("a repetition out of order or above 1000")
        self._at = end + 1
        return bounds

    def _atom(self) -> Node | None:
        """Read one thing that can be repeated; ``None`` for flags, which are none."""
        char = self._text[self._at]
        if char in "*+?" or (char == "{" and self._counted_here()):
            raise self._error("nothing to repeat")
        self._at += 1
        if char == "(":
            return self._group()
        if char == "[":
            return OneOf(self._set())
        if char == "\\":
            return self._escape()
        if char == ".":
            return OneOf(ALL if self._dot_newline else ALL & ~NEWLINE)
        if char in "^$":
            return Place(char)
        return self._literal(ord(char))

    def _counted_here(self) -> bool:
        at = self._at
        found = self._counted() is not None
        self._at = at
        return found

    def _literal(self, code: int) -> OneOf:
        return OneOf(self._cased(1 << code))

    def _cased(self, mask: int) -> int:
        """Return *mask* with the other case of its letters where case does not matter."""
        if not self._fold:
            return mask
        if mask & ~_ASCII:
            raise self._unknown("a byte above 127 without regard to case")
        return _folded(mask)

    def _group(self) -> Node | None:
        before = (self._fold, self._dot_newline, self._lazy)
        remembered = not self._peek("?")
        if self._take("?"):
            if self._peek("P=") or self._peek("=") or self._peek("!") or self._peek("<=") or self._peek("<!") or self._peek(">"):
                raise self._error("look-around, atomic groups and back-references are not part of RE2")
            if self._take("P<") or self._take("<"):
                self._name()
                remembered = True
            elif not self._flags():
                return None
        self._depth += 1
        if self._depth > 100:
            raise self._error("groups nested too deep")
        node = self._alternatives()
        self._depth -= 1
        if not self._take(")"):
            raise self._error("missing )")
        self._fold, self._dot_newline, self._lazy = before
        return Group(node) if remembered else Sequence((node,))

    def _name(self) -> None:
        end = self._text.find(">", self._at)
        name = self._text[self._at : max(end, self._at)]
        if end < 0 or not name.isascii() or not name.replace("_", "a").isalnum():
            raise self._error("a bad group name")
        self._at = end + 1

    def _flags(self) -> bool:
        """Read flags; say whether a group follows (``(?i:...)``) rather than the end (``(?i)``)."""
        on = True
        letters = 0
        fold, dot_newline, lazy = self._fold, self._dot_newline, self._lazy
        while True:
            char = self._next("missing )")
            if char == "i":
                fold = on
            elif char == "s":
                dot_newline = on
            elif char == "U":
                lazy = on
            elif char == "m":
                raise self._unknown("the flag m")
            elif char == "-" and on:
                on = False
                letters = -2
            elif char in ":)" and (letters >= 0):
                self._fold, self._dot_newline, self._lazy = fold, dot_newline, lazy
                return char == ":"
            else:
                self._at -= 1
                raise self._error("a bad flag")
            letters += 1

    def _escape(self) -> Node:
        char = self._next("a backslash at the end")
        if char in _PERL:
            return OneOf(_PERL[char])
        if char == "A":
            return Place("^")
        if char == "z":
            return Place("$")
        if char == "b":
            return Place("b")
        if char == "C":
            return OneOf(ALL)
        return self._literal(self._escaped(char))

    def _escaped(self, char: str) -> int:
        """Return the byte that backslash and *char* stand for."""
        if char in _CONTROL:
            return _CONTROL[char]
        if char == "x":
            digits = self._text[self._at : self._at + 2]
            if digits.startswith("{"):
                raise self._unknown("\\x{...}")
            if len(digits) < 2 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                raise self._error("a bad \\x escape")
            self._at += 2
            return int(digits, 16)
        if char in "BpP01234567":
            self._at -= 1
            if char in "1234567" and (self._text[self._at + 1 : self._at + 2] or "8") not in "01234567":
                raise self._error("back-references are not part of RE2")
            raise self._unknown(f"\\{char}")
        if not char.isascii() or char.isalnum():
            self._at -= 1
            raise self._error(f"a bad escape \\{char}")
        return ord(char)

    def _set(self) -> int:
        negated = self._take("^")
        mask = 0
        first = True
        while first or not self._peek("]"):
            first = False
            if self._at >= len(self._text):
                raise self._error("missing ]")
            mask |= self._set_item()
        self._at += 1
        return ALL & ~mask if negated else mask

    def _set_item(self) -> int:
        if self._peek("[:"):
            end = self._text.find(":]", self._at)
            if end >= 0:
                return self._posix(end)
        if self._peek("\\") and self._text[self._at + 1 : self._at + 2] in tuple(_PERL):
            self._at += 2
            return _PERL[self._text[self._at - 1]]
        low = high = self._set_byte()
        if self._peek("-") and not self._peek("-]") and self._at + 1 < len(self._text):
            self._at += 1
            high = self._set_byte()
            if high < low:
                raise self._error("a range out of order")
        return self._cased((1 << high + 1) - (1 << low))

    def _posix(self, end: int) -> int:
        name = self._text[self._at + 2 : end]
        negated = name.startswith("^")
        mask = _POSIX.get(name.removeprefix("^"))
        if mask is None:
            raise self._error(f"no such class [:{name}:]")
        self._at = end + 2
        mask = self._cased(mask)
        return ALL & ~mask if negated else mask

    def _set_byte(self) -> int:
        char = self._next("missing ]")
        return self._escaped(self._next("missing ]")) if char == "\\" else ord(char)


def _is_number(text: str) -> bool:
    """Say whether *text* is a number as RE2 reads one in a repetition: no leading zero."""
    return text.isascii() and text.isdigit() and (text == "0" or not text.startswith("0"))


def parse(pattern: bytes) -> Node:
    """Return *pattern* as a tree. Raises `RegexError`, `Unknown` included."""
    return _Parser(pattern.decode("latin-1")).parse()


def count_groups(node: Node) -> int:
    """Return how many groups *node* has."""
    if isinstance(node, Group):
        return 1 + count_groups(node.body)
    if isinstance(node, Repeat):
        return count_groups(node.body)
    if isinstance(node, Sequence):
        return sum(map(count_groups, node.parts))
    return sum(map(count_groups, node.choices)) if isinstance(node, Either) else 0


def begins_text(node: Node) -> bool:
    """Say whether *node* can only match at the beginning of a text."""
    if isinstance(node, Place):
        return node.kind == "^"
    if isinstance(node, Group):
        return begins_text(node.body)
    if isinstance(node, Either):
        return all(map(begins_text, node.choices))
    return isinstance(node, Sequence) and bool(node.parts) and begins_text(node.parts[0])


def literal_prefix(node: Node) -> tuple[bytes, bool]:
    """Return the text that everything begins with that fits *node*, and whether that is all of it."""
    if isinstance(node, OneOf):
        return (bytes((node.mask.bit_length() - 1,)), True) if node.mask.bit_count() == 1 else (b"", False)
    if isinstance(node, Group):
        return literal_prefix(node.body)
    if isinstance(node, Place):
        return b"", node.kind == "^"
    if not isinstance(node, Sequence):
        return b"", False
    found = b""
    for part in node.parts:
        text, whole = literal_prefix(part)
        found += text
        if not whole:
            return found, False
    return found, True


def python_pattern(node: Node, capture: bool = False) -> bytes:
    """Return *node* as a pattern for Python's ``re``, which then means the same; with its groups if *capture*."""
    if isinstance(node, OneOf):
        return _python_set(node.mask)
    if isinstance(node, Sequence):
        return b"".join([_bracketed(part, capture) for part in node.parts])
    if isinstance(node, Either):
        return b"|".join([python_pattern(choice, capture) for choice in node.choices])
    if isinstance(node, Group):
        return b"(%b)" % python_pattern(node.body, capture) if capture else _bracketed(node.body, capture)
    if isinstance(node, Place):
        return {"^": rb"\A", "$": rb"\Z", "b": rb"\b"}[node.kind]
    body = python_pattern(node.body, capture)
    if not isinstance(node.body, OneOf):
        body = b"(?:%b)" % body
    return b"%b{%d,%b}%b" % (body, node.low, b"" if node.high is None else b"%d" % node.high, b"?" if node.lazy else b"")


def _bracketed(node: Node, capture: bool) -> bytes:
    pattern = python_pattern(node, capture)
    return b"(?:%b)" % pattern if isinstance(node, Either) else pattern


def _python_set(mask: int) -> bytes:
    if mask == ALL:
        return b"(?s:.)"
    if mask == ALL & ~NEWLINE:
        return b"."
    if not mask:
        return b"(?!)"
    if mask.bit_count() == 1:
        return _python_byte(mask.bit_length() - 1)
    if mask.bit_count() > 128:
        return b"[^%b]" % _python_spans(ALL & ~mask)
    return b"[%b]" % _python_spans(mask)


def _python_byte(code: int) -> bytes:
    char = chr(code)
    return char.encode() if char.isascii() and char.isalnum() else b"\\x%02x" % code


def _python_spans(mask: int) -> bytes:
    spans = []
    code = 0
    while code < 256:
        if mask >> code & 1:
            start = code
            while mask >> code + 1 & 1:
                code += 1
            spans.append(b"\\x%02x-\\x%02x" % (start, code))
        code += 1
    return b"".join(spans)
