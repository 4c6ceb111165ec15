"""Where the admin listener's token comes from, and when it is wanted."""

import stat
from pathlib import Path

import pytest

from shifter.model.address import SocketAddress
from shifter.service.admin_token import AdminToken, TokenError, given_token

LOOPBACK = [SocketAddress("127.0.0.1", 8001), SocketAddress("127.0.5.1", 8001), SocketAddress("::1", 8001)]
ANYWHERE = [SocketAddress("0.0.0.0", 8001), SocketAddress("::", 8001), SocketAddress("10.0.0.1", 8001), SocketAddress("fe80::1%eth0", 8001)]
GIVEN = "0123456789abcdef"


def test_what_is_given(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{GIVEN}\n")
    assert given_token(str(path), {"SHIFTER_ADMIN_TOKEN": "x" * 20}) == GIVEN
    assert given_token(None, {"SHIFTER_ADMIN_TOKEN": "x" * 20}) == "x" * 20
    assert given_token(None, {"SHIFTER_ADMIN_TOKEN": ""}) is given_token(None, {}) is None


@pytest.mark.parametrize("token", ["", "short", "two words of more than sixteen", "\x01" * 20, "ä" * 20])
def test_what_is_no_token(tmp_path: Path, token: str) -> None:
    path = tmp_path / "token"
    path.write_text(token)
    with pytest.raises(TokenError, match="token"):
        given_token(str(path), {})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="none: the admin token cannot be read: No such file"):
        given_token(str(tmp_path / "none"), {})


@pytest.mark.parametrize("address", [*LOOPBACK, *ANYWHERE])
def test_one_that_is_given_is_wanted_everywhere(address: SocketAddress) -> None:
    assert AdminToken(GIVEN).wanted_at(address) == GIVEN


@pytest.mark.parametrize("address", LOOPBACK)
def test_none_is_wanted_on_loopback(address: SocketAddress) -> None:
    assert AdminToken().wanted_at(address) is None


@pytest.mark.parametrize("address", ANYWHERE)
def test_one_is_made_up_elsewhere(address: SocketAddress) -> None:
    token = AdminToken()
    made = token.wanted_at(address)
    assert made is not None and len(made) >= 32
    assert token.wanted_at(ANYWHERE[0]) == made
    assert AdminToken().wanted_at(address) != made


def test_it_is_kept_for_its_owner(tmp_path: Path) -> None:
    made = AdminToken(directory=str(tmp_path / "state")).wanted_at(ANYWHERE[0])
    path = tmp_path / "state" / "admin-token"
    assert path.read_text() == f"{made}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert AdminToken(directory=str(tmp_path / "state")).wanted_at(ANYWHERE[0]) == made


def test_who_takes_over_wants_the_same() -> None:
    environment: dict[str, str] = {}
    made = AdminToken(environment=environment).wanted_at(ANYWHERE[0])
    assert given_token(None, environment) == made


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "admin-token").write_text("short")
    made = AdminToken(directory=str(tmp_path)).wanted_at(ANYWHERE[0])
    assert made not in (None, "short")
