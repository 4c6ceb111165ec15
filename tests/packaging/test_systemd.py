"""systemd understands every line of etc/shifter.service and finds what it starts."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parents[2] / "etc/shifter.service"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


@needs_systemd
def test_unit_is_valid(tmp_path: Path) -> None:
    for program in "shifter", "twistd":
        stub = tmp_path / "bin" / program
        stub.parent.mkdir(exist_ok=True)
        stub.touch(mode=0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/shifter/", f"{tmp_path}/"))
    verified = subprocess.run([str(ANALYZE), "verify", str(unit)], capture_output=True, text=True, check=False)
    # Of a key that it does not know systemd only warns.
    complaints = [line for line in verified.stderr.splitlines() if unit.name in line]
    assert (verified.returncode, complaints) == (0, []), verified.stderr


@needs_systemd
def test_unit_is_hardened() -> None:
    command = [str(ANALYZE), "security", "--offline=true", "--threshold=20", str(UNIT)]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout.splitlines()[-1:]  # exposure above 2.0


def test_configuration_is_checked_before_it_is_used() -> None:
    unit = UNIT.read_text()
    served = re.findall(r"^ExecStart=\S+/twistd -n --pidfile= .*shifter --config (\S+)$", unit, re.MULTILINE)
    assert len(served) == 1
    for when in "ExecStartPre", "ExecReload":
        assert re.findall(rf"^{when}=\S+/shifter check (\S+)$", unit, re.MULTILINE) == served
    assert unit.index("ExecReload=/opt/shifter/bin/shifter check") < unit.index("ExecReload=/bin/kill -HUP $MAINPID")
