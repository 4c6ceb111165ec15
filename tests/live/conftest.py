"""What the live tests share: a backend, and shifter in a process."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support.backend import Backend
from tests.support.proxy import Proxy


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend() as backend:
        yield backend


@pytest.fixture
def backends() -> Iterator[list[Backend]]:
    backends = [Backend(name) for name in ("one", "two", "three")]
    yield backends
    for backend in backends:
        backend.close()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """Not started yet; it must end well at the end of the test."""
    with Proxy(tmp_path) as proxy:
        yield proxy


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what shifter said."""
    report = yield
    proxy = getattr(item, "funcargs", {}).get("proxy")
    if report.failed and isinstance(proxy, Proxy):
        report.sections += [("shifter's log", "\n".join(proxy.log[-80:])), ("its access log", "\n".join(proxy.access[-20:]))]
    return report
