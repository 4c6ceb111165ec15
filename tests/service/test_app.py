"""The service's signals; what it wires together is tested where it is, and all of it in tests/live."""

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from shifter.service.app import ShifterService

NUMBERS = signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = [signal.getsignal(number) for number in NUMBERS]
    yield
    for number, handler in zip(NUMBERS, before, strict=True):
        signal.signal(number, handler)


def test_who_asks_for_something_does_not_kill_what_is_about_to_end() -> None:
    def somebodys(number: int, frame: object) -> None: ...

    service: Any = SimpleNamespace(_old_handlers=list(zip(NUMBERS, (signal.SIG_DFL, somebodys, signal.SIG_DFL), strict=True)))
    assert ShifterService._catch_no_more(service, "done") == "done"
    assert [signal.getsignal(number) for number in NUMBERS] == [signal.SIG_IGN, somebodys, signal.SIG_DFL]
    assert service._old_handlers == []
