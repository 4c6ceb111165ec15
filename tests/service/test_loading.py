"""What is used of several files when some of them are wrong."""

from collections.abc import Mapping

import pytest

from shifter.service.loading import Candidate, FileUpdate, loaded_again, read_files
from tests.config.test_discovered import CDS, FILES, FRONT, RDS

Texts = dict[str, str]
GOOD: Texts = {"front.yaml": FRONT, **FILES}


def load(now: Mapping[str, str | None], good: Mapping[str, str] | None = None) -> Candidate:
    """Read files that say *now*; *good* are those that are served."""

    def read(path: str) -> bytes:
        text = now.get(path)
        if text is None:
            raise FileNotFoundError(2, "No such file or directory")
        return text.encode()

    return read_files("front.yaml", {name: text.encode() for name, text in (good or {}).items()}, read)


def used(candidate: Candidate) -> Texts:
    return {name: text.decode() for name, text in candidate.texts.items()}


def updates(candidate: Candidate) -> dict[str, FileUpdate]:
    return {update.path: update for update in candidate.updates}


BAD_RDS = RDS.replace("prefix: /", "prefxi: /")
TWO_CLUSTERS = CDS + '- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster\n  name: two\n'


def test_all_of_them() -> None:
    candidate = load(GOOD)
    assert candidate.bootstrap is not None and not candidate.problems and not candidate.rejected
    assert used(candidate) == GOOD and next(iter(candidate.texts)) == "front.yaml"
    assert candidate.files == ("front.yaml", "cds.yaml", "lds.yaml", "rds.yaml")
    assert [(one.scopes, one.version, one.taken) for one in candidate.updates] == [
        (("cluster_manager.cds",), "7", True),
        (("listener_manager.lds",), "a", True),
        (("http.front.rds.local",), "r", True),
    ]
    [cluster], [listener], [routes] = candidate.documents.clusters, candidate.documents.listeners, candidate.documents.route_configs
    assert (cluster.name, cluster.version, listener.name, routes.name) == ("one", "7", "front", "local")
    assert b'"name":"one"' in cluster.json and b"dynamic_resources" in candidate.documents.bootstrap
    assert candidate.documents.versions == {"cds": "7", "lds": "a", "rds": "r"}


def test_a_wrong_file_at_the_start_is_refused() -> None:
    candidate = load(GOOD | {"rds.yaml": BAD_RDS})
    assert candidate.bootstrap is None
    assert [problem.split(": error")[0] for problem in candidate.problems] == ["rds.yaml:9:15"]
    assert "prefxi: /" in candidate.text and "^^^^^^" in candidate.text


def test_a_wrong_file_stays_what_it_was_while_the_others_are_taken() -> None:
    candidate = load(GOOD | {"rds.yaml": BAD_RDS, "cds.yaml": TWO_CLUSTERS}, GOOD)
    assert candidate.bootstrap is not None
    assert [cluster.name for cluster in candidate.bootstrap.clusters] == ["one", "two"]
    assert used(candidate) == GOOD | {"cds.yaml": TWO_CLUSTERS}
    assert [problem.split(": error")[0] for problem in candidate.rejected] == ["rds.yaml:9:15"]
    found = updates(candidate)
    assert (found["cds.yaml"].taken, found["rds.yaml"].taken, found["rds.yaml"].readable) == (True, False, True)
    assert found["rds.yaml"].said == BAD_RDS.encode()


def test_nothing_but_what_is_wrong_is_nothing_new() -> None:
    candidate = load(GOOD | {"rds.yaml": BAD_RDS}, GOOD)
    assert candidate.bootstrap is None and len(candidate.problems) == 1
    assert not updates(candidate)["rds.yaml"].taken and updates(candidate)["cds.yaml"].taken


@pytest.mark.parametrize("name", ["cds.yaml", "lds.yaml", "rds.yaml"])
@pytest.mark.parametrize("text", [None, "", "resources: ["])
def test_a_file_that_is_gone_or_no_yaml_is_a_failure(name: str, text: str | None) -> None:
    front = FRONT + "node: {id: other}\n"
    candidate = load(GOOD | {name: text, "front.yaml": front}, GOOD)
    assert candidate.bootstrap is not None and candidate.bootstrap.node_id == "other"
    assert used(candidate) == GOOD | {"front.yaml": front}
    assert (updates(candidate)[name].taken, updates(candidate)[name].readable) == (False, False)
    assert name in candidate.files and candidate.rejected


def test_a_wrong_main_file_does_not_keep_routes_from_being_taken() -> None:
    routes = RDS.replace("prefix: /", "prefix: /a")
    for front in ("statci_resources: {}", "[", None):
        candidate = load(GOOD | {"front.yaml": front, "rds.yaml": routes}, GOOD)
        assert candidate.bootstrap is not None and used(candidate) == GOOD | {"rds.yaml": routes}
        assert candidate.rejected and candidate.rejected[0].startswith("front.yaml:")


def test_a_cluster_that_goes_while_routes_lead_to_it_stays() -> None:
    other = CDS.replace("name: one", "name: two")
    front = FRONT + "node: {id: other}\n"
    candidate = load(GOOD | {"cds.yaml": other, "front.yaml": front}, GOOD)
    assert used(candidate) == GOOD | {"front.yaml": front}
    assert [problem for problem in candidate.rejected if problem.startswith("rds.yaml:10:24: error: no cluster is named `one`")]
    assert not updates(candidate)["cds.yaml"].taken and updates(candidate)["rds.yaml"].taken


def test_both_ends_of_a_name_change_together() -> None:
    now = GOOD | {"cds.yaml": CDS.replace("name: one", "name: two"), "rds.yaml": RDS.replace("cluster: one", "cluster: two")}
    candidate = load(now, GOOD)
    assert candidate.bootstrap is not None and not candidate.rejected and used(candidate) == now


def test_what_depends_on_a_wrong_file_waits_with_it() -> None:
    """The new routes lead to a cluster that the new clusters, which are wrong, would have."""
    now = GOOD | {"cds.yaml": TWO_CLUSTERS + "  typo: 1\n", "rds.yaml": RDS.replace("cluster: one", "cluster: two")}
    candidate = load(now, GOOD)
    assert candidate.bootstrap is None and used(load(GOOD)) == GOOD
    assert {problem.split(":")[0] for problem in candidate.problems} == {"cds.yaml", "rds.yaml"}


def test_a_file_that_is_not_named_any_more_does_not_matter() -> None:
    candidate = load({"front.yaml": "static_resources: {}"}, GOOD)
    assert candidate.bootstrap is not None and candidate.files == ("front.yaml",)


def test_each_file_is_read_once() -> None:
    read: list[str] = []

    def count(path: str) -> bytes:
        read.append(path)
        return (GOOD | {"rds.yaml": BAD_RDS, "cds.yaml": TWO_CLUSTERS})[path].encode()

    read_files("front.yaml", {name: text.encode() for name, text in GOOD.items()}, count)
    assert sorted(read) == sorted(GOOD)


def test_texts_make_the_same_again() -> None:
    first = load(GOOD)
    again = loaded_again(first.texts)
    assert again.bootstrap == first.bootstrap and again.documents == first.documents
    missing = loaded_again({"front.yaml": FRONT.encode()})
    assert missing.bootstrap is None and len(missing.problems) == 2
