"""systemd understands every line of etc/shifter.service and etc/shifter.socket, and finds what it starts."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shifter.service.loading import load_checked
from tests.support.programs import ROOT

UNIT = ROOT / "etc/shifter.service"
SOCKET = ROOT / "etc/shifter.socket"
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
    socket = tmp_path / SOCKET.name
    socket.write_text(SOCKET.read_text())
    for one in unit, socket:
        verified = subprocess.run([str(ANALYZE), "verify", str(one)], capture_output=True, text=True, check=False)
        # Of a key that it does not know systemd only warns.
        complaints = [line for line in verified.stderr.splitlines() if "shifter." in line]
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


def test_sockets_are_those_of_the_configuration() -> None:
    loaded = load_checked((ROOT / "etc/front.yaml").read_bytes(), "front.yaml")
    assert loaded.bootstrap is not None
    assert re.findall(r"^ListenStream=(.+)$", SOCKET.read_text(), re.MULTILINE) == [str(one.address) for one in loaded.bootstrap.listeners]


def test_the_service_manager_is_told() -> None:
    assert re.findall(r"^(Type|NotifyAccess)=(.*)$", UNIT.read_text(), re.MULTILINE) == [("Type", "notify"), ("NotifyAccess", "main")]
