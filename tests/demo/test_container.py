"""What a container runs."""

from pathlib import Path

import yaml

from demo.addresses import ADMIN, FRONT, SERVICE
from demo.container import open_admin, programs
from tests.support.programs import ROOT


def test_service_stands_behind_its_sidecar() -> None:
    service, sidecar = programs("1a", Path("unused"))
    assert service.environment == {"SERVICE_NAME": "1a"}
    assert service.command[-2:] == ("--listen", str(SERVICE))
    assert sidecar.command[-3:] == ("shifter", "--config", str(ROOT / "etc/service.yaml"))


def test_front_runs_alone(tmp_path: Path) -> None:
    [front] = programs(None, tmp_path / "front.yaml")
    assert front.command[-3:] == ("shifter", "--config", str(tmp_path / "front.yaml"))


def test_only_the_admin_of_front_moves(tmp_path: Path) -> None:
    open_admin(tmp_path / "front.yaml")
    copy = yaml.safe_load((tmp_path / "front.yaml").read_text())
    original = yaml.safe_load((ROOT / "etc/front.yaml").read_text())
    assert copy["admin"]["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": ADMIN.port}
    assert copy["static_resources"] == original["static_resources"]
    [listener] = original["static_resources"]["listeners"]
    assert listener["address"]["socket_address"] == {"address": FRONT.host, "port_value": FRONT.port}
