"""The stack in containers has the same parts, names and ports as the stack on one machine."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.addresses import ADMIN, FRONT, SIDECAR
from demo.stack import SERVICES

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def test_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_parts_are_those_of_the_demo() -> None:
    assert set(COMPOSE["services"]) == {"front", *(f"service{service}" for service in SERVICES)}


@pytest.mark.parametrize("service", SERVICES)
def test_service_is_known_by_its_name_and_port(service: str) -> None:
    part = COMPOSE["services"][f"service{service}"]
    assert part["environment"] == {"SERVICE_NAME": service}
    assert part["expose"] == [str(SIDECAR.port)]
    assert "ports" not in part  # only the front proxy is reached from outside


def test_front_is_published_and_its_admin_only_on_loopback() -> None:
    front = COMPOSE["services"]["front"]
    assert front["ports"] == [f"{FRONT.port}:{FRONT.port}", f"127.0.0.1:{ADMIN.port}:{ADMIN.port}"]
    assert "SERVICE_NAME" not in front.get("environment", {})


@pytest.mark.parametrize("part", COMPOSE["services"].values(), ids=COMPOSE["services"])
def test_what_a_part_names_is_there(part: dict[str, Any]) -> None:
    assert (ROOT / part["build"] / "Dockerfile").is_file()
    python, dash_m, module = part["command"]
    assert (python, dash_m) == ("python", "-m")
    assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()
    for source, target, mode in (volume.split(":") for volume in part["volumes"]):
        assert (ROOT / source).is_dir()
        assert target == f"{workdir()}/{Path(source).name}"  # where demo/container.py looks
        assert mode == "ro"


def test_image_is_made_of_files_that_are_there_and_sent() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (\w+) ", DOCKERFILE, re.MULTILINE)
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert name in sent
    assert {"setup.py", "setup.cfg", "pyproject.toml", "shifter", "twisted"} <= sent


def test_image_alone_serves_the_front_configuration() -> None:
    [command] = re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
    *twistd, config = json.loads(command)
    assert twistd == ["twistd", "-n", "--pidfile=", "shifter", "--config"]
    assert (ROOT / Path(config).relative_to(workdir())).is_file()


def test_image_does_not_run_as_root_and_knows_its_plugins() -> None:
    assert re.search(r"^USER (?!root)\w+$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^RUN pip install .*&& twistd --help", DOCKERFILE, re.MULTILINE)


def workdir() -> str:
    """Where the final stage of the image runs."""
    return re.findall(r"^WORKDIR (.*)$", DOCKERFILE, re.MULTILINE)[-1]
