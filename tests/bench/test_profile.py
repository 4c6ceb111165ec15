"""Stacks and system calls become shares of a request's microseconds."""

import pytest

from bench.profile import Stack, function, parse_raw, parse_strace, place_of, shares

RAW = """<module> (twistd:8);run (shifter/net/reactor.py:40);send (libc.so.6) 50
<module> (twistd:8);run (shifter/net/reactor.py:40);on_data (shifter/proxy/door.py:7);match (re.py:3) 30
<module> (twistd:8);run (shifter/net/reactor.py:41);on_data (shifter/proxy/door.py:9) 20
"""

STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 50.43    0.000118           1       108           sendto
 29.06    0.000068           0        90        12 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.000234           1       198        12 total
"""


def test_raw_output_and_its_places() -> None:
    stacks = parse_raw(RAW.splitlines())
    assert [stack.count for stack in stacks] == [50, 30, 20]
    assert [place_of(stack) for stack in stacks] == ["system call send", "shifter/proxy/door.py", "shifter/proxy/door.py"]


def test_a_python_function_called_send_is_no_system_call() -> None:
    assert place_of(Stack(("main (a.py:1)", "send (shifter/net/socket.py:5)"), 1)) == "shifter/net/socket.py"


def test_a_checkout_in_a_folder_named_shifter_is_not_the_package() -> None:
    assert (
        place_of(Stack(("run (/home/someone/shifter/.venv/bin/twistd:8)", "loop (twisted/internet/base.py:5)"), 1))
        == "twisted/internet/base.py"
    )


def test_shares_divide_the_microseconds() -> None:
    by_place, by_function = shares(parse_raw(RAW.splitlines()), 40.0)
    assert by_place == [["system call send", "50.0%", "20.00"], ["shifter/proxy/door.py", "50.0%", "20.00"]]
    assert [row[0] for row in by_function] == ["send (libc.so.6)", "match (re.py)", "on_data (shifter/proxy/door.py)"]
    assert sum(float(row[2]) for row in by_function) == pytest.approx(40.0)


def test_small_shares_are_added_up() -> None:
    stacks = [Stack(("big (a.py:1)",), 98), Stack(("one (b.py:1)",), 1), Stack(("two (c.py:1)",), 1)]
    _, by_function = shares(stacks, 100.0, least=0.05)
    assert by_function == [["big (a.py)", "98.0%", "98.00"], ["everything else", "2.0%", "2.00"]]


def test_functions_have_no_line_numbers() -> None:
    assert function("main.<locals>.handle (bench/a.py:71)") == "main.<locals>.handle (bench/a.py)"
    assert function("send (libc.so.6)") == "send (libc.so.6)"


def test_strace_tables() -> None:
    assert parse_strace(STRACE) == {"sendto": 108, "recvfrom": 90}
