"""``/config_dump``: what is asked for, and a large answer."""

import json

import pytest
from twisted.internet.defer import Deferred

from shifter.model.bootstrap import Bootstrap, Documents, Snapshot
from shifter.model.steps import Steps, T
from tests.support.admin import Asker, FixedView


def view(clusters: int = 2) -> FixedView:
    document = {"static_resources": {"clusters": [{"name": f"service{number}"} for number in range(clusters)]}}
    fixed = FixedView()
    fixed.told_snapshot = Snapshot(3, Bootstrap(), "front.yaml", Documents(json.dumps(document).encode()))
    return fixed


def names(body: str) -> list[str]:
    return [one["cluster"]["name"] for one in json.loads(body).get("configs", [])]


def test_parameters() -> None:
    asker = Asker(view())
    assert names(asker.ask("/config_dump?resource=static_clusters&name_regex=service%5B1-9%5D").body) == ["service1"]
    assert names(asker.ask("/config_dump?resource=static_clusters&name_regex=service").body) == []
    assert json.loads(asker.ask("/config_dump?mask=bootstrap.node").body)["configs"][0]["bootstrap"] == {}
    assert "EndpointsConfigDump" not in asker.ask("/config_dump").body
    endpoints = json.loads(asker.ask("/config_dump?include_eds&resource=static_endpoint_configs").body)["configs"]
    assert [one["endpoint_config"]["cluster_name"] for one in endpoints] == ["service1", "empty"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("resource=nope", 404, "nope not found in config dump"),
        ("mask=nope", 400, "FieldMask nope could not be"),
        ("name_regex=a**", 400, "INVALID_ARGUMENT: Error while parsing name_regex from a**: "),
    ],
)
def test_what_cannot_be_shown(query: str, status: int, words: str) -> None:
    answer = Asker(view()).ask(f"/config_dump?{query}")
    assert (answer.status, answer.headers["content-type"]) == (status, "text/plain")
    assert answer.body.startswith(words)


def test_a_large_one_is_written_between_other_things() -> None:
    steps: list[int] = []

    class Counting(FixedView):
        def meanwhile(self, work: Steps[T]) -> Deferred[T]:
            def counted() -> Steps[T]:
                while True:
                    try:
                        next(work)
                    except StopIteration as done:
                        return done.value  # type: ignore[no-any-return]  # it is what the work returns
                    steps.append(1)
                    yield

            return super().meanwhile(counted())

    large = Counting()
    large.told_snapshot = view(5000).told_snapshot
    answer = Asker(large).ask("/config_dump")
    assert len(json.loads(answer.body)["configs"][1]["static_clusters"]) == 5000
    assert len(steps) > 100
