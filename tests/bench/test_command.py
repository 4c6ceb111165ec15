"""The command line: what may be asked for, and the line that makes a table again."""

from dataclasses import fields

import pytest

from bench import candidates, load, scenarios
from bench.__main__ import arguments, entries_of, same_command, with_connections


def test_unknown_names_are_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["headrs"], ["--only", "envoy,ngnix"], ["--rounds", "0"]):
        with pytest.raises(SystemExit):
            arguments(argv)
    said = capsys.readouterr().err
    assert "unknown scenario 'headrs'" in said and "latency" in said
    assert "unknown proxy 'ngnix'" in said and "shifter-pure" in said


def test_the_line_that_makes_a_table_again_names_no_files() -> None:
    chosen = arguments(["plain", "log", "--only", "shifter,envoy", "--json", "/tmp/x.json", "--markdown", "page.md"])
    assert same_command(chosen) == "python -m bench plain log --rounds 5 --duration 3 --only shifter,envoy"
    assert arguments(same_command(chosen).split()[3:]).scenarios == ["plain", "log"]


def test_only_the_log_scenario_measures_a_candidate_twice() -> None:
    envoy = candidates.BY_NAME["envoy"]
    assert [entry.label for entry in entries_of(scenarios.BY_NAME["log"], [envoy])] == ["envoy + log", "envoy"]
    assert [entry.label for entry in entries_of(scenarios.BY_NAME["plain"], [envoy])] == ["envoy"]


def test_connections_replace_the_scenarios() -> None:
    idle = scenarios.BY_NAME["idle"]
    assert with_connections(idle, 0) == idle
    changed = with_connections(idle, 50)
    assert [field.name for field in fields(idle) if getattr(idle, field.name) != getattr(changed, field.name)] == ["connections"]


def test_http2_is_left_out_where_it_is_not_spoken() -> None:
    h2_up, h2_down = scenarios.BY_NAME["h2c-up"], scenarios.BY_NAME["h2-down"]
    unable = {name: (bool(one.unable(h2_up)), bool(one.unable(h2_down))) for name, one in candidates.BY_NAME.items()}
    assert unable["nginx"] == (True, False)
    assert unable["aiohttp"] == unable["twisted-web"] == (True, True)
    assert unable["shifter"] == unable["shifter-pure"] == unable["envoy"] == unable["haproxy"] == (False, False)


def test_varied_requests_differ_and_some_ask_for_the_canary() -> None:
    script = load.varied_script("/service/1", "front.example:8000", 500)
    assert "for i = 1, 500 do" in script and "at % 500 + 1" in script
    assert 'headers["x-canary-version"] = "service1a"' in script


def test_a_missing_generator_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "nghttp2-client" in load.missing(scenarios.BY_NAME["latency"])
    assert "wrk is not installed" in load.missing(scenarios.BY_NAME["headers"])
