"""CPU time and memory of process trees, read from /proc.

Rule 1: a process's CPU time is the larger of what its threads' ``schedstat`` say (nanoseconds, but without threads that
have ended) and what ``stat`` says (all threads, but in ticks of 10 ms). The split into user and system is ``stat``'s.
Rule 2: a process that ends while it is read counts as nothing; whoever reads twice sees it in the difference.
"""

import os
import re
import resource
from dataclasses import dataclass
from pathlib import Path

_TICK = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds: ``total``, of which ``user`` and ``system`` were so accounted (they add up to ticks, not exactly to total)."""

    total: float = 0.0
    user: float = 0.0
    system: float = 0.0

    def __add__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.total + other.total, self.user + other.user, self.system + other.system)

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.total - other.total, self.user - other.user, self.system - other.system)


def parse_stat(text: str) -> tuple[float, float]:
    """User and system seconds from ``/proc/PID/stat`` (fields 14 and 15; the name in parentheses may hold anything)."""
    fields = text.rpartition(")")[2].split()
    return int(fields[11]) * _TICK, int(fields[12]) * _TICK


def parse_busy(text: str) -> float:
    """Seconds that all CPUs were not idle, stolen time included, from ``/proc/stat``."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in text.split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) * _TICK


def parse_pss(text: str) -> int:
    """Bytes of proportional set size from ``/proc/PID/smaps_rollup``; 0 when it has none (a kernel thread, a zombie)."""
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def tree(pid: int) -> list[int]:
    """The process and all its living descendants."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for thread in _threads(one):
            waiting += map(int, _read(f"/proc/{one}/task/{thread}/children").split())
    return found


def _cpu_of_one(pid: int) -> Cpu:
    stat = _read(f"/proc/{pid}/stat")
    if not stat:
        return Cpu()
    user, system = parse_stat(stat)
    exact = 0.0
    for thread in _threads(pid):
        spent, *_ = (_read(f"/proc/{pid}/task/{thread}/schedstat") or "0").split()
        exact += int(spent) * 1e-9
    return Cpu(max(exact, user + system), user, system)


def cpu(pid: int) -> Cpu:
    """CPU time of a process tree so far."""
    return sum((_cpu_of_one(one) for one in tree(pid)), Cpu())


def pss(pid: int) -> int:
    """Bytes of memory of a process tree (proportional set size)."""
    return sum(parse_pss(_read(f"/proc/{one}/smaps_rollup")) for one in tree(pid))


def busy() -> float:
    """Seconds that all CPUs of this machine were busy since it started."""
    return parse_busy(_read("/proc/stat"))


def own() -> float:
    """CPU seconds of this benchmark so far: itself, what it has running, and what it had running and waited for."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return cpu(os.getpid()).total + ended.ru_utime + ended.ru_stime
