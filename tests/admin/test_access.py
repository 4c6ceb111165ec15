"""Who may ask the admin listener, and change something there."""

import pytest

from shifter.admin.access import is_own_host
from shifter.admin.page import MAX_BODY
from shifter.admin.pages import COMMANDS
from tests.support.admin import Answer, Asker, FixedView

CHANGING = [command.path for command in COMMANDS if command.method == "POST" or command.changing]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8001", "[::1]:8001", "::1", "localhost:8001", "LOCALHOST", "front", "a.localhost", "10.0.0.1."]
)
def test_own_hosts(host: str) -> None:
    assert is_own_host(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8001", "127.0.0.1.evil.example", "localhost.evil.example.", "1.2.3", "a.b:c:d"]
)
def test_foreign_hosts(host: str) -> None:
    assert not is_own_host(host)
    answer = Asker().ask("/config_dump", headers=[f"Host: {host}"])
    assert answer.status == 403
    assert "configs" not in answer.body


def test_configured_hosts_are_own() -> None:
    assert Asker(names=["Admin.Example"]).ask("/ready", headers=["Host: admin.example:8001"]).status == 200


def test_several_hosts_are_nobodys() -> None:
    assert Asker().ask("/ready", headers=["Host: localhost", "Host: localhost"]).status == 403


@pytest.mark.parametrize(
    "fields",
    [
        ["Origin: http://evil.example"],
        ["Origin: null"],
        ["Origin: http://127.0.0.1:3000"],
        ["Origin: http://127.0.0.1"],
        ["Sec-Fetch-Site: cross-site"],
        ["Sec-Fetch-Site: same-site"],
        ["Origin: http://127.0.0.1:8001", "Origin: http://evil.example"],
    ],
)
@pytest.mark.parametrize("path", CHANGING)
def test_a_page_of_another_site_changes_nothing(path: str, fields: list[str]) -> None:
    view = FixedView()
    assert Asker(view).ask(path, "POST", ["Host: 127.0.0.1:8001", *fields]).status == 403
    assert view.done == []


def test_a_page_without_a_name_is_not_ours_where_the_host_has_none_either() -> None:
    assert Asker().ask("/reload", "POST", ["Host: ", "Origin: null"]).status == 403


@pytest.mark.parametrize("fields", [["Origin: http://127.0.0.1:8001", "Sec-Fetch-Site: same-origin"], ["Sec-Fetch-Site: none"], []])
def test_our_own_page_may(fields: list[str]) -> None:
    assert Asker().ask("/reload", "POST", ["Host: 127.0.0.1:8001", *fields]).status == 200


TOKEN = "s3cret-s3cret-s3cret"


def guarded(target: str, method: str = "GET", fields: tuple[str, ...] = (), host: str = "127.0.0.1:8001") -> tuple[Answer, FixedView]:
    view = FixedView()
    asker = Asker(view, token=TOKEN)
    view.told_problems = ["front.yaml:3:1: unknown field"]
    return asker.ask(target, method, (f"Host: {host}", *fields)), view


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("Authorization: Bearer",),
        ("Authorization: Bearer wrong",),
        (f"Authorization: Basic {TOKEN}",),
        (f"Authorization: {TOKEN}",),
        (f"Authorization: Bearer {TOKEN}x",),
        (f"Authorization: Bearer {TOKEN}", f"Authorization: Bearer {TOKEN}"),
        ("Authorization: Bearer \xff\xfe",),
    ],
)
@pytest.mark.parametrize("target", ["/stats", "/help", "/nothing", "/config_dump"])
def test_without_the_token_nothing_is_told(target: str, fields: tuple[str, ...]) -> None:
    answer, _ = guarded(target, fields=fields)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="shifter admin"')
    assert answer.body == "The admin listener wants its token: authorization: Bearer TOKEN\n"


@pytest.mark.parametrize("path", CHANGING)
def test_without_the_token_nothing_is_changed(path: str) -> None:
    answer, view = guarded(path, "POST")
    assert (answer.status, view.done) == (401, [])


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_with_the_token_all_is_told_by_whatever_name(scheme: str) -> None:
    shown = f"Authorization: {scheme} {TOKEN}"
    assert guarded("/stats", fields=(shown,), host="admin.example")[0].status == 200
    answer, view = guarded("/reload", "POST", (shown, "Origin: https://admin.example"), "inside")
    assert (answer.status, len(view.done)) == (200, 1)


def test_anybody_may_see_what_says_nothing() -> None:
    assert guarded("/")[0].status == 200
    assert guarded("/ready", host="front.internal")[0].status == 200
    for command in COMMANDS:
        assert (guarded(command.path)[0].status == 401) is not command.public or command.path == "/events"


def test_whether_it_is_ready_anybody_may_see_and_why_not_only_who_is_known() -> None:
    assert guarded("/ready")[0].body == "LIVE\n"
    assert "unknown field" in guarded("/ready", fields=(f"Authorization: Bearer {TOKEN}",))[0].body


def test_of_who_is_not_known_no_body_is_kept() -> None:
    asker = Asker(token=TOKEN)
    asker.send("/reload", "POST", ["Host: localhost", f"Content-Length: {MAX_BODY}"], b"x" * 1000)
    assert asker.channel._channel.requests[0].content.getvalue() == b""
