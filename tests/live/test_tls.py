"""TLS with clients over real sockets: one shifter that all of this is asked of, and curl."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from urllib.request import urlopen

import pytest

from tests.support.certificates import Authority
from tests.support.programs import PATIENCE
from tests.support.proxy import Config, Proxy, address, bootstrap, listener
from tests.support.tls_client import Encrypted, Hello, ask

TYPES = "type.googleapis.com/envoy.extensions"
SECRET_TYPE = f"{TYPES}.transport_sockets.tls.v3.Secret"
TLS_TYPE = f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext"
INSPECTOR_TYPE = f"{TYPES}.filters.listener.tls_inspector.v3.TlsInspector"
PROXY_TYPE = f"{TYPES}.filters.listener.proxy_protocol.v3.ProxyProtocol"
REQUEST = b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"


class Site:
    """A shifter with TLS, and the certificates of it and its clients in *directory*."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority()
        self.proxy = Proxy(directory)
        self.behind = self.proxy.reserve()
        """Where a PROXY header is expected."""
        (directory / "ca.pem").write_bytes(self.authority.pem)
        self.authority.issue("client", "spiffe://example.com/client").write(directory, "client")
        self.authority.issue("b.example").write(directory, "b")
        self.renew("first.example")

    def renew(self, name: str) -> None:
        """Have the secret of ``a.example`` be a certificate for *name* too; files are exchanged whole."""
        issued = self.authority.issue("a.example", name)
        sources = {"certificate_chain": issued.chain_pem, "private_key": issued.key_pem}
        inline = {field: {"inline_string": pem.decode()} for field, pem in sources.items()}
        text = json.dumps({"resources": [{"@type": SECRET_TYPE, "name": "a", "tls_certificate": inline}]})
        fresh = self.directory / "sds.new"
        fresh.write_text(text)
        os.replace(fresh, self.directory / "sds.json")

    def chain(self, names: list[str], **context: object) -> Config:
        [chain] = listener(0, [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": names[0]}}}])[
            "filter_chains"
        ]
        common = {"alpn_protocols": ["h2", "http/1.1"], **context}
        typed = {"@type": TLS_TYPE, "common_tls_context": common, "require_client_certificate": "validation_context" in context}
        return {
            **chain,
            "name": names[0],
            "filter_chain_match": {"server_names": names},
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": typed},
        }

    def listener(self, port: int, **filters: str) -> Config:
        """A listener with two filter chains; *filters* are its listener filters by name."""
        certificate = {
            "certificate_chain": {"filename": str(self.directory / "b.pem")},
            "private_key": {"filename": str(self.directory / "b.key")},
        }
        secret = {"name": "a", "sds_config": {"path_config_source": {"path": str(self.directory / "sds.json")}}}
        trust = {"trusted_ca": {"filename": str(self.directory / "ca.pem")}}
        return {
            "name": f"tls {port}",
            "address": address(port),
            "listener_filters": [{"name": name, "typed_config": {"@type": kind}} for name, kind in filters.items()],
            "filter_chains": [
                self.chain(["a.example"], tls_certificate_sds_secret_configs=[secret]),
                self.chain(["b.example"], tls_certificates=[certificate], validation_context=trust),
            ],
        }

    def configuration(self) -> Config:
        port, behind = self.proxy.port, self.behind
        listeners = [self.listener(port, tls=INSPECTOR_TYPE), self.listener(behind, proxy=PROXY_TYPE, tls=INSPECTOR_TYPE)]
        return bootstrap(self.proxy.admin, listeners, [])

    def page(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.proxy.admin}{path}", timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def curl(self, host: str, *options: str) -> str:
        """Return what curl prints: the page, and how it came."""
        where = ["--cacert", str(self.directory / "ca.pem"), "--connect-to", f"::127.0.0.1:{self.proxy.port}"]
        command = ["curl", "-sS", *where, "-w", " %{http_version} %{ssl_verify_result}", *options, f"https://{host}/"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout if done.returncode == 0 else f"curl: {done.returncode}"


with_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("tls"))
    with site.proxy as proxy:
        proxy.start(site.configuration())
        yield site


@with_curl
@pytest.mark.parametrize(("option", "version"), [("--http1.1", "1.1"), ("--http2", "2")])
def test_curl_by_server_name(site: Site, option: str, version: str) -> None:
    assert site.curl("a.example", option) == f"a.example {version} 0"


@with_curl
def test_a_client_certificate(site: Site) -> None:
    shown = ("--cert", str(site.directory / "client.pem"), "--key", str(site.directory / "client.key"))
    assert site.curl("b.example", *shown) == "b.example 2 0"
    assert site.curl("b.example") in ("curl: 35", "curl: 55", "curl: 56")
    line = site.proxy.says("no TLS with .*b.example")
    assert "the client sent no certificate, and one is required" in line


def test_another_name(site: Site) -> None:
    assert ask(site.proxy.port, Hello(server_name="c.example"), REQUEST).failed == "closed"
    assert ask(site.proxy.port, None, REQUEST).failed == "closed"
    assert "no_filter_chain_match: 2" in site.page("/stats?filter=no_filter_chain_match")


def test_behind_a_proxy_header(site: Site) -> None:
    hello = Hello(server_name="a.example")
    assert ask(site.behind, hello, REQUEST, before=b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n").body == b"a.example"
    assert ask(site.behind, Hello(server_name="a.example"), REQUEST).failed == "closed"


def test_a_secret_changes_under_load_and_no_request_fails(site: Site) -> None:
    stop = Event()
    answers: list[int] = []

    def keep_asking() -> None:
        with Encrypted(site.proxy.port, Hello(server_name="a.example")) as wire:
            while not stop.is_set():
                wire.send(REQUEST)
                answers.append(wire.answer("GET").status)

    clients = [Thread(target=keep_asking) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for name in ("second.example", "third.example"):
            site.renew(name)
            site.proxy.says("secret a in .* has changed, and is in use", 1 if name.startswith("second") else 2)
            told = ask(site.proxy.port, Hello(server_name="a.example"), REQUEST)
            assert (told.status, told.names) == (200, ("a.example", name))
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert set(answers) == {200}
    (site.directory / "sds.json").write_text("resources: []")
    site.proxy.says("the secret a cannot be taken")
    assert ask(site.proxy.port, Hello(server_name="a.example"), REQUEST).names == ("a.example", "third.example")
    site.renew("fourth.example")
    site.proxy.says("secret a in .* has changed", 3)


def test_a_certificate_in_a_file_is_read_again_with_a_reload(site: Site) -> None:
    client = Hello(server_name="b.example", client=site.directory / "client.both.pem")
    with Encrypted(site.proxy.port, client) as before:
        site.authority.issue("b.example", "renewed.example").write(site.directory, "b")
        site.proxy.reload(site.configuration())
        told = ask(site.proxy.port, Hello(server_name="b.example", client=client.client), REQUEST)
        assert told.names == ("b.example", "renewed.example")
        before.send(REQUEST)
        assert before.answer("GET").status == 200
    (site.directory / "b.key").write_bytes(site.authority.issue("x").key_pem)
    refused = "\n".join(site.proxy.refuse(site.configuration()))
    place = re.search(r":(\d+):(\d+): error: this is not the key of the certificate", refused)
    assert place is not None
    line = site.proxy.path.read_text().splitlines()[int(place[1]) - 1]
    assert "b.key" in line[int(place[2]) - 1 :]


def test_what_is_shown_of_it(site: Site) -> None:
    shown = json.loads(site.page("/certs"))["certificates"]
    names = [{name for kind in one["subject_alt_names"] for name in kind.values()} for part in shown for one in part["cert_chain"]]
    assert any("b.example" in one for one in names)
    assert shown[-1]["ca_cert"][0]["days_until_expiration"].isdigit()
    stats = site.page("/stats?filter=ssl")
    assert f"listener.127.0.0.1_{site.proxy.port}.ssl.versions.TLSv1.3: " in stats
    assert 'envoy_listener_ssl_versions{envoy_ssl_version="TLSv1.3",' in site.page("/stats/prometheus?filter=ssl")
