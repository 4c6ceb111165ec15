"""A browser in front of it: a page over HTTP/2 and TLS, what it fetches, and a WebSocket on the same connection."""

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.server import ServerConnection, serve

from tests.support.backend import Backend
from tests.support.certificates import Authority
from tests.support.proxy import Proxy, bootstrap, cluster, listener

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), "")

PAGE = """<!doctype html><title>shifter</title><script type="module">
const told = {page: performance.getEntriesByType("navigation")[0].nextHopProtocol};
const answers = await Promise.all([...Array(40).keys()].map(number => fetch("/fetched/" + number)));
told.fetched = answers.filter(answer => answer.ok).length;
await Promise.all(answers.map(answer => answer.text()));
told.protocols = [...new Set(performance.getEntriesByType("resource").map(entry => entry.nextHopProtocol))].join();
const socket = new WebSocket("wss://" + location.host + "/echo");
socket.binaryType = "arraybuffer";
const heard = [];
socket.onopen = () => { socket.send("hello"); socket.send(new Uint8Array(300000)); };
socket.onmessage = message => {
  heard.push(message.data.byteLength ?? message.data);
  if (heard.length === 2) socket.close(4001, "enough");
};
socket.onclose = async end => {
  told.heard = heard.join(); told.code = end.code; told.clean = end.wasClean;
  await fetch("/told", {method: "POST", body: new URLSearchParams(told)});
};
</script>"""


@contextmanager
def echo_server() -> Iterator[int]:
    """The port of a WebSocket server that says what it hears."""

    def echo(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosedError):  # 4001 is no ordinary end
            for message in connection:
                connection.send(message)

    with serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
def test_a_page_and_its_websocket(tmp_path: Path) -> None:
    Authority().issue("localhost").write(tmp_path, "server")
    answer = f"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {len(PAGE)}\r\n\r\n{PAGE}"
    with Backend("web") as web, echo_server() as echo, Proxy(tmp_path / "shifter") as proxy:
        port, admin = proxy.port, proxy.admin
        routes = [
            {"match": {"path": "/echo"}, "route": {"cluster": "echo", "upgrade_configs": [{"upgrade_type": "websocket"}]}},
            {"match": {"prefix": "/"}, "route": {"cluster": "web"}},
        ]
        front = listener(port, routes, http2_protocol_options={"allow_connect": True})
        front["filter_chains"][0]["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_certificates": [
                        {
                            "certificate_chain": {"filename": str(tmp_path / "server.pem")},
                            "private_key": {"filename": str(tmp_path / "server.key")},
                        }
                    ],
                },
            },
        }
        proxy.start(bootstrap(admin, [front], [cluster("web", web.port), cluster("echo", echo)]))
        command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--no-first-run"]
        command += ["--remote-debugging-port=0", f"--user-data-dir={tmp_path / 'browser'}"]  # a port, or it would end with the page's load
        url = f"https://localhost:{port}/raw?bytes={quote(answer, safe='')}"
        browser = subprocess.Popen([*command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            [told] = web.seen(lambda request: request.path == "/told" and request.whole)
        finally:
            browser.kill()
            browser.wait()
        assert told.body.decode() == "page=h2&fetched=40&protocols=h2&heard=hello%2C300000&code=4001&clean=true"
        stats = proxy.stats()
        assert stats["http.front.downstream_cx_http1_total"] == 0  # the WebSocket, too, is a stream of the HTTP/2 connection
        assert stats["http.front.downstream_cx_upgrades_total"] == 1
