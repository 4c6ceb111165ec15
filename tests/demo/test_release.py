"""``make demo-release``: the release is begun, shown, and ends as it should; nothing is left behind."""

import subprocess
import sys
from pathlib import Path

import yaml

from tests.demo.test_stack import Place, place
from tests.support.programs import BIN, PATIENCE, ROOT

__all__ = ["place"]  # the fixture

QUICK = {"min": "1s", "max": "2s", "undecided": "advance"}


def test_from_the_first_step_to_the_last(place: Place, tmp_path: Path) -> None:
    spec = yaml.safe_load((ROOT / "demo/release.yaml").read_text())
    [release] = spec["releases"]
    release["each_step"] = QUICK
    release["steps"] = [{"weight": 10}, {"weight": 100, "hold_back": 1, "for": "1s"}]
    path = tmp_path / "release.yaml"
    path.write_text(yaml.safe_dump(spec))
    ports = ["--port", str(place.front), "--admin-port", str(place.admin), "--dns-port", str(place.names.port), "--network", place.network]
    command = [sys.executable, "-m", "demo.release", *ports, "--twistd", str(BIN / "twistd"), "--release", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line.split()[1] for line in done.stdout.splitlines() if line[2:3] == line[5:6] == ":"]
    assert [word for word in said if word != "service1a"] == ["started", "step", "baking", "succeeded"]
    assert f"http://localhost:{place.admin}/release/service1a" in done.stdout
    assert done.stderr == ""
