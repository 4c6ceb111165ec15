"""Log files are exchanged under load and no line is lost or written twice; a full disk and a pipe that nobody reads cost lines, and
no request."""

import os
import signal
import threading
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path

from tests.support.configs import FILE_LOG_TYPE
from tests.support.programs import PATIENCE
from tests.support.proxy import Config, Proxy

CLIENTS = 4
REQUESTS = 400
ROTATIONS = 8
LONG = "x" * 16_384
ANSWER: Config = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}


def file_log(path: Path | str, line: str, **more: object) -> Config:
    form = {"text_format_source": {"inline_string": line + "\n"}}
    return {"name": "file", "typed_config": {"@type": FILE_LOG_TYPE, "path": str(path), "log_format": form}, **more}


class Load(threading.Thread):
    """A client that asks for paths of its own until there were enough, on one connection."""

    def __init__(self, proxy: Proxy, name: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._proxy = proxy
        self._client = name

    def run(self) -> None:
        with self._proxy.connect() as wire:
            for number in range(REQUESTS):
                path = f"/{self._client}/{number}"
                self.statuses[wire.ask("GET", path).status] += 1
                self.asked.append(path)


def test_files_are_exchanged_under_load_and_full_ones_keep_nobody_waiting(proxy: Proxy, tmp_path: Path) -> None:
    log, pipe = tmp_path / "access.log", tmp_path / "pipe"
    os.mkfifo(pipe)
    json_log = file_log(tmp_path / "json.log", "")
    json_log["typed_config"]["log_format"] = {"json_format": {"path": "%REQ(:path)%", "status": "%RESPONSE_CODE%"}}
    logs = [
        file_log(log, "%REQ(:path)%"),
        json_log | {"filter": {"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 500}}}}},
        file_log("/dev/full", LONG),
        file_log(pipe, LONG),
    ]
    proxy.front([ANSWER], [], access_log=logs)
    clients = [Load(proxy, str(number)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for number in range(ROTATIONS):
        wanted = CLIENTS * REQUESTS * (number + 1) // (ROTATIONS + 1)
        while sum(len(client.asked) for client in clients) < wanted:
            clients[0].join(0.001)
        log.rename(tmp_path / f"access.log.{number}")
        if number % 2:
            proxy.signal(signal.SIGUSR1)
        else:
            reopen(proxy)
    for client in clients:
        client.join(PATIENCE)
        assert client.statuses == {200: REQUESTS}
    stats = proxy.until(lambda stats: stats["shifter.access_log.lost"])
    assert stats["filesystem.write_failed"] > 0
    assert stats["filesystem.reopen_failed"] == 0
    proxy.says("access log lines were lost")
    proxy.stop()
    files = [*sorted(tmp_path.glob("access.log.*")), log]
    lines = Counter(line for file in files for line in file.read_text().splitlines())
    assert len(files) > ROTATIONS // 2
    assert lines == Counter(path for client in clients for path in client.asked)
    assert (tmp_path / "json.log").read_bytes() == b""


def reopen(proxy: Proxy) -> None:
    connection = HTTPConnection("127.0.0.1", proxy.admin, timeout=PATIENCE)
    connection.request("POST", "/reopen_logs")
    assert connection.getresponse().read() == b"OK\n"
    connection.close()
