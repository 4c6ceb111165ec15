"""Rules for every test: no failure is left in the log, nothing is left in the reactor.

A test that means to make shifter log a failure takes the ``logged_failures`` fixture and empties it.
"""

import gc
import os
import sys
from collections.abc import Iterator

import hypothesis
import pytest
from twisted.internet import reactor
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

# Hundreds of processes are started; where nobody may keep bytecode, each of them would compile all of shifter first.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# No test asserts on time: a busy machine is not a finding. Examples are others in every run, so that few at a time become many;
# HYPOTHESIS_PROFILE=thorough is for the hour before a release.
hypothesis.settings.register_profile("shifter", deadline=None, max_examples=30)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "shifter"))


def pytest_collection_finish() -> None:
    """What was collected lives as long as the run: nobody has to look through it again for what is not needed any more."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def logged_failures() -> Iterator[list[Failure]]:
    """The failures logged during the test; whatever is still in the list at its end fails it."""
    failures: list[Failure] = []

    def observe(event: LogEvent) -> None:
        if "log_failure" in event:
            failures.append(event["log_failure"])

    globalLogPublisher.addObserver(observe)
    yield failures
    globalLogPublisher.removeObserver(observe)
    assert not failures, "\n".join(failure.getTraceback() for failure in failures)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What the log said during the test."""
    said: list[str] = []

    def observe(event: LogEvent) -> None:
        said.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield said
    globalLogPublisher.removeObserver(observe)


@pytest.fixture(autouse=True)
def clean_reactor() -> Iterator[None]:
    """Fails a test that leaves a timer, a connection or a port behind, and removes them, so that it fails alone."""

    def descriptors() -> set[object]:
        own = reactor._internalReaders  # it makes some of them only when it first runs
        return {*reactor.getReaders(), *reactor.getWriters()} - own

    calls, watched = set(reactor.getDelayedCalls()), descriptors()
    yield
    late = [call for call in reactor.getDelayedCalls() if call not in calls]
    still = descriptors() - watched
    for call in late:
        call.cancel()
    for descriptor in still:
        reactor.removeReader(descriptor)
        reactor.removeWriter(descriptor)
    assert not late, f"left behind: {late}"
    assert not still, f"still open: {still}"
