"""A running shifter asked by its own commands: with a token, and about its log."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shifter.cli import main
from shifter.cli.client import Client
from shifter.cli.exits import Failed
from tests.support.proxy import Proxy, route


def test_an_admin_listener_that_wants_a_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef-0123456789abcdef\n")
    with Proxy(tmp_path / "proxy", "--admin-token-file", str(token)) as proxy:
        proxy.front([route("/", "nobody")], [{"name": "nobody", "type": "STATIC", "connect_timeout": "1s"}])
        where = f"127.0.0.1:{proxy.admin}"

        def shifter(*words: str) -> Result:
            return CliRunner().invoke(main, [*words, "--admin", where, "--token-file", str(token)])

        with pytest.raises(Failed, match="wants a token"):
            Client(where).get("/stats")
        assert Client(where).get("/ready").text == "LIVE\n"
        with pytest.raises(Failed, match="wants a token"):
            Client(where, "wrong-wrong-wrong-wrong").post("/quitquitquit")

        assert shifter("status").stdout.startswith("LIVE  shifter/")
        assert [one["name"] for one in json.loads(shifter("listeners", "--json").stdout)["listener_statuses"]] == ["front"]
        assert shifter("reload").exit_code == 0
        assert "server.live: 1" in shifter("stats", "^server.live$").stdout

        client = Client(where, token.read_text().strip())
        assert "shifter.service.controller: error" in client.post("/logging", paths="shifter.service.*:error").text
        said = len(proxy.log)
        assert shifter("reload").exit_code == 0
        assert "shifter.service.controller: info" in client.post("/logging", level="info").text
        assert not [line for line in proxy.log[said:] if "is served" in line]

        assert client.post("/quitquitquit").text == "OK\n"
        assert proxy.wait() == 0
