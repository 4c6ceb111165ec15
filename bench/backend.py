"""What stands behind the proxies: nginx with one worker, or, without nginx, a small server in Python.

Both answer ``…/10k`` and ``…/1m`` with so many bytes and everything else with about 100, and name in ``X-Served-By`` the
port that was asked, by which `verify` sees where a proxy sent a request. The Python one speaks HTTP/1.1 only and is
slow: with it the proxy's CPU per request still holds, but requests per second and latency are the backend's.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.configs import nginx_frame
from bench.process import Command, free_ports, running, wait_listening
from bench.work import CLUSTERS

GREETING: Final = b"Hello from behind the proxy (service 1)! hostname: d0adee810fc4 resolvedhostname: 172.18.0.4 .......\n"
SIZES: Final = {"10k": 10_240, "1m": 1 << 20}


@dataclass(frozen=True, slots=True)
class Backend:
    """A running backend: which program, its process, and a port for each cluster and protocol (no HTTP/2: no ports)."""

    program: str
    pid: int
    h1: Mapping[str, int]
    h2: Mapping[str, int]


def _nginx(directory: Path, h1: list[int], h2: list[int]) -> str:
    for name, size in SIZES.items():
        (directory / name).write_bytes(b"x" * size)
    listen = "\n".join(
        [
            *(f"    listen 127.0.0.1:{port} backlog=8192;" for port in h1),
            *(f"    listen 127.0.0.1:{port} http2 backlog=8192;" for port in h2),
        ]
    )
    files = "\n".join(f"    location ~ /{name}$ {{ alias {directory}/{name}; }}" for name in SIZES)
    return nginx_frame(
        str(directory),
        f"""  access_log off;
  sendfile on;
  open_file_cache max=100 inactive=600s;
  open_file_cache_valid 600s;
  http2_max_concurrent_streams 1000;
  types {{ }}
  default_type text/plain;
  add_header X-Served-By $server_port;
  server {{
{listen}
{files}
    location / {{
      return 200 "{GREETING.decode().strip()}\\n";
    }}
  }}
""",
    )


@contextmanager
def serving(directory: Path, cpu: int) -> Iterator[Backend]:
    """A backend on *cpu* for as long as the block lasts."""
    ports = free_ports(2 * len(CLUSTERS))
    h1, h2 = ports[: len(CLUSTERS)], ports[len(CLUSTERS) :]
    output = directory / "backend.log"
    program = shutil.which("nginx")
    if program is not None:
        config = directory / "backend.conf"
        config.write_text(_nginx(directory, h1, h2), encoding="ascii")
        argv = [program, "-e", str(output), "-p", str(directory), "-c", str(config)]
    else:
        h2 = []
        argv = [sys.executable, "-m", "bench.fallback", *map(str, h1)]
    environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
    with running(Command(argv, output, environment), cpu) as process:
        for port in (*h1, *h2):
            wait_listening(port, process, output)
        name = "nginx" if program else "python (nginx is not installed)"
        yield Backend(name, process.pid, dict(zip(CLUSTERS, h1, strict=True)), dict(zip(CLUSTERS, h2, strict=False)))
