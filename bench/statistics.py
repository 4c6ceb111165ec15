"""What statistics cost: ``python -m bench.statistics``.

In one process, without a socket: counting once, recording a duration once, and telling of clusters that had requests. Reports and pages
are made in steps between requests; the longest step is what somebody may have to wait for. Processor time counts, and of several runs the
smallest.
"""

import sys
import time
import timeit
from collections.abc import Callable
from typing import Final

from bench import report
from shifter.model.report import ClusterReport, EndpointReport, Report
from shifter.model.steps import Steps
from shifter.observe.histogram import Histogram
from shifter.observe.prometheus import exposition_in_steps
from shifter.observe.server_stats import ServerStats
from shifter.observe.stats import ClusterStats, EndpointStats
from shifter.observe.stats_text import text_in_steps

COLUMNS: Final[report.Row] = ["what", "clusters", "lines", "all of it", "longest step"]
SIZES: Final = (40, 1_000)
_RUNS: Final = 5
_TIMES: Final = 200_000
_CODES: Final = (200, 304, 404, 503)


def used_cluster(number: int) -> tuple[str, ClusterStats]:
    """A cluster that has had requests, named as those are that a service has many of."""
    stats = ClusterStats()
    stats.upstream_rq_total = stats.upstream_cx_total = stats.upstream_cx_http1_total = 100 + number
    for at in range(100):
        stats.codes[_CODES[at % 4]] += 1
        for histogram in (stats.upstream_rq_time, stats.upstream_cx_connect_ms, stats.upstream_cx_length_ms):
            histogram.record(1.07**at)
    return f"service-{number}", stats


def reporting(clusters: list[tuple[str, ClusterStats]]) -> Steps[Report]:
    """Make a report as the data path does, cluster by cluster."""
    endpoint, parts = EndpointStats(), []
    about = EndpointReport("10.0.0.1", 80)
    for name, stats in clusters:
        parts.append(stats.report(name, [endpoint.report(about)]))
        yield
    return whole(parts)


def whole(parts: list[ClusterReport]) -> Report:
    return ServerStats("1.0.0", 0.0).report(1.0, clusters=parts)


def walked(steps: Steps[object]) -> tuple[object, float, float]:
    """Do all *steps*; return what came of them, the seconds that all took, and those of the longest."""
    began = before = time.process_time()
    longest = 0.0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            now = time.process_time()
            return done.value, now - began, max(longest, now - before)
        now = time.process_time()
        longest, before = max(longest, now - before), now


def best(make: Callable[[], Steps[object]], runs: int) -> tuple[object, float, float]:
    """Return the result, and the smallest figures of several runs."""
    results = [walked(make()) for _ in range(runs)]
    return results[0][0], min(one[1] for one in results), min(one[2] for one in results)


def once(statement: str, times: int) -> float:
    """Return the microseconds that *statement* takes, the loop around it taken off."""
    stats, histogram = ClusterStats(), Histogram()
    names = {"stats": stats, "record": histogram.record, "values": [1.07**at for at in range(100)]}
    empty, full = (
        min(timeit.repeat(one, timer=time.process_time, globals=names, number=times, repeat=_RUNS)) for one in ("pass", statement)
    )
    return (full - empty) / times * 1e6


def counting(times: int = _TIMES) -> list[report.Row]:
    """The rows of what requests pay for."""
    rows = []
    for what, statement in (
        ("a counter", "stats.upstream_rq_total += 1"),
        ("a code", "stats.codes[200] += 1"),
        ("a duration", "record(3.17)"),
    ):
        rows.append([what, "", "", f"{once(statement, times):.2f} µs", ""])
    return rows


def telling(size: int, runs: int = _RUNS) -> list[report.Row]:
    """The rows of what a report of *size* clusters, and pages made of it, take."""
    clusters = [used_cluster(number) for number in range(size)]
    made, all_, longest = best(lambda: reporting(clusters), runs)
    assert isinstance(made, Report)
    rows = [["a report", f"{size:,}", "", f"{all_ * 1e3:.1f} ms", f"{longest * 1e3:.2f} ms"]]
    pages = (("Prometheus", exposition_in_steps), ("`/stats`", text_in_steps))
    for what, make in pages:
        text, all_, longest = best(lambda make=make: make(made), runs)  # type: ignore[misc]  # mypy does not see the default
        rows.append([what, f"{size:,}", f"{str(text).count(chr(10)):,}", f"{all_ * 1e3:.1f} ms", f"{longest * 1e3:.2f} ms"])
    return rows


def main() -> int:
    chosen = report.parser("bench.statistics", __doc__, "statistics").parse_args()
    rows = [*counting(), *(row for size in SIZES for row in telling(size))]
    report.publish("statistics", COLUMNS, rows, chosen.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
