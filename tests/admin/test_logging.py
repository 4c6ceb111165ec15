"""Levels of loggers, asked for and changed over HTTP."""

import pytest

from tests.support.admin import Asker, FixedView

SITE = "shifter.admin.site"


def levels(body: str) -> dict[str, str]:
    listing = body.partition("active loggers:\n")[2]
    return dict(line.strip().split(": ") for line in listing.splitlines() if line)


def test_they_are_listed() -> None:
    answer = Asker().ask("/logging", "POST")
    assert answer.status == 200
    assert answer.body.startswith("active loggers:\n  shifter.admin.")
    assert answer.body.endswith(": info\n\n")
    found = levels(answer.body)
    assert found[SITE] == found["twisted"] == "info"


@pytest.mark.parametrize(
    ("query", "site", "others"),
    [
        ("level=error", "error", "error"),
        (f"{SITE}=debug", "debug", "info"),
        (f"paths={SITE}:off,twisted:critical", "off", "critical"),
        ("paths=shifter.admin.*:warning", "warning", "info"),
        ("group=shifter.admin:trace", "trace", "info"),
        ("level=", "info", "info"),
        ("paths=", "info", "info"),
    ],
)
def test_they_are_changed(query: str, site: str, others: str) -> None:
    found = levels(Asker().ask(f"/logging?{query}", "POST").body)
    assert (found[SITE], found["twisted"]) == (site, others)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("level=loud", "unknown logger level"),
        ("paths=nobody:debug", "unknown logger name"),
        (f"paths={SITE}:debug,nobody:debug", "unknown logger name"),
        ("paths=nobody", "empty logger name or empty logger level"),
        ("group=:debug", "empty logger name or empty logger level"),
        ("nobody=debug", "unknown logger name"),
        (f"{SITE}=", "unknown logger level"),
        (f"{SITE}=debug&twisted=debug", "invalid number of parameters"),
    ],
)
def test_what_is_not_understood_changes_nothing(query: str, words: str) -> None:
    view = FixedView()
    answer = Asker(view).ask(f"/logging?{query}", "POST")
    assert answer.status == 400
    assert answer.body.startswith(f"error: {words}\n\nusage: /logging?<name>=<level> (change single level)\n")
    assert set(levels(answer.body).values()) == {"info"}
