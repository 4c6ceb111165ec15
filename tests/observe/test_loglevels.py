"""Events come through by the level of their logger."""

import pytest
from twisted.logger import Logger, LogPublisher

from shifter.observe.loglevels import LEVELS, LogLevels, UnknownLogger

OURS = "shifter.admin.site"


def emitted(change: tuple[str, str] | None) -> dict[str, list[str]]:
    """Say what comes through of one event at each level of each logger."""
    import shifter.admin.site  # noqa: F401  # its logger is to be there

    seen: dict[str, list[str]] = {}
    publisher = LogPublisher(lambda event: seen.setdefault(event["log_namespace"], []).append(event["log_level"].name))
    levels = LogLevels(publisher)
    if change is not None and change[0] == "*":
        levels.set_all(change[1])
    elif change is not None:
        levels.set([change])
    for namespace in (OURS, "twisted.web"):
        logger = Logger(namespace, observer=publisher)
        for tell in (logger.debug, logger.info, logger.warn, logger.error, logger.critical):
            tell("well")
    levels.close()
    Logger("after", observer=publisher).debug("everything again")
    assert seen.pop("after") == ["debug"]
    return seen


ALL = ["debug", "info", "warn", "error", "critical"]


@pytest.mark.parametrize("level", LEVELS)
def test_levels(level: str) -> None:
    least = max(LEVELS.index(level) - 1, 0)
    assert emitted((OURS, level)) == ({OURS: ALL[least:]} if ALL[least:] else {}) | {"twisted.web": ALL[1:]}
    assert emitted(("*", level)).get("twisted.web", []) == ALL[least:]


def test_nothing_is_touched_before_the_first_change() -> None:
    assert emitted(None) == {OURS: ALL, "twisted.web": ALL}


def test_all_or_nothing() -> None:
    levels = LogLevels(LogPublisher())
    with pytest.raises(UnknownLogger):
        levels.set([("twisted", "error"), ("nobody", "error")])
    assert levels.levels()["twisted"] == "info"


def test_legacy_events_are_information() -> None:
    seen: list[dict[str, object]] = []
    publisher = LogPublisher(seen.append)
    levels = LogLevels(publisher)
    levels.set_all("info")
    publisher({"log_format": "an event without a level"})
    levels.set_all("warning")
    publisher({"log_format": "another"})
    assert len(seen) == 1
