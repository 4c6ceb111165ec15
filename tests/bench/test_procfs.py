"""Texts from /proc become seconds and bytes; our own process is one of the trees."""

import os
import subprocess
import sys

from bench import procfs

TICK = 1 / os.sysconf("SC_CLK_TCK")


def test_stat_with_a_name_that_looks_like_fields() -> None:
    before_times = " ".join(str(number) for number in range(4, 14))  # fields 4 to 13
    text = f"4711 (a) S 1 (b) R {before_times} 250 40 0 0 20 0 1 0"
    assert procfs.parse_stat(text) == (250 * TICK, 40 * TICK)


def test_busy_is_everything_but_idling() -> None:
    text = "cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 1 2 4 8 16 32 64 128 0 0\n"
    assert procfs.parse_busy(text) == (1 + 2 + 4 + 8 + 16 + 32) * TICK  # guests (64, 128) are in user and nice already


def test_pss_is_not_its_parts() -> None:
    assert procfs.parse_pss("Rss:  900 kB\nPss_Dirty:  7 kB\nPss:     123 kB\nPss_Anon:  5 kB\n") == 123 * 1024
    assert procfs.parse_pss("") == 0


def test_a_tree_has_its_children_and_what_is_gone_counts_as_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in procfs.tree(os.getpid())
        assert procfs.pss(child.pid) > 0
    finally:
        child.communicate(b"\n")
    assert procfs.cpu(child.pid) == procfs.Cpu()
    assert procfs.pss(child.pid) == 0


def test_cpu_time_grows_with_work() -> None:
    before = procfs.cpu(os.getpid()).total
    sum(number * number for number in range(300_000))
    assert procfs.cpu(os.getpid()).total > before
