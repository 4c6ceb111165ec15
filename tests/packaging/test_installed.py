"""shifter as it was installed: by default in this environment, with ``SHIFTER_BIN`` in another one.

Everything runs in an empty folder, because twistd looks for plugins in the current one too.
"""

import os
import subprocess
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.programs import BIN, PATIENCE, ROOT, free_ports, running, stopped, until

RELEASE = "release.yaml"
"""Describes a release of one of the others; it is no configuration."""
WHOLE = sorted(path.name for path in (ROOT / "etc").glob("*.yaml") if path.name != RELEASE and not path.name.endswith("-tests.yaml"))
CONFIGURATIONS = [*WHOLE, "xds/front.yaml"]

ELSEWHERE = "SHIFTER_BIN" in os.environ

CONFIG = """\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress_http
          route_config:
            virtual_hosts:
            - name: hello
              domains: ["*"]
              routes:
              - match: {{path: /hello}}
                direct_response: {{status: 200, body: {{inline_string: from where it was installed}}}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"""


def say(directory: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / program), *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.skipif(not ELSEWHERE, reason="SHIFTER_BIN names no other installation")
def test_checkout_is_not_what_runs(tmp_path: Path) -> None:
    where = say(tmp_path, "python", "-c", "import shifter; print(shifter.__file__)").stdout
    assert where
    assert not Path(where).is_relative_to(ROOT)


@pytest.mark.skipif(not ELSEWHERE, reason="SHIFTER_BIN names no other installation")
def test_the_live_page_is_installed(tmp_path: Path) -> None:
    found = say(tmp_path, "python", "-c", "from shifter.admin.livepage import COMMANDS, version; print(version(), len(COMMANDS))")
    assert found.returncode == 0, found.stderr
    count = len(list((ROOT / "shifter/admin/live").iterdir()))
    assert found.stdout.split()[1:] == [str(count)]


def test_twistd_knows_shifter(tmp_path: Path) -> None:
    commands = [line.split()[0] for line in say(tmp_path, "twistd", "--help").stdout.splitlines() if line.strip()]
    assert "shifter" in commands


def test_version_tells_which_head_parser_is_used(tmp_path: Path) -> None:
    version = say(tmp_path, "shifter", "--version", "-v").stdout
    kind = "compiled" if "compiled" in version else "pure"
    assert kind in version
    assert kind == os.environ.get("SHIFTER_HEADS", kind)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configurations_in_etc_are_right(tmp_path: Path, name: str) -> None:
    (tmp_path / "etc").symlink_to(ROOT / "etc")  # files that a configuration names are told from where the proxy runs
    checked = say(tmp_path, "shifter", "check", f"etc/{name}")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_release_in_etc_is_right(tmp_path: Path) -> None:
    checked = say(tmp_path, "shifter", "release", "lint", str(ROOT / "etc" / RELEASE), "--config", str(ROOT / "etc/front.yaml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_twistd_serves_and_ends_when_asked(tmp_path: Path) -> None:
    [port] = free_ports(1)
    config = tmp_path / "hello.yaml"
    config.write_text(CONFIG.format(port=port))

    def ask() -> tuple[int, bytes]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
            connection.request("GET", "/hello")
            response = connection.getresponse()
            return response.status, response.read()

    with running([str(BIN / "twistd"), "-n", "--pidfile=", "shifter", "--config", str(config)], tmp_path) as twistd:
        assert until(twistd, ask) == (200, b"from where it was installed")
        status, said = stopped(twistd)
        assert status == 0, said


def test_routes_in_etc_are_tested(tmp_path: Path) -> None:
    done = say(tmp_path, "shifter", "routes", "--config", str(ROOT / "etc/front.yaml"), "--test", str(ROOT / "etc/front-tests.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_wrong_is_said_before_anything_starts(tmp_path: Path, name: str) -> None:
    config = tmp_path / name
    config.write_text((ROOT / "etc" / name).read_text().replace("connect_timeout", "conect_timeout"))
    refused = say(tmp_path, "twistd", "-n", "--pidfile=", "shifter", "--config", str(config))
    assert refused.returncode == 1
    assert "connect_timeout" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
