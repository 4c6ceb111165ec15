"""The files of the live page: how they are served, and that they keep to the page's own policy."""

import re
from importlib.resources import files

import pytest

from shifter.admin.livepage import COMMANDS, POLICY, version
from shifter.admin.pages import help_text
from tests.support.admin import Asker

FOLDER = files("shifter.admin").joinpath("live")
NAMES = sorted(one.name for one in FOLDER.iterdir())
SCRIPTS = [name for name in NAMES if name.endswith(".js")]


def test_every_file_is_served_and_none_is_missing() -> None:
    pages = ["/", "/release", "/release/{name}"]
    parts = [f"/live/{name}" for name in NAMES if not name.endswith(".html")]
    assert sorted(command.path for command in COMMANDS) == sorted([*pages, *parts])
    assert len(pages) == len(NAMES) - len(parts)


@pytest.mark.parametrize("path", [command.path for command in COMMANDS])
def test_headers(path: str) -> None:
    answer = Asker().ask(path)
    assert answer.status == 200
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-cache, max-age=0"


def test_nothing_comes_from_elsewhere_or_stands_in_a_document() -> None:
    assert POLICY.startswith("default-src 'self';")
    assert "unsafe" not in POLICY
    for name in NAMES:
        text = FOLDER.joinpath(name).read_text("utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name
        if name.endswith(".html"):
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), name


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_make_no_markup(name: str) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", FOLDER.joinpath(name).read_text("utf-8")
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_modules_import_what_is_there(name: str) -> None:
    text = FOLDER.joinpath(name).read_text("utf-8")
    for words, other in re.findall(r'import \{([^}]*)\} from "\./([^"]+)"', text):
        exported = set(
            re.findall(r"^export (?:async )?(?:const|function\*?|class) (\w+|\$)", FOLDER.joinpath(other).read_text("utf-8"), re.M)
        )
        assert {word.strip() for word in words.split(",")} <= exported


def test_the_page_leads_to_the_other_pages() -> None:
    body = Asker().ask("/").body
    for link in re.findall(r"<nav.*?</nav>", body, re.S):
        for path in re.findall(r'href="([^"?]+)', link):
            assert f"  {path}: " in help_text()


def test_parts_of_the_page_are_no_commands() -> None:
    assert "/live/" not in help_text()


def test_the_version_is_one_of_all_files() -> None:
    assert re.fullmatch("[0-9a-f]{12}", version())
