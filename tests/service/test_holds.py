"""Routes that releases hold: what is served of them, what files do to that, and how it is told."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.bootstrap import Bootstrap
from shifter.model.change import Actor, ChangeKind, ChangeResult
from shifter.model.release import ERROR_KINDS, MirrorStep, RouteHold, RouteReference
from shifter.model.route import HashPolicy, HashSource, HeaderMatcher, RangeMatcher, RouteAction, StringMatcher, StringMatchKind
from shifter.service.composition import Inputs, compose
from shifter.service.holding import Hold, LetGo
from shifter.service.holds import HoldError, held, holds_from, plain_holds
from shifter.service.journal import MemoryJournal, Overrides
from tests.support.steering import ANN, Steered, candidate, config, listener, tcp_listener, weighted

PLAIN = "{match: {prefix: /plain}, route: {cluster: service1}}"
RICH = (
    "{match: {prefix: /rich}, route: {weighted_clusters: {clusters: [{name: service1, weight: 9}, {name: service1a, weight: 1, "
    "request_headers_to_add: [{header: {key: x-new, value: 'yes'}}]}, {name: service2, weight: 5}]}}}"
)
RT = weighted("/rt", "runtime_key_prefix: rel, ", service1a=10, service1=90)
FRONT = config(listener(RICH, PLAIN, RT), listener(PLAIN, name="back", port=3), tcp_listener("db", "mysql", service1=1, service2=1))
BOTH = ("service1", "service1a")
ROUTES = ("/plain", "/rich", "/rt")


def hold(route: str = "/plain", release: str = "new", **more: Any) -> RouteHold:
    return RouteHold(release, RouteReference(text=route), *BOTH, **more)


def action(bootstrap: Bootstrap, number: int, listener: int = 0) -> RouteAction:
    found = next(iter(bootstrap.listeners[listener].managers)).route_config.virtual_hosts[0].routes[number].action
    assert isinstance(found, RouteAction)
    return found


def served(text: bytes, **holds: RouteHold) -> Bootstrap:
    said = candidate(text).bootstrap
    assert said is not None
    return held(said, said, holds)


def test_a_held_route_has_the_two_clusters_of_its_release_and_all_else_of_its_own() -> None:
    front = candidate(FRONT).bootstrap
    assert front is not None
    found = held(front, front, {"new": hold("/rich")})
    now, before = action(found, 0), action(front, 0)
    assert now.clusters == before.clusters[:2], "what an entry says it goes on to say"
    assert now.hold == hold("/rich")
    assert found.listeners[1] is front.listeners[1] and found.listeners[2] is front.listeners[2]
    assert action(found, 1) is action(front, 1)


def test_a_route_to_one_cluster_gets_the_other_in_all_its_listeners() -> None:
    found = served(FRONT, new=hold("/plain"))
    for where in (action(found, 1), action(found, 0, 1)):
        assert [entry.name for entry in where.clusters] == list(BOTH)
        assert where.hold is not None


def test_runtime_has_no_say_in_a_held_route() -> None:
    assert action(served(FRONT, new=hold("/rt")), 2).runtime_key_prefix == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (config(listener(RICH)), "no route to a cluster is called `/plain`"),
        (config(listener(PLAIN)).replace(b"{name: service1a,", b"{name: service3,"), "there is no cluster `service1a`"),
    ],
)
def test_files_that_have_no_place_for_it_are_refused(text: bytes, why: str) -> None:
    with pytest.raises(HoldError, match=f"the release `new` holds a route, and .*{why}.*`shifter release finish new`"):
        served(text, new=hold("/plain"))
    lab = holding(hold("/plain"))
    result = lab.reload(text)
    assert not result.taken
    assert "the release `new` holds a route" in result.problems[0]
    assert lab.wait(lab.controller.change(LetGo("new"), ANN)).taken
    assert lab.reload(text).taken


def test_two_releases_cannot_hold_the_same_route() -> None:
    with pytest.raises(HoldError, match="the release `new` holds the same one"):
        served(FRONT, new=hold(), other=hold("all/prefix /plain", "other"))


def test_a_route_of_a_tcp_proxy_cannot_be_held() -> None:
    lab = Steered(FRONT)
    result = want(lab, hold("db/mysql"))
    assert not result.taken
    assert "`db/mysql` is a TCP proxy" in result.problems[0]


# wishes


def want(lab: Steered, wanted: RouteHold) -> ChangeResult:
    result: ChangeResult = lab.wait(lab.controller.change(Hold(wanted, lab.controller.meanwhile), Actor("shifter", origin="release")))
    return result


def holding(wanted: RouteHold, text: bytes = FRONT) -> Steered:
    lab = Steered(text)
    assert want(lab, wanted).taken
    return lab


def test_holding_and_letting_go_are_changes_that_are_written_down() -> None:
    lab = holding(hold("/rich"))
    assert action(lab.plane.served[-1], 0).hold == hold("/rich")
    assert want(lab, hold("/rich")).entry is None, "it does already"
    result = lab.wait(lab.controller.change(LetGo("new"), ANN))
    assert result.entry.kind is ChangeKind.RELEASE
    assert action(lab.plane.served[-1], 0).hold is None
    assert lab.wait(lab.controller.change(LetGo("new"), ANN)).entry is None
    assert lab.history() == [
        "2 release ~ route prefix /rich on 127.0.0.1:1: the release new lets go of it",
        "1 release ~ route prefix /rich on 127.0.0.1:1: the release new holds it, to lead it from service1 to service1a",
    ]


def test_a_release_takes_the_route_from_weights_that_were_set_and_from_a_release_before() -> None:
    lab = Steered(FRONT)
    assert lab.weigh("/rich", service1="50", service1a="40", service2="10").taken
    assert want(lab, hold("/rich")).taken
    assert want(lab, hold("/plain", "second")).taken
    assert want(lab, hold("/plain", "third")).taken
    assert lab.controller.inputs is not None
    assert not lab.controller.inputs.overrides.weights
    assert set(lab.controller.inputs.overrides.holds) == {"new", "third"}


def test_weights_of_a_held_route_are_the_releases() -> None:
    lab = holding(hold("/rich"))
    lab.steering._splits.of("new").share = 50_000
    rows: list[Mapping[str, Any]] = lab.wait(lab.steering.weights())
    assert {row["route"]: row["release"] for row in rows} == {"all/prefix /rich": "new", "all/prefix /rt": None, "db/mysql": None}
    assert lab.shares()["all/prefix /rich"] == {"service1": 95, "service1a": 5}
    result = lab.weigh("/rich", service1a="1", service1="1", service2="1")
    assert result.problems == ("the release `new` holds /rich: use `shifter release` for its weights",)
    assert not lab.weigh("all/prefix /rich", service1a="1", service1="1", service2="1").taken
    assert lab.weigh("/rt", service1a="50").taken


def test_of_files_that_give_a_held_route_other_clusters_that_is_said() -> None:
    lab = holding(hold("/plain"), config(listener(PLAIN)))
    assert lab.reload(config(listener(PLAIN.replace("service1", "service1a")))).taken
    said = "its weights, which have no say while a release holds it"
    assert lab.history()[0].removeprefix("2 config ") == f"~ route prefix /plain: {said}"


def test_people_see_the_shares_of_the_moment() -> None:
    lab = holding(hold("/rich", header=HeaderMatcher(b"x-canary", present=True)))
    split = lab.steering._splits.of("new")
    split.share = 50_000
    shown = lab.steering.snapshot()
    assert shown is not None and lab.steering.snapshot() is shown
    now = action(shown.bootstrap, 0)
    assert [entry.weight for entry in now.clusters] == [950_000, 50_000]
    assert now.hold is not None and now.hold.header is None, "it does nothing yet"
    split.forced = True
    shown = lab.steering.snapshot()
    assert shown is not None and action(shown.bootstrap, 0).hold == hold("/rich", header=HeaderMatcher(b"x-canary", present=True))
    assert action(lab.plane.served[-1], 0).clusters != now.clusters
    assert lab.wait(lab.controller.change(LetGo("new"), ANN)).taken
    assert lab.steering.snapshot() is lab.controller.snapshot


def test_nothing_that_is_taken_back_takes_a_release_with_it() -> None:
    lab = Steered(FRONT)
    assert lab.weigh("/rt", service1a="50").taken
    assert want(lab, hold()).taken
    assert not lab.undo().taken
    assert lab.weigh("/rt", service1a="60").taken
    assert lab.undo().taken
    assert action(lab.plane.served[-1], 1).hold is not None


def test_a_hold_is_there_at_the_next_start_or_ends_where_nothing_else_could_be_served() -> None:
    journal = MemoryJournal(Overrides(holds={"new": hold()}))
    assert action(Steered(FRONT, journal).plane.served[-1], 1).hold == hold()
    lab = Steered(config(listener(RICH)), journal)
    assert lab.controller.inputs is not None
    assert not lab.controller.inputs.overrides.holds


def test_what_has_not_changed_is_the_very_same() -> None:
    front = candidate(FRONT)
    before = compose(Inputs(front, Overrides(holds={"new": hold()})))
    assert compose(Inputs(front, Overrides({"a": "1"}, holds={"new": hold()})), before).bootstrap.listeners is before.bootstrap.listeners
    assert compose(Inputs(front), before).bootstrap.listeners == (front.bootstrap and front.bootstrap.listeners)


# as plain data

TEXTS = st.text(max_size=5)
BYTES = st.binary(max_size=5)
MATCHERS = st.builds(StringMatcher, st.sampled_from(StringMatchKind), BYTES) | st.none()
HEADERS = st.builds(
    HeaderMatcher, BYTES, MATCHERS, st.builds(RangeMatcher, st.integers(), st.integers()) | st.none(), st.booleans() | st.none()
)
POLICIES = st.builds(
    HashPolicy,
    st.sampled_from(HashSource),
    BYTES,
    st.booleans(),
    st.floats(0, 1e6) | st.none(),
    BYTES,
    st.lists(st.tuples(BYTES, BYTES), max_size=2).map(tuple),
)
MIRRORS = st.builds(MirrorStep, st.integers(0, 1_000_000), st.booleans(), st.lists(BYTES, max_size=2).map(tuple))
REFERENCES = st.builds(RouteReference, TEXTS, TEXTS, TEXTS | st.none(), TEXTS, TEXTS)
HOLDS = st.builds(
    RouteHold,
    *(TEXTS, REFERENCES, TEXTS, TEXTS, HEADERS | st.none(), POLICIES | st.none(), MIRRORS | st.none()),
    st.frozensets(st.sampled_from(ERROR_KINDS)),
)


@given(st.dictionaries(TEXTS, HOLDS, max_size=2))
def test_a_hold_is_the_same_after_it_was_told(holds: dict[str, RouteHold]) -> None:
    assert holds_from(plain_holds(holds)) == holds
