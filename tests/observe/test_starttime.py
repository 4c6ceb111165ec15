"""Times are spelled as Envoy spells them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.observe.starttime import StartTime

AT = 1795409043.328476


def spelled(form: str, at: float = AT, local: bool = False) -> bytes:
    clock = StartTime(form, local)
    return clock[int(at * clock.scale)]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%Y/%m/%dT%H:%M:%S%z %s", b"2026/11/23T04:44:03+0000 1795409043"),
        ("%3f %6f %1f", b"328 328476 3"),
        ("%f %9f", b"328476000 328476000"),
        ("%E3S %E0S %E6S", b"03.328 03 03.328476"),
        ("%E3f %%E3S %E0f.", b"328 %E3S ."),
        ("no words", b"no words"),
        ("", b""),
        ("é %Y", "é 2026".encode()),
    ],
)
def test_words(form: str, text: bytes) -> None:
    assert spelled(form) == text


def test_local_time() -> None:
    assert spelled("%Y-%m-%d %H:%M", local=True) == time.strftime("%Y-%m-%d %H:%M", time.localtime(AT)).encode()


@pytest.mark.parametrize("form", ["%n", "a\nb", "%En", "%-n"])
def test_a_time_has_no_line_end(form: str) -> None:
    with pytest.raises(ValueError, match="no line end"):
        StartTime(form)


@given(st.lists(st.floats(0, 4e9), min_size=1, max_size=20))
def test_what_is_remembered_is_not_mixed_up(times: list[float]) -> None:
    clock = StartTime("%s.%3f")
    for at in [*times, *times]:
        key = int(at * clock.scale)
        assert clock[key] == b"%d.%03d" % divmod(key, 1000)
