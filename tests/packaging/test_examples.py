"""The package in ``examples``: installed as its ``pyproject.toml`` says, found by its entry point, and used by a proxy."""

import os
import shutil
import subprocess
import tomllib
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.programs import BIN, PATIENCE, ROOT, free_ports, running, stopped, until

HELLO = ROOT / "examples" / "hello-filter"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the example as an installer leaves it there; programs find it."""
    project = tomllib.loads((HELLO / "pyproject.toml").read_text())["project"]
    packages = tmp_path / "packages"
    info = packages / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {where}\n" for name, where in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    shutil.copy(HELLO / "hello_filter.py", packages)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(packages), *filter(None, [os.environ.get("PYTHONPATH")])]))
    return tmp_path


def check(directory: Path, text: str) -> str:
    """What ``shifter check`` says."""
    (directory / "front.yaml").write_text(text)
    command = [str(BIN / "shifter"), "check", "front.yaml"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=PATIENCE, check=False).stdout


def test_the_filter_runs(installed: Path) -> None:
    [port] = free_ports(1)
    config = installed / "hello.yaml"
    config.write_text((HELLO / "hello.yaml").read_text().replace("port_value: 8000", f"port_value: {port}"))

    def ask(path: str, name: str | None = "world") -> tuple[int, str | None, bytes]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
            connection.request("GET", path, headers={"x-name": name} if name else {})
            response = connection.getresponse()
            return response.status, response.getheader("x-greeted"), response.read()

    with running([str(BIN / "twistd"), "-n", "--pidfile=", "shifter", "--config", str(config)], installed) as twistd:
        assert until(twistd, lambda: ask("/hello")) == (200, "yes", b"hello world\nbye\n")
        assert ask("/loud") == (200, "yes", b"The route was told to shout.\nbye\n")
        assert ask("/silent") == (200, None, b"Nobody is greeted here.\n")
        assert ask("/hello", name=None) == (200, None, b"Say /hello.\n")
        status, said = stopped(twistd)
        assert status == 0, said


def test_its_mistakes_are_told_with_their_place(installed: Path) -> None:
    text = (HELLO / "hello.yaml").read_text()
    assert "error" not in check(installed, text)
    said = check(installed, text.replace("greeting: hello", "greting: hello"))
    assert "there is no field `greting`; known: delay, greeting" in said
    assert "front.yaml:14:24" in said
    said = check(installed, text.replace("delay: 0.1", "delay: soon"))
    assert "`delay` is a number of seconds" in said
    said = check(installed, text.replace("example.hello.v1.Hello\n              gr", "example.hello.v1.Helo\n              gr"))
    assert "`example.hello.v1.Helo` is no filter that is known here" in said
    assert "did you mean `example.hello.v1.Hello`?" in said


def test_without_its_package_the_filter_is_not_known(tmp_path: Path) -> None:
    assert "`example.hello.v1.Hello` is no filter that is known here" in check(tmp_path, (HELLO / "hello.yaml").read_text())


def test_its_own_tests_pass(installed: Path) -> None:
    shutil.copy(HELLO / "test_hello_filter.py", installed)
    command = [str(BIN / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_hello_filter.py"]
    tested = subprocess.run(command, cwd=installed, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert tested.returncode == 0, tested.stdout


def test_a_route_is_served_by_a_resource(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ROOT / "examples" / "web-resource"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))
    [port] = free_ports(1)
    config = tmp_path / "front.yaml"
    config.write_text((folder / "front.yaml").read_text().replace("port_value: 8000", f"port_value: {port}"))

    def ask(method: str, path: str, body: bytes | None = None) -> tuple[int, str | None, bytes]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.getheader("content-type"), response.read()

    with running([str(BIN / "twistd"), "-n", "--pidfile=", "shifter", "--config", str(config)], tmp_path) as twistd:
        assert until(twistd, lambda: ask("GET", "/")) == (404, "text/plain", b"Look at /status.\n")
        assert ask("POST", "/status", b"canary at 5 %")[::2] == (201, b"noted\n")
        seen = b'{"client": "127.0.0.1", "notes": ["canary at 5 %"]}\n'
        assert ask("GET", "/status") == (200, "application/json", seen)
        assert ask("GET", "/statuses")[0] == 404
        status, said = stopped(twistd)
        assert status == 0, said
    said = check(tmp_path, config.read_text().replace("status_pages:status", "status_pages:statos"))
    assert "this resource cannot be used: 'status_pages:statos' cannot be loaded" in said
    assert "front.yaml:23:" in said
