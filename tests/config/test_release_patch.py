"""The change of the files that makes them say what a release came to."""

import json
from collections.abc import Mapping

import pytest

from shifter.config.check_release import check_release
from shifter.config.release_patch import PatchError, changed_files, release_patch
from shifter.config.releases import read_release, short_release
from shifter.model.bootstrap import Bootstrap
from shifter.model.release import MILLION, ReleaseSpec
from shifter.service.loading import loaded_again
from tests.support.programs import ROOT
from tests.support.steering import NAME, config, listener, weighted


def load(files: Mapping[str, bytes]) -> Bootstrap | None:
    return loaded_again(dict(files)).bootstrap


def spec(files: Mapping[str, bytes], route: str = "/service/1") -> ReleaseSpec:
    found, _ = read_release(short_release("service1", "service1a", route=route).encode(), "r.yaml")
    bootstrap = load(files)
    assert found is not None
    assert bootstrap is not None
    checked = check_release(found, bootstrap)
    assert checked.spec is not None, checked.problems
    return checked.spec


def changed(text: bytes, share: int = MILLION) -> str:
    """The text after the change; of it, nothing is to be changed any more."""
    files = {NAME: text}
    release = spec(files)
    (made,) = changed_files(files, release, share, load).values()
    assert changed_files({NAME: made.encode()}, release, share, load) == {}
    assert release_patch({NAME: made.encode()}, release, share, load) == ""
    return made


def test_weights_of_the_tutorial() -> None:
    files = {"etc/front.yaml": (ROOT / "etc/front.yaml").read_bytes()}
    assert release_patch(files, spec(files, "backend//service/1"), MILLION, load) == (
        "--- etc/front.yaml\n"
        "+++ etc/front.yaml\n"
        "@@ -57,9 +57,9 @@\n"
        "                   weighted_clusters:\n"
        "                     clusters:\n"
        "                     - name: service1a\n"
        "-                      weight: 25\n"
        "+                      weight: 100\n"
        "                     - name: service1\n"
        "-                      weight: 75\n"
        "+                      weight: 0\n"
        "               - match:\n"
        "                   prefix: /service/2\n"
        "                 route:\n"
    )
    back = release_patch(files, spec(files, "backend//service/1"), 0, load)
    assert "-                      weight: 25\n+                      weight: 0\n" in back


def test_old_spellings_and_comments_stay() -> None:
    old = (ROOT / "etc/front-2018.yaml").read_bytes()
    made = changed(old)
    assert [line for line in made.splitlines() if line not in old.decode().splitlines()] == [
        "                      weight: 100",
        "                      weight: 0",
    ]


SINGLE = "{match: {prefix: /service/1}, route: {cluster: service1}}"
SHAPES = {
    "one cluster": (SINGLE, "cluster: service1a}"),
    "weights in brackets": (weighted("/service/1", service1=1, service1a=2), "{name: service1, weight: 0}, {name: service1a, weight: 3}"),
    "one of several": (weighted("/service/1", service1=7), "{name: service1a, weight: 7}"),
    "twins": (f"{SINGLE}, {SINGLE}", "cluster: service1a}}, {match: {prefix: /service/1}, route: {cluster: service1}"),
}


@pytest.mark.parametrize(("route", "said"), SHAPES.values(), ids=SHAPES)
def test_however_the_route_is_written(route: str, said: str) -> None:
    files = {NAME: config(listener(route))}
    release = spec(files, "all/prefix /service/1")
    assert said in changed_files(files, release, MILLION, load)[NAME]


def test_json_and_windows_and_no_line_end() -> None:
    front = config(listener(SINGLE))
    assert '"cluster": "service1a"' in changed(json.dumps(json.loads(json.dumps(_as_json(front)))).encode())
    assert "\r\n" in changed(front.replace(b"\n", b"\r\n"))
    text = front.rstrip(b"\n")
    patch = release_patch({NAME: text}, spec({NAME: text}), MILLION, load)
    assert patch.endswith("\n")
    alone = {
        NAME: front.split(b"\n  clusters")[0].replace(
            b"static_resources:\n",
            b"static_resources: {clusters: [{name: service1, load_assignment: "
            b"{cluster_name: service1}}, {name: service1a, load_assignment: {cluster_name: service1a}}],",
        )
        + b"}"
    }
    assert release_patch(alone, spec(alone), MILLION, load).endswith("\n\\ No newline at end of file\n")


def _as_json(text: bytes) -> object:
    from shifter.config.document import parse, plain
    from shifter.config.report import Report

    node = parse(text.decode(), Report(""))
    assert node is not None
    return plain(node)


def test_a_release_that_went_back_leaves_a_route_to_the_baseline_alone() -> None:
    files = {NAME: config(listener(SINGLE))}
    assert release_patch(files, spec(files), 0, load) == ""


def test_the_same_route_in_two_listeners_changes_in_both() -> None:
    both = config(listener(SINGLE), listener(SINGLE, name="tls", port=3))
    assert changed(both).count("cluster: service1a}") == 2


def test_what_stands_in_two_places_at_once_is_left_to_people() -> None:
    text = config(listener(SINGLE, "{match: {prefix: /other}, route: {cluster: service1}}"))
    shared = text.replace(b"route: {cluster: service1}", b"route: &one {cluster: service1}", 1)
    shared = shared.replace(b"route: {cluster: service1}", b"route: *one", 1)
    files = {NAME: shared}
    with pytest.raises(PatchError, match="give all requests of `all/prefix /service/1` to `service1a` by hand"):
        changed_files(files, spec(files), MILLION, load)


def test_what_cannot_be_said() -> None:
    files = {NAME: config(listener(SINGLE))}
    release = spec(files)
    with pytest.raises(PatchError, match="the release is not over"):
        changed_files(files, release, 10_000, load)
    with pytest.raises(PatchError, match="have errors"):
        changed_files({NAME: b"x"}, release, MILLION, load)
    with pytest.raises(PatchError, match="no such route any more"):
        changed_files({NAME: config(listener("{match: {prefix: /}, route: {cluster: service2}}"))}, release, MILLION, load)
