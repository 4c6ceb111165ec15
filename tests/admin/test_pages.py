"""Each page in the shape that Envoy 1.40 gives it."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import succeed

from shifter.admin.pages import COMMANDS, help_text
from shifter.model.change import Actor, ChangeResult
from shifter.observe.server_stats import ServerStats
from tests.support.admin import Asker, FixedView


def test_ready_says_live() -> None:
    answer = Asker().ask("/ready")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, "LIVE\n", "text/plain; charset=UTF-8")


@pytest.mark.parametrize("state", ["DRAINING", "PRE_INITIALIZING", "INITIALIZING"])
def test_not_ready_is_a_503(state: str) -> None:
    view = FixedView()
    view.told_state = state
    answer = Asker(view).ask("/ready")
    assert (answer.status, answer.body) == (503, f"{state}\n")


def test_ready_tells_of_a_refused_configuration_and_stays_ready() -> None:
    view = FixedView()
    view.told_problems = ["etc/front.yaml:23:40: unknown field 'wieght'"]
    answer = Asker(view).ask("/ready")
    assert answer.status == 200
    assert answer.body.splitlines()[0] == "LIVE"
    assert answer.body.splitlines()[-1] == "etc/front.yaml:23:40: unknown field 'wieght'"


def test_server_info() -> None:
    info = json.loads(Asker().ask("/server_info").body)
    assert info["state"] == "LIVE"
    assert info["version"] == "shifter/1.2.3"
    assert info["uptime_current_epoch"] == info["uptime_all_epochs"] == "5s"
    assert info["hot_restart_version"] == "disabled"
    assert info["command_line_options"]["config_path"] == "etc/front.yaml"
    assert info["command_line_options"]["concurrency"] == 1
    assert info["command_line_options"]["drain_time"] == "30s"
    assert (info["node"]["id"], info["node"]["cluster"]) == ("front-1", "front")
    assert info["node"]["metadata"] == {"head_parser": "compiled", "reactor": "lean epoll", "config_version": 3}


def test_clusters() -> None:
    text = Asker().ask("/clusters").body
    assert "service1::127.0.0.1:28411::rq_total::6\n" in text
    assert "empty::" not in Asker().ask("/clusters?filter=%5Eservice").body
    answer = Asker().ask("/clusters?format=json&filter=^service1$")
    assert answer.headers["content-type"] == "application/json"
    assert [one["name"] for one in json.loads(answer.body)["cluster_statuses"]] == ["service1"]


def test_listeners() -> None:
    assert Asker().ask("/listeners").body == "front::127.0.0.1:28100\nsix::[::]:80\n"
    assert len(json.loads(Asker().ask("/listeners?format=json").body)["listener_statuses"]) == 2


def test_stats_in_every_form() -> None:
    assert "cluster.service1.upstream_rq_200: 6\n" in Asker().ask("/stats").body
    narrowed = Asker().ask("/stats?filter=service1.upstream_rq_(200|5xx)$&usedonly").body
    assert narrowed == "cluster.service1.upstream_rq_200: 6\ncluster.service1.upstream_rq_5xx: 1\n"
    assert json.loads(Asker().ask("/stats?format=json&filter=server.live").body) == {"stats": [{"name": "server.live", "value": 1}]}
    one, two = Asker().ask("/stats?format=prometheus"), Asker().ask("/stats/prometheus")
    assert one.body == two.body
    assert two.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert {family.name for family in text_string_to_metric_families(two.body)} >= {"envoy_cluster_upstream_rq_xx", "envoy_server_live"}
    assert "empty" not in Asker().ask("/stats/prometheus?usedonly").body


@pytest.mark.parametrize(
    "target, words",
    [
        ("/stats?filter=(", "Invalid re2 regex: "),
        ("/clusters?filter=a**", "Invalid re2 regex: "),
        ("/stats?filter=" + "a" * 1001, "Invalid re2 regex: longer than 1000 characters"),
        ("/stats?format=xml", "usage: /stats?format=(html|active-html|json|prometheus|text)"),
        ("/stats?histogram_buckets=x", "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary)"),
        ("/stats?type=x", "invalid &type= param"),
        ("/stats/prometheus?histogram_buckets=disjoint", "unsupported prometheus histogram bucket mode"),
        ("/clusters?format=yaml", "usage: /clusters?format=(json|text)"),
        ("/listeners?format=", "usage: /listeners?format=(json|text)"),
        ("/stats?" + "&".join(f"a{number}" for number in range(60)), "too many parameters"),
    ],
)
def test_a_query_that_is_not_understood_is_a_400(target: str, words: str) -> None:
    answer = Asker().ask(target)
    assert answer.status == 400
    assert answer.body.startswith(words)


def test_the_first_of_a_repeated_parameter_counts() -> None:
    assert Asker().ask("/listeners?format=text&format=json").body.startswith("front::")


def test_help_lists_every_path_with_its_parameters() -> None:
    text = Asker().ask("/help").body
    assert text == help_text()
    assert [line.strip().split(":")[0].split()[0] for line in text.splitlines() if line.startswith("  /")] == [
        one.path for one in COMMANDS if one.listed
    ]
    assert sorted(COMMANDS, key=lambda one: one.path) == list(COMMANDS)
    assert "      usedonly: " in text


def test_config_dump_before_there_is_a_configuration() -> None:
    view = FixedView()
    view.told_snapshot = None
    assert json.loads(Asker(view).ask("/config_dump").body) == {}


def test_reload_tells_what_came_of_it() -> None:
    view = FixedView()
    answer = Asker(view).ask("/reload?by=ann&why=new+canary", "POST")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body)["version"] == 4
    assert view.done == [("reload", Actor("ann", "new canary", "POST /reload from 192.168.1.1:54321"))]


def test_reload_that_is_refused_is_a_400() -> None:
    view = FixedView()
    view.told_result = ChangeResult(False, 3, problems=("front.yaml:23:40: unknown field 'wieght'",))
    answer = Asker(view).ask("/reload", "POST")
    assert answer.status == 400
    assert json.loads(answer.body)["problems"] == ["front.yaml:23:40: unknown field 'wieght'"]


def test_memory() -> None:
    view = FixedView()
    view.told_report = succeed(ServerStats("0.1.0", 0.0).report(0.0, memory={"physical_size": 12_345_678}))
    found = json.loads(Asker(view).ask("/memory").body)
    assert found["total_physical_bytes"] == found["allocated"] == found["heap_size"] == "12345678"
    assert set(found) == {"allocated", "heap_size", "pageheap_unmapped", "pageheap_free", "total_thread_cache", "total_physical_bytes"}
    assert all(value.isdigit() for value in found.values())


def test_what_was_waited_for_is_not_waited_for() -> None:
    assert json.loads(Asker().ask("/init_dump?mask=listener").body) == {}
    assert Asker().ask("/hot_restart_version").body == "disabled\n"
