"""``%START_TIME(...)%``: times spelled out, the last ones remembered."""

import re
import time


class StartTime(dict[int, bytes]):
    """Texts of times by `key`: ``strftime`` words, Envoy's ``%s``, ``%f`` (nanoseconds) and ``%1f`` to ``%9f``, and of
    Abseil's ``%E3S`` (seconds with digits), ``%E3f``. In UTC, or with *local* in the machine's own time zone.

    ``scale`` is how many different texts a second can have; the key of a text is its time in seconds times that. The last
    ones are kept: requests that end together began within a few milliseconds of each other, in any order.

    Raises `ValueError` when *form* cannot be used.
    """

    __slots__ = ("_fractions", "_local", "_parts", "_second", "_template", "scale")

    _WORDS = re.compile(r"%([1-9]?f|s|%)")
    _SECONDS = re.compile(r"%(?:%|E([0-9])([Sf]))")
    _NEWLINE = re.compile(r"%[-_0^#]*[1-9]*[EO]?n|\n")
    # A clock in floating point tells microseconds and no more.
    _DIGITS = 6
    _KEPT = 256

    def __init__(self, form: str, local: bool = False) -> None:
        if self._NEWLINE.search(form):
            raise ValueError("a time has no line end")
        form = self._SECONDS.sub(_with_digits, form)
        self._local = local
        self._parts = self._WORDS.split(form)
        self._fractions = [int(word[:-1] or 9) for word in self._parts[1::2] if word.endswith("f")]
        self.scale = 10 ** min(self._DIGITS, max(self._fractions, default=0))
        self._second = -1
        self._template = b""
        self[0]  # a form that strftime refuses is refused now

    def __missing__(self, at: int) -> bytes:
        second, fraction = divmod(at, self.scale)
        if second != self._second:
            self._second = second
            self._template = self._of_second(second)
        micros = fraction * (10**self._DIGITS // self.scale)
        if len(self) >= self._KEPT:
            self.clear()
        text = self[at] = self._template % tuple(
            micros // 10 ** (self._DIGITS - digits) if digits <= self._DIGITS else micros * 10 ** (digits - self._DIGITS)
            for digits in self._fractions
        )
        return text

    def _of_second(self, second: int) -> bytes:
        when = time.localtime(second) if self._local else time.gmtime(second)
        template = b""
        for index, part in enumerate(self._parts):
            if index % 2 == 0:
                template += time.strftime(part, when).replace("%", "%%").encode("utf-8", "replace") if part else b""
            elif part == "s":
                template += b"%d" % second
            elif part == "%":
                template += b"%%"
            else:
                template += b"%%0%dd" % int(part[:-1] or 9)
        return template


def _with_digits(found: re.Match[str]) -> str:
    """Say one of Abseil's words in Envoy's."""
    digits, kind = found.groups()
    if digits is None:
        return found[0]
    fraction = "" if digits == "0" else f"%{digits}f"
    if kind == "f":
        return fraction
    return f"%S.{fraction}" if fraction else "%S"
