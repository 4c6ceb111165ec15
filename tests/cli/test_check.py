"""The `shifter` command."""

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner, Result

from shifter import __version__
from shifter.admin.dump import config_dump
from shifter.cli import main
from shifter.config import load
from shifter.model.bootstrap import Documents, Snapshot
from shifter.service.loading import loaded_again
from shifter.wire.h2_engine import ENGINE
from shifter.wire.heads import IMPLEMENTATION
from tests.config.test_discovered import CDS, FRONT, LDS, RDS
from tests.support.configs import FILE_LOG_TYPE, GOOD
from tests.support.programs import ROOT

BAD = GOOD.replace("port_value: 8000", "port_value: eighty")
ODD = GOOD.replace("0.25s", "250ms", 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("good.yaml", GOOD), ("bad.yaml", BAD), ("odd.yaml", ODD)):
        (tmp_path / name).write_text(text)
    return tmp_path


def shifter(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "good.yaml"], 0),
        (["check", "good.yaml", "odd.yaml"], 0),
        (["check", "--strict", "good.yaml"], 0),
        (["check", "--strict", "good.yaml", "odd.yaml"], 1),
        (["check", "bad.yaml", "good.yaml"], 1),
        (["check", "nothing.yaml"], 2),
        (["check", "nothing.yaml", "good.yaml"], 2),
        (["check", "nothing.yaml", "bad.yaml"], 2),
        (["check", "."], 2),
        (["check", "--format", "xml", "good.yaml"], 2),
        (["check"], 2),
        (["chekc", "good.yaml"], 2),
        ([], 2),
        (["--version"], 0),
        (["--help"], 0),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    assert shifter(*arguments).exit_code == code


@pytest.mark.usefixtures("folder")
def test_text() -> None:
    result = shifter("check", "good.yaml", "bad.yaml", "odd.yaml")
    assert result.stdout == (
        "good.yaml: OK\n"
        "error: a whole number is wanted here, not `eighty`\n  --> bad.yaml:7:21\n"
        "    7 |         port_value: eighty\n      |                     ^^^^^^\n"
        "bad.yaml: refused, 1 error\n"
        "warning: the duration `250ms` is taken for 0.25s\n  --> odd.yaml:54:22\n"
        "   54 |     connect_timeout: 250ms\n      |                      ^^^^^  Envoy wants 0.25s\n"
        "odd.yaml: OK, 1 warning\n"
    )
    assert result.stderr == ""


def test_a_file_of_endpoints_that_cannot_be_used(folder: Path) -> None:
    source = "{eds_config: {path_config_source: {path: eds.yaml}}}"
    cluster = f"static_resources:\n  clusters:\n  - {{name: web, type: EDS, eds_cluster_config: {source}}}\n"
    (folder / "eds.yaml").write_text("resources: [\n")
    (folder / "front.yaml").write_text(cluster)
    result = shifter("check", "front.yaml")
    assert result.exit_code == 0
    assert "the cluster `web` would have no endpoints: eds.yaml:" in result.stdout
    assert "--> front.yaml:3:5" in result.stdout
    assert shifter("check", "--strict", "front.yaml").exit_code == 1


@pytest.mark.usefixtures("folder")
def test_json() -> None:
    result = shifter("check", "--format", "json", "--strict", "good.yaml", "odd.yaml", "nothing.yaml")
    assert json.loads(result.stdout) == [
        {"file": "good.yaml", "ok": True, "problems": []},
        {
            "file": "odd.yaml",
            "ok": False,
            "problems": [
                {
                    "level": "error",
                    "file": "odd.yaml",
                    "line": 54,
                    "column": 22,
                    "width": 5,
                    "message": "the duration `250ms` is taken for 0.25s",
                    "hint": "Envoy wants 0.25s",
                }
            ],
        },
    ]
    assert result.stderr == "nothing.yaml: cannot be read: No such file or directory\n"
    assert shifter("check", "--json", "--strict", "good.yaml", "odd.yaml").stdout == result.stdout


def test_standard_input() -> None:
    assert shifter("check", "-", stdin=GOOD).stdout == "-: OK\n"
    assert "--> <stdin>:7:21" in shifter("check", "-", stdin=BAD).stdout


def test_a_file_for_a_body(folder: Path) -> None:
    (folder / "body.yaml").write_text(GOOD.replace("inline_string: hello", "filename: hello.txt"))
    missing = shifter("check", "body.yaml")
    assert missing.exit_code == 1 and "`hello.txt` cannot be read: No such file or directory" in missing.stdout
    (folder / "hello.txt").write_bytes(b"\xff")
    assert shifter("check", "body.yaml").exit_code == 0


def test_what_other_rooms_refuse(folder: Path) -> None:
    (folder / "regex.yaml").write_text(GOOD.replace("path: /hello", "safe_regex: {regex: '/('}"))
    log = f'          access_log: [{{name: a, typed_config: {{"@type": {FILE_LOG_TYPE}, path: /dev/null, format: "%NOPE%"}}}}]\n'
    (folder / "log.yaml").write_text(GOOD.replace("\n  clusters:\n", f"\n{log}  clusters:\n"))
    assert "this regular expression cannot be used: " in shifter("check", "regex.yaml").stdout
    assert "this format cannot be used: " in shifter("check", "log.yaml").stdout


def test_not_text(folder: Path) -> None:
    (folder / "binary.yaml").write_bytes(b"a: \xff\n")
    result = shifter("check", "binary.yaml")
    assert result.exit_code == 1
    assert result.stdout.startswith("error: this is not text in UTF-8\n  --> binary.yaml:1:4\n")


def test_version() -> None:
    assert shifter("--version").stdout == f"shifter {__version__}\n"
    verbose = shifter("--version", "-v").stdout.splitlines()
    assert verbose[0] == f"shifter {__version__}"
    assert [line.split()[0] for line in verbose[1:3]] == ["Python", "Twisted"]
    assert verbose[3] == f"head parser: {IMPLEMENTATION}"
    assert verbose[4] == f"HTTP/2: {ENGINE}"


def test_as_a_program(folder: Path) -> None:
    command = [sys.executable, "-m", "shifter.cli", "check", str(folder / "bad.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_annotations_for_github(folder: Path) -> None:
    odd = "a,b: 100%.yaml"
    (folder / odd).write_text(GOOD.replace("port_value: 8000", "port_value: 100%"))
    result = shifter("check", "--format", "github", odd, "odd.yaml", "good.yaml")
    assert (result.exit_code, result.stdout.splitlines()) == (
        1,
        [
            "::error file=a%2Cb%3A 100%25.yaml,line=7,col=21,endColumn=24,title=shifter check::a whole number is wanted here, not `100%25` "
            "(write 100, without the sign)",
            "::warning file=odd.yaml,line=54,col=22,endColumn=26,title=shifter check::the duration `250ms` is taken for 0.25s "
            "(Envoy wants 0.25s)",
        ],
    )


@pytest.mark.usefixtures("folder")
def test_old_spellings_can_be_kept_quiet() -> None:
    quiet = shifter("check", "--quiet-aliases", "odd.yaml")
    assert (quiet.exit_code, quiet.stdout) == (0, "odd.yaml: OK\n")
    assert shifter("check", "--quiet-aliases", "--strict", "odd.yaml").exit_code == 0


@pytest.mark.usefixtures("folder")
def test_what_would_change(folder: Path) -> None:
    (folder / "next.yaml").write_text(GOOD.replace("weight: 25", "weight: 50").replace("weight: 75", "weight: 50"))
    line = "~ route prefix /service/1: service1a 25 % -> 50 %, service1 75 % -> 50 %"
    assert shifter("check", "--diff", "good.yaml", "next.yaml").stdout == f"next.yaml: OK\n{line}\n"
    assert shifter("check", "--diff", "good.yaml", "odd.yaml").stdout.endswith("odd.yaml: OK, 1 warning\nnothing would change\n")
    assert json.loads(shifter("check", "--diff", "good.yaml", "--format", "json", "next.yaml").stdout)[0]["changes"] == [line]
    assert shifter("check", "--diff", "good.yaml", "--format", "github", "next.yaml").stdout == (
        "::notice file=next.yaml,title=shifter check --diff::" + line.replace("%", "%25") + "\n"
    )
    broken = shifter("check", "--diff", "good.yaml", "--format", "json", "bad.yaml")
    assert broken.exit_code == 1 and json.loads(broken.stdout)[0]["changes"] is None


@pytest.mark.usefixtures("folder")
def test_nothing_to_compare_with() -> None:
    broken = shifter("check", "--diff", "bad.yaml", "good.yaml")
    assert (broken.exit_code, broken.stdout) == (2, "")
    assert broken.stderr.endswith("bad.yaml: has errors itself, so nothing can be compared with it\n")
    assert shifter("check", "--diff", "nothing.yaml", "good.yaml").exit_code == 2


class Admin:
    """Something that answers to /config_dump on a port of its own."""

    def __init__(self, status: int, body: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == "/config_dump"
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.where = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Admin":
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def dump(text: str) -> bytes:
    loaded = load(text, "x")
    assert loaded.bootstrap is not None
    return json.dumps(config_dump(Snapshot(1, loaded.bootstrap, "x", Documents(json.dumps(loaded.document).encode())), 0.0)).encode()


@pytest.mark.usefixtures("folder")
def test_what_would_change_in_a_running_proxy(folder: Path) -> None:
    (folder / "next.yaml").write_text(GOOD.replace("path: /hello", "path: /bye"))
    with Admin(200, dump(GOOD)) as admin:
        for where in (admin.where, f"http://{admin.where}/"):
            assert shifter("check", "--diff", where, "next.yaml").stdout == (
                "next.yaml: OK\n+ route path /bye -> answer 200\n- route path /hello\n"
            )
        assert shifter("check", "--diff", admin.where, "good.yaml").stdout == "good.yaml: OK\nnothing would change\n"


FILES = [("front", FRONT), ("cds", CDS), ("lds", LDS), ("rds", RDS)]


def test_files_that_a_file_names(folder: Path) -> None:
    for name, text in FILES:
        (folder / f"{name}.yaml").write_text(text)
    assert shifter("check", "front.yaml").stdout == "front.yaml: OK\n"
    (folder / "rds.yaml").write_text(RDS.replace("cluster: one", "cluster: onne"))
    said = "rds.yaml:10:24\n   10 |       route: {cluster: onne}\n      |                        ^^^^  did you mean `one`?"
    assert said in shifter("check", "front.yaml").stdout
    assert "::error file=rds.yaml,line=10," in shifter("check", "--format", "github", "front.yaml").stdout
    [problem] = json.loads(shifter("check", "--format", "json", "front.yaml").stdout)[0]["problems"]
    assert (problem["file"], problem["line"]) == ("rds.yaml", 10)
    assert shifter("routes", "-c", "front.yaml").exit_code == 1


def test_what_would_change_in_a_running_proxy_with_files(folder: Path) -> None:
    """What it runs is taken from its dump, not from the files as they are now."""
    texts = {f"{name}.yaml": text.encode() for name, text in FILES}
    served = loaded_again(texts)
    assert served.bootstrap is not None
    dumped = json.dumps(config_dump(Snapshot(1, served.bootstrap, "x", served.documents), 0.0)).encode()
    for name, text in FILES:
        (folder / f"{name}.yaml").write_text(text.replace("prefix: /", "prefix: /new"))
    with Admin(200, dumped) as admin:
        told = shifter("check", "--diff", admin.where, "front.yaml").stdout
    assert told == "front.yaml: OK\n+ route prefix /new -> one\n- route prefix /\n"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, b"", "the proxy answers 503 to /config_dump"),
        (200, b"<html>", "what answers there is no proxy's admin listener"),
        (200, b"[]", "its /config_dump shows no configuration"),
        (200, b'{"configs": [{"@type": 1}, 2]}', "its /config_dump shows no configuration"),
    ],
)
def test_a_proxy_that_does_not_tell(status: int, body: bytes, said: str) -> None:
    with Admin(status, body) as admin:
        result = shifter("check", "--diff", admin.where, "good.yaml")
        assert (result.exit_code, result.stdout, result.stderr) == (3, "", f"{admin.where}: {said}\n")


@pytest.mark.usefixtures("folder")
def test_nobody_there() -> None:
    with Admin(200, b"") as admin:
        pass
    result = shifter("check", "--diff", admin.where, "good.yaml")
    assert (result.exit_code, result.stderr) == (3, f"{admin.where}: the proxy cannot be reached: Connection refused\n")
