"""``shifter release simulate`` as people call it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shifter.cli.release_simulate import _as_text, command
from shifter.release.simulate import FAULTS, ROLLED_BACK, Found, Run

RELEASE = """
name: next
route: {virtual_host: backend, prefix: /service/1}
baseline: service1
canary: service1a
steps: [{weight: 50, max: 90s}, {weight: 100}]
"""
BEGAN = 1795413205


@pytest.fixture
def release(tmp_path: Path) -> Path:
    path = tmp_path / "release.yaml"
    path.write_text(RELEASE)
    return path


def test_a_row_is_of_one_run() -> None:
    """What is in the middle of several runs is not of one: some would be braked after they are over."""
    ends = ((240, None), (120, None), (600, 300))
    runs = tuple(Run(ROLLED_BACK, seconds, "1 %", seconds, 3, 3, "why", braked, None, ()) for seconds, braked in ends)
    row = _as_text([Found(FAULTS[1], runs)]).splitlines()[1]
    assert row.split() == ["broken", "rolled", "back", "3", "of", "3", "4", "min", "1", "%", "240", "3", "3", "-", "-"]


def call(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], input=stdin)


def line(at: float, path: str = "/service/1", status: int = 200, flags: str = "-", ms: int = 20) -> str:
    when = datetime.fromtimestamp(BEGAN + at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f'[{when}] "GET {path} HTTP/1.1" {status} {flags} 0 88 {ms} 1 "-" "-" "id" "host" "10.0.0.1:80"'


def as_json(at: float) -> str:
    return json.dumps({"start_time": BEGAN + at, "duration": 20, "response_code": 200, "path": "/service/1?x"})


def test_a_rate(release: Path) -> None:
    result = call(
        release, "--rate", 40, "--errors", "1%", "--latency", "50ms", "--fault", "healthy", "--fault", "broken", "--longest", "90s"
    )
    lines = result.stdout.splitlines()
    assert lines[0] == "next: 40 requests a second are made up, 1.00% of them fail, their median latency is 50 ms"
    assert lines[2].split()[:4] == ["canary", "ends", "runs", "after"]
    assert lines[4].startswith("broken") and "rolled back" in lines[4] and "3 of 3" in lines[4]
    assert any(line.startswith("broken: rolling back: e = ") for line in lines)
    assert result.exit_code == 0


def test_who_is_not_caught_is_told_by_the_exit_code(release: Path) -> None:
    result = call(release, "--rate", 1, "--fault", "errors=1%", "--runs", 1, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["release"], told["rate"], told["errors"]) == (1, "next", 1.0, 0.001)
    [fault] = told["faults"]
    assert (fault["fault"], fault["outcome"], fault["times"], fault["of"]) == ("errors +1 %", "waits for a person", 1, 1)
    assert fault["typical"]["seconds"] == 90 and fault["typical"]["step"] == "50 %"
    assert [event["event"] for event in fault["runs"][0]["events"]] == ["started", "step", "undecided"]
    goes_on = json.loads(call(release, "--rate", 1, "--fault", "healthy", "--runs", 1, "--advance", "--json").stdout)
    assert goes_on["faults"][0]["typical"]["full"] == 90


def test_an_access_log(release: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    lines = [line(number / 20, status=500 if number % 100 == 7 else 200) for number in range(600)]
    lines += [as_json(30 + number / 20) for number in range(100)]
    lines[5:5] = ["what is this?", line(0.2, path="/other"), line(0.2, status=0, flags="DC")]
    log.write_text("\n".join(lines) + "\n")
    result = call(release, "--from", log, "--fault", "broken")
    assert result.stderr == f"{log}:6: neither Envoy's default format nor JSON: 'what is this?'\n"
    assert result.exit_code == 0, result.output
    told = json.loads(call(release, "--from", log, "--fault", "healthy", "--runs", 1, "--json").stdout)
    assert (told["lines"], told["unreadable"], told["elsewhere"], told["left"]) == (703, 1, 1, 1)
    assert (told["requests"], told["failed"], told["problems"][0]["line"]) == (700, 6, 6)
    assert told["faults"][0]["outcome"] == "out of requests"
    said = call(release, "--from", log, "--fault", "healthy", "--runs", 1)
    assert said.stdout.startswith(f"next: 700 requests of {log}, 20 a second for 35 s, 6 of them failed; left out: 1 of other routes, ")
    assert "no more requests in step 50 %" in said.stdout


def test_a_log_from_standard_input(release: Path) -> None:
    result = call(release, "--from", "-", "--fault", "healthy", stdin="\n".join([line(0.0), line(1.0), *["?"] * 7]))
    assert result.exit_code == 0
    assert "<stdin>:3: neither" in result.stderr and "<stdin>: 2 more lines cannot be read" in result.stderr


def test_what_cannot_be_done_is_told(release: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.log"
    empty.write_text(line(0.0, path="/other"))
    for words, code, said in (
        ((release,), 2, "say where requests come from"),
        ((release, "--rate", 1, "--from", "x"), 2, "say where requests come from"),
        ((release, "--from", tmp_path / "nowhere"), 2, "cannot be read: No such file"),
        ((release, "--from", empty), 1, "no request of the release's route in 1 lines"),
        ((tmp_path / "nowhere", "--rate", 1), 2, "cannot be read"),
        ((release, "--rate", 1, "--fault", "errors=200%"), 2, "no more than 100 %"),
        ((release, "--rate", 1, "--fault", "noise"), 2, "'noise' is none of healthy, broken"),
        ((release, "--rate", 1, "--errors", "many"), 2, "'many' is not between 0 % and 100 %"),
        ((release, "--rate", 1, "--longest", "never"), 2, "'never' is not a time"),
        ((release, "--rate", 0), 2, "0"),
    ):
        result = call(*words)
        assert (result.exit_code, said in result.stderr) == (code, True), (words, result.output)
    release.write_text(RELEASE.replace("weight: 50", "weight: much"))
    result = call(release, "--rate", 1)
    assert result.exit_code == 1 and "release.yaml:6" in result.stderr
