"""`shifter routes`."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner, Result

from shifter.cli import main
from tests.support.configs import GOOD

ROUTES = """\
virtual_hosts:
- name: all
  domains: ["*"]
  routes:
  - match: {prefix: /a}
    route: {cluster: one}
  - match: {prefix: /}
    route: {cluster: two}
"""
TESTS = """\
tests:
- test_name: good
  input: {authority: h.test, path: /a, method: GET}
  validate: {cluster_name: one}
- test_name: bad
  input: {authority: h.test, path: /b, method: GET}
  validate: {cluster_name: one, path_rewrite: /b}
"""
ASK = "GET http://localhost/service/1"


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"good.yaml": GOOD, "bad.yaml": GOOD.replace("prefix:", "prefxi:"), "routes.yaml": ROUTES, "tests.yaml": TESTS}
    files["passing.yaml"] = TESTS.partition("- test_name: bad")[0]
    files["mistake.yaml"] = TESTS.replace("cluster_name", "clutser_name")
    for name, text in files.items():
        (tmp_path / name).write_text(text)


pytestmark = pytest.mark.usefixtures("_folder")


def routes(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["routes", *arguments])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-c", "good.yaml"], 0),
        (["-c", "routes.yaml"], 0),
        (["-c", "good.yaml", "--explain", ASK], 0),
        (["-c", "routes.yaml", "--explain", ASK, "--json"], 0),
        (["-c", "bad.yaml"], 1),
        (["-c", "none.yaml"], 2),
        (["-c", "good.yaml", "--listener", "none"], 2),
        (["-c", "routes.yaml", "--listener", "front"], 2),
        (["-c", "routes.yaml", "--test", "passing.yaml", "--listener", "front"], 2),
        (["-c", "good.yaml", "--explain", "nonsense"], 2),
        (["-c", "good.yaml", "--explain", ASK, "--from", "me"], 2),
        (["-c", "good.yaml", "--explain", ASK, "-H", "nonsense"], 2),
        (["-c", "good.yaml", "--admin", "http://127.0.0.1:1"], 2),
        (["-c", "good.yaml", "--explain", ASK, "--test", "tests.yaml"], 2),
        (["-c", "good.yaml", "tests.yaml"], 2),
        (["--test", "tests.yaml"], 2),
        (["--admin", "127.0.0.1:1"], 3),
        (["--admin", "ftp://127.0.0.1:1"], 2),
        (["--admin", "http://127.0.0.1:1"], 3),
        (["-c", "routes.yaml", "--test", "passing.yaml"], 0),
        (["-c", "routes.yaml", "--test", "passing.yaml", "--fail-under", "50"], 0),
        (["-c", "routes.yaml", "--test", "passing.yaml", "--fail-under", "50.1"], 1),
        (["-c", "routes.yaml", "--test", "passing.yaml", "--fail-under", "50", "--covall"], 1),
        (["-c", "routes.yaml", "--test", "tests.yaml"], 1),
        (["-c", "routes.yaml", "--test", "passing.yaml", "tests.yaml"], 1),
        (["-c", "routes.yaml", "--test", "passing.yaml", "--test", "none.yaml"], 2),
        (["-c", "routes.yaml", "--test", "mistake.yaml"], 1),
        (["-c", "bad.yaml", "--test", "tests.yaml"], 1),
        (["-c", "good.yaml", "--test", "passing.yaml", "--listener", "none"], 2),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    result = routes(*arguments)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_the_table() -> None:
    assert routes("-c", "good.yaml").stdout.startswith("listener      front on 127.0.0.1:8000")
    assert json.loads(routes("-c", "routes.yaml", "--json").stdout)[0]["listener"] is None


def test_an_explanation() -> None:
    assert "not           #1: header x-canary-version is not there" in routes("-c", "good.yaml", "--explain", ASK).stdout
    text = routes("-c", "good.yaml", "--explain", ASK, "-H", "x-canary-version: service1a").stdout
    assert "route         #1: prefix /service/1" in text
    told = json.loads(routes("-c", "good.yaml", "--explain", ASK, "--random", "30", "--json").stdout)
    assert [one["share"] for one in told["matched"][0]["candidates"]] == [0.0, 1.0]


def test_problems_are_told_with_their_places() -> None:
    assert "--> bad.yaml:22:19" in routes("-c", "bad.yaml").stderr
    assert "--> mistake.yaml:4:14" in routes("-c", "routes.yaml", "--test", "mistake.yaml").stderr


def test_tests() -> None:
    result = routes("-c", "routes.yaml", "--test", "tests.yaml", "--fail-under", "100")
    assert result.stdout.splitlines() == [
        "FAILED  bad  (tests.yaml:5:3)",
        "        cluster_name: expected one, got two",
        "2 tests, 1 failed",
        "coverage 100 %: 2 of 2 routes",
    ]
    assert routes("-c", "routes.yaml", "--test", "passing.yaml", "--details").stdout.splitlines()[-1] == (
        "not tested  all #2: prefix /  (routes.yaml:7:5)"
    )
    found = json.loads(routes("-c", "routes.yaml", "--test", "tests.yaml", "passing.yaml", "--json").stdout)
    assert (found["failures"], [test["name"] for test in found["tests"]]) == (1, ["good", "bad", "good"])


class Admin(BaseHTTPRequestHandler):
    """Says what it was asked."""

    def do_GET(self) -> None:
        self.send_response(400 if "listener=none" in self.path else 404 if "listener=gone" in self.path else 200)
        self.end_headers()
        self.wfile.write(f"{self.path}\n".encode())

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def admin() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Admin) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_running_proxy_is_asked(admin: str) -> None:
    assert routes("--admin", admin).stdout == "/routes?format=text\n"
    asked = routes("--admin", f"{admin}/", "--explain", "GET http://h/", "-H", "a: b", "-H", "c: d", "--random", "7", "--all", "--json")
    assert asked.stdout == (
        "/routes/explain?format=json&request=GET+http%3A%2F%2Fh%2F&header=a%3A+b&header=c%3A+d&from=127.0.0.1&random=7&all=\n"
    )
    refused = routes("--admin", admin, "--listener", "none")
    assert (refused.exit_code, refused.stderr) == (2, "/routes?format=text&listener=none\n")
    unknown = routes("--admin", admin, "--listener", "gone")
    assert unknown.exit_code == 3
    assert "has no /routes" in unknown.stderr


def test_it_says_whom_it_asks(monkeypatch: pytest.MonkeyPatch, admin: str) -> None:
    monkeypatch.setenv("SHIFTER_ADMIN", admin)
    result = routes()
    assert result.exit_code == 0
    assert result.stderr.startswith(f"asking the proxy at {admin} (")
