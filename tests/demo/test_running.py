"""What a running stack says about itself."""

from pathlib import Path

import pytest

from demo.running import Front, announce, find, withdraw

FRONT = Front(4711, Path("/tmp/front.yaml"), 9001)


def test_announced_is_found_until_it_is_withdrawn(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    assert find(9000, directory) is None
    announce(9000, FRONT, directory)
    assert find(9000, directory) == FRONT
    assert find(8000, directory) is None
    withdraw(9000, directory)
    assert find(9000, directory) is None
    assert not directory.exists()


def test_stacks_on_different_ports_do_not_meet(tmp_path: Path) -> None:
    announce(8000, FRONT, tmp_path)
    announce(9000, Front(1, Path("other.yaml"), 2), tmp_path)
    withdraw(9000, tmp_path)
    assert find(8000, tmp_path) == FRONT


def test_withdrawn_twice_is_withdrawn(tmp_path: Path) -> None:
    withdraw(8000, tmp_path / "run")
    assert find(8000, tmp_path / "run") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"pid": 1}', '{"pid": "x", "config": "c", "admin": 1}'])
def test_nonsense_is_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "front-8000.json").write_text(text)
    assert find(8000, tmp_path) is None
