"""Runtime values in files: read as Envoy reads them, watched, and put in force when they change."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from shifter.model.bootstrap import Bootstrap, DiskLayer, LayerKind, RuntimeLayer
from shifter.model.route import FractionalPercent
from shifter.service.disk_values import MAX_DEPTH, MAX_SIZE, DiskValues, read_values, without_comments
from shifter.service.disk_watch import LOOK_EVERY, DiskWatch
from tests.support.steering import Steered, config, listener, weighted


def bootstrap(directory: Path) -> Bootstrap:
    return Bootstrap(runtime=(RuntimeLayer("d", kind=LayerKind.DISK, disk=DiskLayer(str(directory), str(directory))),))


def read(directory: Path) -> DiskValues:
    return read_values(bootstrap(directory))[str(directory)]


def put(directory: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = directory / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_paths_are_keys_and_contents_are_values(tmp_path: Path) -> None:
    put(tmp_path, rel__a="25\n", flag="# on?\ntrue\n", share='{"numerator": 3, "denominator": "MILLION"}\n', text="hello\nworld", empty="")
    found = read(tmp_path)
    assert found.values == {"rel.a": 25, "flag": True, "share": FractionalPercent(3, 1_000_000), "text": "hello\nworld", "empty": ""}
    assert (found.exists, found.texts["rel.a"], found.problems) == (True, "25", ())


@pytest.mark.parametrize(
    ("written", "text"),
    [("25\n", "25"), (" 7 ", " 7"), ("a\nb\n", "a\nb"), ("# a\n5\n# b\n", "5\n"), ("#", ""), ("", ""), ("a\n\n", "a\n")],
)
def test_comments_and_blanks(written: str, text: str) -> None:
    """As real Envoy 1.40 shows them at ``/runtime``."""
    assert without_comments(written) == text


@given(st.text(st.sampled_from("a# \n5"), max_size=12))
def test_what_is_no_comment_stays(text: str) -> None:
    left = without_comments(text)
    assert not any(line.startswith("#") for line in left.split("\n"))
    assert left.replace("\n", "").replace(" ", "") == "".join(line for line in text.split("\n") if not line.startswith("#")).replace(
        " ", ""
    )


def test_what_is_no_value_hides_no_other(tmp_path: Path) -> None:
    put(tmp_path, good="5", bad="{a", large="x" * (MAX_SIZE + 1))
    (tmp_path / "latin").write_bytes(b"\xff")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    found = read(tmp_path)
    assert found.values == {"good": 5}
    assert [problem.partition(": ")[0] for problem in found.problems] == [str(tmp_path / name) for name in ("bad", "large", "latin")]


def test_too_many_directories_below_each_other(tmp_path: Path) -> None:
    put(tmp_path, good="5", **{"__".join(["d"] * MAX_DEPTH) + "__deep": "1"})
    found = read(tmp_path)
    assert (found.values, len(found.problems)) == ({"good": 5}, 1)


def test_there_may_be_no_directory(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere") == DiskValues()


# watching


class Lab:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = Clock()
        self.told: list[str] = []
        self.watch = DiskWatch(self.clock, self.told.append, lambda function, *arguments: succeed(function(*arguments)))
        self.watch.watch(bootstrap(root))

    def looks(self, times: int) -> int:
        """Let it look so often; return how often it has told of a change since."""
        before = len(self.told)
        for _ in range(times):
            self.clock.advance(LOOK_EVERY)
        return len(self.told) - before


def turn(root: Path) -> None:
    put(root.parent / "v2", a="6")
    fresh = root.parent / "fresh"
    fresh.symlink_to("v2")
    fresh.rename(root)


@pytest.mark.parametrize("change", [turn, lambda root: put(root, a="7"), lambda root: put(root, b="7"), lambda root: (root / "a").unlink()])
def test_every_kind_of_change_is_seen_once(tmp_path: Path, change: Callable[[Path], Any]) -> None:
    put(tmp_path / "v1", a="5")
    root = tmp_path / "current"
    root.symlink_to("v1")
    lab = Lab(root)
    assert lab.looks(3) == 1  # nobody knows what was there before the first look
    change(root)
    assert lab.looks(4) == 1
    lab.watch.watch(Bootstrap())
    put(root, a="8")
    assert lab.looks(3) == 0
    assert not lab.clock.getDelayedCalls()


# in force


RT = weighted("/rt", "runtime_key_prefix: rel, ", service1a=10, service1=90)


def serving(root: Path) -> Steered:
    return Steered(config(listener(RT), layers=f"{{name: d, disk_layer: {{symlink_root: '{root}'}}}}, {{name: admin, admin_layer: {{}}}}"))


def looked(lab: Steered) -> None:
    for _ in range(4):
        lab.reactor.advance(LOOK_EVERY)
        lab.reactor.turn()


def test_files_that_change_are_in_force_and_written_down(tmp_path: Path, logged: list[str]) -> None:
    put(tmp_path, rel__service1a="90")
    lab = serving(tmp_path)
    assert lab.shares()["all/prefix /rt"] == {"service1a": 50, "service1": 50}
    put(tmp_path, rel__service1a="30", rel__service1="90")
    looked(lab)
    assert lab.shares()["all/prefix /rt"] == {"service1a": 25, "service1": 75}
    assert lab.history() == ["1 runtime ~ runtime rel.service1: none -> 90; ~ runtime rel.service1a: 90 -> 30"]
    [entry] = lab.wait(lab.journal.entries(1))
    assert entry.actor.origin == f"directory {tmp_path}"
    assert "put them back there" in lab.undo().problems[0]
    lab.modify(rel_service1a="0")  # what is set hides what is in files
    assert lab.shares()["all/prefix /rt"] == {"service1a": 0, "service1": 100}
    put(tmp_path, rel__service1="0")
    looked(lab)
    assert lab.shares()["all/prefix /rt"] == {"service1a": 0, "service1": 100}
    assert any("the values before go on" in line for line in logged)
    lab.steering.stop()


def test_values_are_read_again_with_the_file_that_names_them(tmp_path: Path) -> None:
    lab = serving(tmp_path)
    put(tmp_path, rel__service1a="90")
    lab.reload(lab.text)
    assert lab.shares()["all/prefix /rt"] == {"service1a": 50, "service1": 50}
    lab.steering.stop()
