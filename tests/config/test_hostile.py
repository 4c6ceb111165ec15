"""Texts made to take time or memory: refused, or read, within bounds that have nothing to do with what they ask for.

They are loaded in processes whose processor time and memory are limited by the system: what needs more does not answer.
"""

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shifter.config import load
from tests.support.configs import GOOD
from tests.support.programs import ROOT

SECONDS = 30
"""Of processor time, start of Python included; the slowest takes less than a fifth on a small machine."""
MEMORY = 1 << 30
"""Bytes of address space; the largest takes about a third."""

# Expressions, for the texts are large; what the first problem says.
TEXTS = {
    "deep lists": ("'[' * 1_000_000", "nested deeper than 64 levels"),
    "deep mappings": ("'{a: ' * 1_000_000", "nested deeper than 64 levels"),
    "deep dashes": ("'- ' * 1_000_000", "nested deeper than 64 levels"),
    "deep indentation": ("''.join(' ' * i + 'a:\\n' for i in range(3000))", "nested deeper than 64 levels"),
    "deep JSON": ("'{\"a\":' * 100_000 + '1' + '}' * 100_000", "nested deeper than 64 levels"),
    "a billion laughs": (
        "'a0: &a0 [x]\\n' + ''.join(f'a{i}: &a{i} [' + f'*a{i - 1}, ' * 9 + ']\\n' for i in range(1, 40))",
        "more than 500000 values",
    ),
    "wide aliases": ("'a: &a {b: c}\\nl: [' + '*a, ' * 1_000_000 + ']'", "more than 500000 values"),
    "merged often": (
        "'base: &b {' + ', '.join(f'k{i}: {i}' for i in range(2000)) + '}\\n' + ''.join(f'm{i}:\\n  <<: *b\\n' for i in range(3000))",
        "the merge key `<<` is expanded here",
    ),
    "merged in a chain": (
        "'m0: &m0 {a: 1}\\n' + ''.join(f'm{i}: &m{i}\\n  <<: *m{i - 1}\\n  k{i}: 1\\n' for i in range(1, 9000))",
        "the merge key `<<` is expanded here",
    ),
    "many anchors": ("''.join(f'a{i}: &a{i} x\\n' for i in range(400_000))", "more than 500000 values"),
    "the same key": ("'a: 1\\n' * 100_000", "`a` is given twice"),
    "keys without values": ("'a:\\n' * 100_000", "`a` has no value"),
    "unknown fields": ("'static_resources: {}\\n' + ''.join(f'unknwn{i}: 1\\n' for i in range(40_000))", "unknown field `unknwn0`"),
    "long keys": ("''.join('k' * 1000 + f'{i}: 1\\n' for i in range(4000))", "unknown field `kkk"),
    "a long text": ("'a: ' + 'x' * 8_000_000", "this text is longer than 1 MiB"),
    "a long block": ("'a: |\\n  ' + 'x\\n  ' * 2_000_000", "this text is longer than 1 MiB"),
    "escapes": ("'a: \"' + '\\\\x41' * 2_000_000 + '\"'", "this text is longer than 1 MiB"),
    "a larger file": ("b'x' * 40_000_000", "the file is larger than 8 MiB"),
    "comments": ("'# x\\n' * 2_000_000", "the file is empty"),
    "empty lines": ("'\\n' * 8_000_000", "the file is empty"),
    "carriage returns": ("'a:\\r' * 100_000", "`a` has no value"),
    "tabs": ("'\\t' * 8_000_000", "not valid YAML"),
    "an open quote": ("'a: \"' + 'x\\n' * 4_000_000", "not valid YAML"),
    "documents": ("'---\\n' * 1_000_000", "a second document begins here"),
    "a zero byte, late": ("'a: b\\n' * 1_000_000 + chr(0)", "the character U+0000 cannot stand in a configuration"),
    "no UTF-8, late": ("b'a: b\\n' * 1_000_000 + bytes([255])", "this is not text in UTF-8"),
    "UTF-16": ("'a: b'.encode('utf-16')", "this is not text in UTF-8"),
    "a large number": (
        "'static_resources: {}\\nadmin: {address: {socket_address: {address: a, port_value: ' + '9' * 1_000_000 + '}}}'",
        "",
    ),
    "a Python object": ("'!!python/object/apply:os.system [ls]'", "tags such as tag:yaml.org,2002:python/object/apply:os.system are not"),
}

PROGRAM = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS}))
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
from shifter.config import load
for text in sys.argv[1:]:
    loaded = load(eval(text), "x")
    assert loaded.bootstrap is None and len(loaded.problems) <= 1001
    print(loaded.problems[0].message)
"""


SLOW = ("many anchors", "unknown fields", "the same key", "keys without values", "carriage returns", "long keys")
"""Those that take seconds: each has a process to itself, the others share one."""


@pytest.mark.parametrize(
    "names", [*((name,) for name in SLOW), tuple(name for name in TEXTS if name not in SLOW)], ids=lambda names: names[0]
)
def test_within_bounds(names: tuple[str, ...]) -> None:
    arguments = [TEXTS[name][0] for name in names]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-1000:]
    for name, told in zip(names, done.stdout.splitlines(), strict=True):
        assert told.startswith(TEXTS[name][1]), name


def test_carriage_returns_alone_end_lines() -> None:
    loaded = load(GOOD.replace("port_value: 8000", "port_value: x").replace("\n", "\r"), "x")
    [problem] = loaded.problems
    assert (problem.place.line, problem.place.column) == (7, 21)


BROKEN = st.tuples(
    st.integers(0, len(GOOD)), st.integers(0, 60), st.text(max_size=8) | st.sampled_from(["<<: *a", "&a ", "*a", "\r", "\0", "- "])
)


@given(st.lists(BROKEN, min_size=1, max_size=4), st.sampled_from(["\n", "\r\n", "\r"]))
@example([(len(GOOD), 0, "0")], "\n")
def test_whatever_is_wrong_is_said_of_a_place_in_the_text(slips: list[tuple[int, int, str]], end: str) -> None:
    text = GOOD
    for at, length, instead in slips:
        text = text[:at] + instead + text[at + length :]
    text = text.replace("\n", end)
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n")
    for other in "\r\x85\u2028\u2029":
        lines = lines.replace(other, "\n")
    told = lines.split("\n")
    for problem in load(text, "x").problems:
        place = problem.place
        assert 1 <= place.line <= len(told)
        assert 1 <= place.column <= len(told[place.line - 1]) + 1
        assert place.width >= 1
