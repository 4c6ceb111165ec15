"""Envoy itself, for tests that hold shifter against it; who has it installed, runs them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import until
from tests.support.wireclient import Wire


@contextmanager
def running_envoy(program: str, text: str, admin: int, directory: Path) -> Iterator[None]:
    """Envoy with the configuration *text*, whose admin listener is on port *admin*, from when it is ready until the end.

    What it logs is in ``envoy.log`` of *directory*; access logs in files are written within 50 ms.
    """
    config = directory / "envoy.yaml"
    config.write_text(text)
    command = [program, "-c", str(config), "--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]
    command += ["--file-flush-interval-msec", "50"]
    with open(directory / "envoy.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory, text=True, env=dict(os.environ))

    def live() -> None:
        with Wire(admin) as wire:
            if wire.ask("GET", "/ready").status != 200:
                raise BlockingIOError("not ready yet")

    try:
        until(process, live)
        yield
    finally:
        process.kill()
        process.wait()
