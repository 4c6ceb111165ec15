"""TLS towards an endpoint over real sockets, over reloads and while its secrets change: no request fails meanwhile."""

import json
import os
from pathlib import Path

from tests.support.certificates import Authority, Certificate
from tests.support.proxy import Config, Proxy, bootstrap, cluster, http2, listener, route
from tests.support.tls_backend import TlsBackend
from tests.support.wireclient import ask

TYPES = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."


def show(directory: Path, certificate: Certificate) -> None:
    """Have *certificate* be the secret ``mine``; files are exchanged whole."""
    sources = {"certificate_chain": certificate.chain_pem, "private_key": certificate.key_pem}
    inline = {field: {"inline_string": pem.decode()} for field, pem in sources.items()}
    fresh = directory / "sds.new"
    fresh.write_text(json.dumps({"resources": [{"@type": TYPES + "Secret", "name": "mine", "tls_certificate": inline}]}))
    os.replace(fresh, directory / "sds.json")


def configuration(proxy: Proxy, directory: Path, port: int, sni: str, **more: object) -> Config:
    common = {
        "tls_certificate_sds_secret_configs": [
            {"name": "mine", "sds_config": {"path_config_source": {"path": str(directory / "sds.json")}}}
        ],
        "validation_context": {"trusted_ca": {"filename": str(directory / "ca.pem")}},
    }
    context = {"@type": TYPES + "UpstreamTlsContext", "sni": sni, "common_tls_context": common}
    socket = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return bootstrap(
        proxy.admin, [listener(proxy.port, [route("/", "web")])], [cluster("web", port, transport_socket=socket, **{**http2(), **more})]
    )


def test_reloads_and_new_secrets(proxy: Proxy, tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    show(tmp_path, authority.issue("first.client"))
    with TlsBackend(authority.issue("a.example", "b.example"), tmp_path, trusted=authority.pem) as backend:

        def told() -> tuple[str, str, int]:
            """The server name and the client's certificate of the connection a request goes over, and how many there have been."""
            answer = ask(proxy.port, "GET", "/")
            assert answer.status == 200, answer
            body = json.loads(answer.body)
            assert body["alpn"] == "h2"
            return body["sni"], body["client"], backend.handshakes

        proxy.start(configuration(proxy, tmp_path, backend.port, "a.example"))
        assert told() == ("a.example", "CN=first.client", 1)
        assert told() == ("a.example", "CN=first.client", 1)
        proxy.reload(configuration(proxy, tmp_path, backend.port, "a.example", connect_timeout="7s"))
        assert told() == ("a.example", "CN=first.client", 1)  # nothing about the connection has changed
        show(tmp_path, authority.issue("second.client"))
        proxy.says("secret mine in .* has changed")
        assert told() == ("a.example", "CN=first.client", 1)  # it stays
        proxy.reload(configuration(proxy, tmp_path, backend.port, "b.example"))
        assert told() == ("b.example", "CN=second.client", 2)
        (tmp_path / "ca.pem").write_bytes(Authority("Another CA").pem)
        proxy.reload(configuration(proxy, tmp_path, backend.port, "b.example"))
        assert ask(proxy.port, "GET", "/").status == 503
        proxy.says("cluster web: no TLS with 127.0.0.1:.* signed by CN=Test CA")
        (tmp_path / "ca.pem").write_bytes(authority.pem)
        proxy.reload(configuration(proxy, tmp_path, backend.port, "b.example"))
        assert told()[:2] == ("b.example", "CN=second.client")
    stats = proxy.stats()
    assert stats["cluster.web.ssl.handshake"] == 3 == stats["cluster.web.upstream_cx_http2_total"] - 1
    assert stats["cluster.web.ssl.fail_verify_error"] == 1
