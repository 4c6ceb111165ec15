"""One description, many configurations: each says the work, and those whose reader is here are read."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from bench import configs
from bench.candidates import envoy_program
from bench.certificate import certificate
from bench.work import CLUSTERS, PATH, ROUTES, Work, routes_of
from shifter.config import load
from shifter.config.judge import Judge
from shifter.model.tcp_proxy import TcpProxy

VARIANTS = ["plain", "h2_up", "h2_down", "log", "tls", "tcp"]


def work(directory: Path, variant: str = "plain") -> Work:
    backends = dict(zip(CLUSTERS, (21001, 21002, 21003), strict=True))
    log = directory / "access.log" if variant == "log" else None
    tls = certificate(directory) if variant == "tls" else None
    return Work(22000, backends, directory, variant == "h2_down", variant == "h2_up", log, tls, tcp=variant == "tcp")


@pytest.mark.parametrize("variant", VARIANTS)
def test_shifter_understands_all_of_it(tmp_path: Path, variant: str) -> None:
    loaded = load(configs.envoy(work(tmp_path, variant)), "bench.yaml", Judge(files=lambda name: Path(name).read_bytes()))
    assert [problem.message for problem in loaded.problems] == []
    assert loaded.bootstrap is not None
    (listener,) = loaded.bootstrap.listeners
    assert listener.address.port == 22000
    assert {cluster.protocol.value for cluster in loaded.bootstrap.clusters} == {"HTTP2" if variant == "h2_up" else "HTTP1"}
    if variant == "tcp":
        [chain] = listener.filter_chains
        assert isinstance(chain.filter, TcpProxy)
        assert [(one.name, one.weight) for one in chain.filter.clusters] == [("service1a", 25), ("service1", 75)]
        return
    assert len(next(listener.managers).route_config.virtual_hosts[0].routes) == len(ROUTES) == 10
    assert len(next(listener.managers).access_log) == (variant == "log")
    assert (listener.filter_chains[0].tls is not None) == (variant == "tls")


@pytest.mark.parametrize("variant", VARIANTS)
def test_envoy_accepts_it(tmp_path: Path, variant: str) -> None:
    if not envoy_program():
        pytest.skip("Envoy is not installed")
    config = tmp_path / "envoy.yaml"
    config.write_text(configs.envoy(work(tmp_path, variant)))
    accept([envoy_program(), "--mode", "validate", "--disable-hot-restart", "-c", str(config)])


@pytest.mark.parametrize("variant", ["plain", "h2_down", "log", "tls"])
def test_nginx_accepts_it(tmp_path: Path, variant: str) -> None:
    program = shutil.which("nginx") or pytest.skip("nginx is not installed")
    config = tmp_path / "nginx.conf"
    config.write_text(configs.nginx(work(tmp_path, variant)))
    accept([program, "-t", "-q", "-e", str(tmp_path / "log"), "-p", str(tmp_path), "-c", str(config)])


@pytest.mark.parametrize("variant", VARIANTS)
def test_haproxy_accepts_it(tmp_path: Path, variant: str) -> None:
    program = shutil.which("haproxy") or pytest.skip("haproxy is not installed")
    config = tmp_path / "haproxy.cfg"
    config.write_text(configs.haproxy(work(tmp_path, variant)))
    accept([program, "-c", "-q", "-f", str(config)])


def accept(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nginx_splits_and_matches_as_the_routes_say(tmp_path: Path) -> None:
    text = configs.nginx(work(tmp_path))
    assert "25% service1a; * service1;" in text
    assert "map $http_x_canary_version" in text and "{ service1a service1a; default $split" in text
    assert text.count("location ^~ ") == 9  # both routes of the load share a prefix


def test_the_peers_read_the_same_routes(tmp_path: Path) -> None:
    said = json.loads(configs.peer(work(tmp_path)))
    assert said["routes"][-1] == {"prefix": "/service/1", "header": None, "clusters": [["service1a", 25], ["service1", 75]]}
    assert said["routes"][-2]["header"] == ["x-canary-version", "service1a"]
    assert len(said["routes"]) == 10


@pytest.mark.parametrize("count", [10, 11, 1000])
def test_longer_tables_are_the_usual_one_with_more_before_its_end(count: int) -> None:
    routes = routes_of(count)
    assert len(routes) == count
    assert routes[:8] + routes[-2:] == ROUTES
    assert [route.prefix for route in routes if PATH.startswith(route.prefix)] == [PATH, PATH]
    assert len({(route.prefix, route.header) for route in routes}) == count
