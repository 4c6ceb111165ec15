"""How commands ask a running proxy, and what they say when they cannot."""

import socket
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner

from shifter.cli import main
from shifter.cli.client import Client
from shifter.cli.exits import Failed
from tests.support.answering import answering
from tests.support.configs import GOOD


def test_parameters_and_bodies_arrive() -> None:
    with answering({"/x": (200, "well\n")}) as admin:
        answer = Client(f"http://{admin.address}/", "secret").post("/x", [("a", "1")], b"body", why="ä & b")
    (asked,) = admin.asked
    assert (answer.status, answer.text) == (200, "well\n")
    assert (asked.method, asked.path, asked.parameters, asked.token) == ("POST", "/x", {"a": "1", "why": "ä & b"}, "Bearer secret")
    assert asked.body == b"body"


def test_a_path_before_the_pages_is_kept() -> None:
    with answering({"/admin/ready": (200, "LIVE\n")}) as admin:
        assert Client(f"http://{admin.address}/admin/").get("/ready").text == "LIVE\n"


@pytest.mark.parametrize("status", [400, 409])
def test_a_refusal_is_an_answer(status: int) -> None:
    with answering({"/x": (status, "no\n")}) as admin:
        assert Client(admin.address).get("/x") == (status, "no\n")


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(401, 3, "wants a token"), (404, 3, "has no /x"), (403, 1, "answers 403 for /x: no"), (500, 1, "answers 500")],
)
def test_other_answers_are_failures(status: int, code: int, words: str) -> None:
    with answering({"/x": (status, "no\nmore")}) as admin, pytest.raises(Failed, match=words) as raised:
        Client(admin.address).get("/x")
    assert raised.value.exit_code == code


def test_not_ready_is_an_answer() -> None:
    with answering({"/ready": (503, "DRAINING\n")}) as admin:
        assert Client(admin.address).get("/ready").text == "DRAINING\n"


def test_what_is_no_json_is_no_admin_listener() -> None:
    with answering({"/x": (200, "<html>")}) as admin, pytest.raises(Failed, match="no proxy's admin listener"):
        Client(admin.address).get("/x").json()


@pytest.mark.parametrize(
    "where", ["", "front", "ftp://front:1", "http://", "front:port", "front:99999", "http://front:99999", "http://[", "unix:"]
)
def test_what_is_no_address(where: str) -> None:
    with pytest.raises(Failed, match="--admin takes") as raised:
        Client(where)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("token", ["", "two words", "ä", "a\nb"])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(Failed, match="token is one word"):
        Client("127.0.0.1:1", token)


def test_nobody_there() -> None:
    with pytest.raises(Failed, match=r"127\.0\.0\.1:1 cannot be reached: Connection refused") as raised:
        Client("127.0.0.1:1").get("/ready")
    assert raised.value.exit_code == 3


def test_somebody_else_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def rude() -> None:
            peer = server.accept()[0]
            peer.recv(1000)
            peer.sendall(b"220 mail.example ESMTP\r\n")
            peer.close()

        thread = Thread(target=rude)
        thread.start()
        with pytest.raises(Failed, match="cannot be reached"):
            Client(f"127.0.0.1:{server.getsockname()[1]}").get("/ready")
        thread.join()


def test_a_unix_domain_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "admin")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def answer() -> None:
            peer = server.accept()[0]
            peer.recv(1000)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nLIVE\n")
            peer.close()

        thread = Thread(target=answer)
        thread.start()
        assert Client(f"unix:{path}").get("/ready").text == "LIVE\n"
        thread.join()


PAGES = {"/listeners": {"listener_statuses": []}}


def test_the_environment_says_who_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(PAGES) as admin:
        monkeypatch.setenv("SHIFTER_ADMIN", admin.address)
        monkeypatch.setenv("SHIFTER_ADMIN_TOKEN", "secret\n")
        assert CliRunner().invoke(main, ["listeners"]).exit_code == 0
        assert CliRunner().invoke(main, ["listeners", "--admin", "127.0.0.1:1"]).exit_code == 3
    assert {one.token for one in admin.asked} == {"Bearer secret"}


def test_a_configuration_says_who_is_asked(tmp_path: Path) -> None:
    config, token = tmp_path / "front.yaml", tmp_path / "token"
    token.write_text("from-file\n")
    with answering(PAGES) as admin:
        port = admin.address.partition(":")[2]
        config.write_text(f"admin: {{address: {{socket_address: {{address: 0.0.0.0, port_value: {port}}}}}}}\nstatic_resources: {{}}\n")
        arguments = ["listeners", "-c", str(config), "--token-file", str(token)]
        assert CliRunner().invoke(main, arguments).exit_code == 0
        assert CliRunner().invoke(main, [*arguments, "--admin", admin.address]).exit_code == 2
    assert {one.token for one in admin.asked} == {"Bearer from-file"}


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, 2, "cannot be read"),
        ("static_resuorces: {}\n", 1, "unknown field"),
        (GOOD.partition("admin:")[0], 1, "has no admin listener"),
    ],
)
def test_configurations_that_do_not_say_it(tmp_path: Path, text: str | None, code: int, words: str) -> None:
    config = tmp_path / "front.yaml"
    if text is not None:
        config.write_text(text)
    result = CliRunner().invoke(main, ["listeners", "-c", str(config)])
    assert (result.exit_code, words in result.output) == (code, True)


def test_a_token_file_that_is_not_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["listeners", "--token-file", str(tmp_path / "none")])
    assert (result.exit_code, "cannot be read: No such file" in result.output) == (2, True)
