"""What is recorded is what is reported, of all time and of the last interval."""

from shifter.model.histogram import HistogramReport, bin_of
from shifter.observe.histogram import Histogram


def test_nothing_recorded_reports_nothing() -> None:
    assert Histogram().report() == HistogramReport()


def test_a_report_is_a_copy() -> None:
    histogram = Histogram()
    histogram.record(1)
    report = histogram.report()
    histogram.record(1)
    assert (report.count, report.interval) == (1, None)
    assert repr(histogram) == "<Histogram count=2 total=2ms>"


def test_an_interval_is_what_came_between_two_flushes() -> None:
    histogram = Histogram()
    told = []
    for values in ((1, 1, 7), (1, 9), (), (7,)):
        for value in values:
            histogram.record(value)
        histogram.flush()
        told.append(histogram.report().interval)
    one, seven, nine = (bin_of(value) for value in (1, 7, 9))
    assert told == [{one: 2, seven: 1}, {one: 1, nine: 1}, {}, {seven: 1}]


def test_what_is_being_recorded_is_in_no_interval_yet() -> None:
    histogram = Histogram()
    histogram.flush()
    histogram.record(3)
    report = histogram.report()
    assert (report.interval, report.count) == ({}, 1)
