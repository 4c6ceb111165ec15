"""Hostile requests and responses, judged by what reaches the backend, the client and the next one: all must be safe."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import BIN, ROOT

CORPUS = ROOT.parent / "shared" / "badinput" / "badinput"
IDS = [case["id"] for case in json.loads((CORPUS / "cases.json").read_text())] if CORPUS.is_dir() else []
KINDS = sorted({name.split("/")[0] for name in IDS}) or ["all"]
COUNT = 225
BOTH_PARSERS = ["chunk", "cl", "te"]


def judge(kind: str, directory: Path, **environment: str) -> None:
    """Run the cases of one kind; each must be safe."""
    if not IDS:
        pytest.skip(f"{CORPUS} is not there")
    verdicts = directory / "verdicts.json"
    served = f"{BIN / 'twistd'} -n --pidfile= shifter --config {{config}}"
    command = [
        sys.executable,
        str(CORPUS / "run_badinput.py"),
        "--target",
        "cmd",
        "--cmd",
        served,
        "--only",
        f"{kind}/*",
        "--json",
        str(verdicts),
    ]
    done = subprocess.run(
        command, cwd=directory, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(verdicts.read_text())["results"]
    assert sorted(result["id"] for result in results) == sorted(name for name in IDS if name.startswith(kind + "/"))
    assert not [result for result in results if result["verdict"] not in ("PASS", "NOTE")]


def test_nothing_is_left_out() -> None:
    if not IDS:
        pytest.skip(f"{CORPUS} is not there")
    assert len(set(IDS)) == COUNT
    assert all(name.split("/")[0] in KINDS for name in IDS)


@pytest.mark.parametrize("kind", KINDS)
def test_safe(kind: str, tmp_path: Path) -> None:
    judge(kind, tmp_path)


@pytest.mark.parametrize("kind", BOTH_PARSERS)
def test_safe_with_the_parsers_in_python(kind: str, tmp_path: Path) -> None:
    judge(kind, tmp_path, SHIFTER_PURE="1")
