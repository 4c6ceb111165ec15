"""Access logs as the requests of a release."""

import pytest

from shifter.model.release import ReleaseSpec, RouteReference, Step, VerdictSettings
from shifter.observe.logreader import Logged
from shifter.release.replay import Replay, fails, fitting

USUAL = VerdictSettings().errors


@pytest.mark.parametrize(
    ("status", "flags", "failed"),
    [
        (200, "-", False),
        (301, "-", False),
        (404, "-", False),
        (500, "-", True),
        (503, "UF", True),
        (503, "UH", True),
        (504, "UT", True),
        (0, "UR", True),
        (0, "UC,URX", True),
        (0, "DC", None),
        (0, "-", None),
    ],
)
def test_what_counts_as_a_failure(status: int, flags: str, failed: bool | None) -> None:
    assert fails(Logged(0.0, 1.0, status, flags=flags), USUAL) is failed


@pytest.mark.parametrize(
    ("status", "flags", "kind"),
    [
        (500, "-", "5xx"),
        (404, "-", "4xx"),
        (503, "UF", "connect_failure"),
        (504, "UT", "timeout"),
        (504, "-", "timeout"),
        (0, "UC", "reset"),
    ],
)
def test_a_release_says_which(status: int, flags: str, kind: str) -> None:
    logged = Logged(0.0, 1.0, status, flags=flags)
    assert fails(logged, frozenset((kind,))) is True
    assert fails(logged, frozenset(("grpc",))) is False


@pytest.mark.parametrize(
    ("route", "yes", "no"),
    [
        (RouteReference(kind="prefix", text="/a"), ("/a", "/ab?c", ""), ("/", "/b/a")),
        (RouteReference(kind="path", text="/a"), ("/a", "/a?b", ""), ("/ab", "/a/")),
        (RouteReference(kind="path_separated_prefix", text="/a"), ("/a", "/a/b", "/a?b", ""), ("/ab",)),
        (RouteReference(kind="safe_regex", text="/[ab]"), ("/a", "/c"), ()),
        (RouteReference(name="some"), ("/a", "/b"), ()),
        (RouteReference(text="backend//a"), ("/a", "/ab"), ("/b",)),
        (RouteReference(text="backend/some"), ("/a", "/b"), ()),
    ],
)
def test_whose_requests(route: RouteReference, yes: tuple[str, ...], no: tuple[str, ...]) -> None:
    fits = fitting(route)
    assert all(fits(path) for path in yes)
    assert not any(fits(path) for path in no)


def test_everything_is_counted() -> None:
    spec = ReleaseSpec("x", RouteReference(kind="prefix", text="/a"), "old", "new", (Step(1, share=1000),))
    replay = Replay(spec)
    assert replay.seconds == 0
    logged = [Logged(5.0, 1.0, 200, "/a"), Logged(3.0, 2.0, 500, "/a"), Logged(4.0, 1.0, 200, "/b"), Logged(4.5, 1.0, 0, "/a", "DC")]
    assert [(one.at, one.failed, one.ms) for one in replay.of(logged)] == [(3.0, True, 2.0), (5.0, False, 1.0)]
    assert (replay.requests, replay.failed, replay.elsewhere, replay.left, replay.seconds) == (2, 1, 1, 1, 2.0)
