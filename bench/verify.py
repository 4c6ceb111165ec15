"""Does a proxy do the work it is measured at? Asked once per proxy and scenario, before anything is measured.

A route table that sends everything to one place is fast; so is a proxy that answers errors. What is asked: the canary
header reaches the canary, a quarter of the rest does too, another prefix reaches its own cluster, bodies are whole.
"""

import http.client
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping

from bench.backend import SIZES
from bench.certificate import trusting
from bench.process import BenchError
from bench.scenarios import Scenario
from bench.work import CANARY, CANARY_HEADER, PATH, ROUTES

_ASKED = 400
_LIKELY = range(60, 141)  # of 400 at 25 %: more than four and a half standard deviations to each side


class _Asking:
    """One keep-alive HTTP/1.1 connection to a proxy that says which cluster answered."""

    def __init__(self, port: int, backends: Mapping[str, int], tls: bool) -> None:
        self._connection = (
            http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=trusting())
            if tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        )
        self._clusters = {str(number): name for name, number in backends.items()}

    def ask(self, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> tuple[str, int]:
        """The cluster that answered, and the length of its answer. BenchError for anything but a 200."""
        try:
            self._connection.request("POST" if body else "GET", path, body, dict(headers or {}))
            response = self._connection.getresponse()
            length = len(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"{path}: {error!r}") from error
        if response.status != 200:
            raise BenchError(f"{path}: answered {response.status}")
        return self._clusters.get(response.headers["x-served-by"] or "", "an unknown port"), length

    def close(self) -> None:
        self._connection.close()


def verify(scenario: Scenario, port: int, backends: Mapping[str, int], *, routes: bool) -> None:
    """BenchError says what the proxy on *port* did wrong. Without *routes* only that it answers with whole bodies."""
    if scenario.h2_down:
        _verify_h2(port, scenario.path)
        return
    asking = _Asking(port, backends, scenario.tls)
    try:
        _, length = asking.ask(scenario.path, body=b"x" * scenario.upload_bytes or None)
        due = SIZES.get(scenario.path.rpartition("/")[2])
        if due is not None and length != due:
            raise BenchError(f"{scenario.path}: {length} bytes instead of {due}")
        if routes:
            _verify_routes(asking)
    finally:
        asking.close()


def _verify_routes(asking: _Asking) -> None:
    reached, _ = asking.ask(PATH, {CANARY_HEADER: CANARY})
    if reached != CANARY:
        raise BenchError(f"{CANARY_HEADER}: {CANARY} reached {reached}")
    other = ROUTES[3]
    reached, _ = asking.ask(other.prefix)
    if reached != other.clusters[0][0]:
        raise BenchError(f"{other.prefix} reached {reached}")
    shares = Counter(asking.ask(PATH)[0] for _ in range(_ASKED))
    if shares[CANARY] not in _LIKELY:
        raise BenchError(f"of {_ASKED} requests {shares[CANARY]} reached {CANARY}: not 25 %")


def _verify_h2(port: int, path: str) -> None:
    program = shutil.which("h2load") or "h2load"
    done = subprocess.run(
        [program, "-n40", "-c2", "-m4", f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, timeout=20, check=False
    )
    if "40 2xx" not in done.stdout:
        raise BenchError(f"HTTP/2: {done.stdout.strip()[-200:] or done.stderr.strip()[-200:]}")
