"""When a file counts as changed. Time is a Clock, files are real."""

import os
from pathlib import Path

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from shifter.service.filewatch import LOOK_EVERY, FileWatch


class Lab:
    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.watch = FileWatch(self.clock)
        self.path = path / "file"
        self.path.write_text("one")
        self.told = 0
        self.stop = self.watch.watch(str(self.path), self.tell)

    def tell(self) -> None:
        self.told += 1

    def looks(self, times: int) -> int:
        """Let it look so often; return how often it has told of a change since."""
        before = self.told
        for _ in range(times):
            self.clock.advance(LOOK_EVERY)
        return self.told - before


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_nothing_is_told_of_what_stays(lab: Lab) -> None:
    assert lab.looks(10) == 0


def test_a_file_that_is_written_in_place(lab: Lab) -> None:
    lab.path.write_text("other")
    assert [lab.looks(1), lab.looks(1), lab.looks(5)] == [0, 1, 0]


def test_a_file_that_is_being_written_is_left_in_peace(lab: Lab) -> None:
    for size in range(5):
        lab.path.write_text("x" * size)
        assert lab.looks(1) == 0
    assert lab.looks(5) == 1


def test_a_file_that_is_renamed_over(lab: Lab) -> None:
    other = lab.path.with_name("new")
    other.write_text("one")
    os.utime(other, ns=(0, lab.path.stat().st_mtime_ns))
    other.rename(lab.path)
    assert lab.looks(2) == 1


def test_a_link_on_the_way_that_is_turned(tmp_path: Path) -> None:
    """As Kubernetes does it: ``file`` is a link into ``..data``, which is a link to the latest directory."""
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "file").write_text(version)
    (tmp_path / "..data").symlink_to("v1")
    (tmp_path / "at").symlink_to("..data/file")
    clock, told = Clock(), []
    stop = FileWatch(clock).watch(str(tmp_path / "at"), lambda: told.append((tmp_path / "at").read_text()))
    (tmp_path / "tmp").symlink_to("v2")
    (tmp_path / "tmp").rename(tmp_path / "..data")
    clock.pump([LOOK_EVERY] * 4)
    assert told == ["v2"]
    stop()


def test_a_file_that_goes_and_comes_back(lab: Lab) -> None:
    lab.path.unlink()
    assert lab.looks(3) == 1
    lab.path.write_text("one")
    assert lab.looks(3) == 1


def test_a_file_that_is_back_before_anybody_looked_twice(lab: Lab) -> None:
    kept = lab.path.with_name("kept")
    os.link(lab.path, kept)
    before = lab.path.stat()
    lab.path.unlink()
    lab.looks(1)
    os.link(kept, lab.path)
    kept.unlink()
    assert lab.path.stat().st_ino == before.st_ino
    assert lab.looks(3) == (lab.path.stat().st_ctime_ns != before.st_ctime_ns)


def test_nothing_is_asked_while_nobody_watches(lab: Lab) -> None:
    again = lab.watch.watch(str(lab.path), lambda: None)
    lab.stop()
    assert lab.clock.getDelayedCalls()
    again()
    again()
    assert not lab.clock.getDelayedCalls()
    lab.path.write_text("other")
    assert lab.looks(3) == 0


def test_one_that_fails_does_not_keep_the_others(lab: Lab, logged_failures: list[Failure]) -> None:
    seen: list[str] = []
    lab.watch.watch(str(lab.path), lambda: 1 // 0)
    lab.watch.watch(str(lab.path), lambda: seen.append("third"))
    lab.path.write_text("other")
    assert lab.looks(2) == 1
    assert seen == ["third"]
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()


def test_one_may_end_another(lab: Lab) -> None:
    lab.stop()
    seen: list[str] = []
    lab.watch.watch(str(lab.path), lambda: stop())
    stop = lab.watch.watch(str(lab.path), lambda: seen.append("told"))
    lab.path.write_text("other")
    lab.looks(3)
    assert not seen


@pytest.mark.parametrize("path", ["/nothing/there", "\0"])
def test_a_path_that_leads_nowhere(path: str) -> None:
    clock = Clock()
    stop = FileWatch(clock).watch(path, lambda: pytest.fail("nothing has changed"))
    clock.pump([LOOK_EVERY] * 3)
    stop()
