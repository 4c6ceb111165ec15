"""The cases that lie beside the project: real Envoy and shifter, and what is different about their answers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.candidates import envoy_program
from tests.support.programs import BIN, ROOT

ORACLE = ROOT.parent / "shared" / "oracle"
CASES = ["01-tutorial", "03-header-matchers", "07-rewrite-redirect", "09-clusters", "10-retries", "13-filter-fault", "17-hcm"]


@pytest.mark.parametrize("case", CASES)
def test_case(case: str, tmp_path: Path) -> None:
    if not ORACLE.is_dir():
        pytest.skip(f"{ORACLE} is not there")
    if not envoy_program():
        pytest.skip("Envoy is not installed")
    candidate = f"{BIN / 'twistd'} -n --pidfile= shifter --config {{config}}"
    command = [sys.executable, str(ORACLE / "oracle.py"), "--candidate", candidate, str(ORACLE / "cases" / f"{case}.yaml")]
    environment = {**os.environ, "ENVOY_BIN": envoy_program()}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{case}.yaml: " in done.stdout
    assert " 0 same" not in done.stdout
    assert "BROKEN" not in done.stdout
