"""The admin pages read as Envoy 1.40's do; the expected texts are its own."""

import json

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.report import Report
from shifter.observe.scopes import Selection
from shifter.observe.text import clusters_json, clusters_text, listeners_json, listeners_text, stats_json, stats_text
from tests.support.reports import a_report

SERVICE1 = """\
service1::observability_name::service1
service1::default_priority::max_connections::7
service1::default_priority::max_pending_requests::1024
service1::default_priority::max_requests::1024
service1::default_priority::max_retries::3
service1::high_priority::max_connections::1024
service1::high_priority::max_pending_requests::1024
service1::high_priority::max_requests::1024
service1::high_priority::max_retries::3
service1::added_via_api::false
service1::127.0.0.1:28411::cx_active::1
service1::127.0.0.1:28411::cx_connect_fail::0
service1::127.0.0.1:28411::cx_total::1
service1::127.0.0.1:28411::rq_active::0
service1::127.0.0.1:28411::rq_error::0
service1::127.0.0.1:28411::rq_pending_active::0
service1::127.0.0.1:28411::rq_success::6
service1::127.0.0.1:28411::rq_timeout::0
service1::127.0.0.1:28411::rq_total::6
service1::127.0.0.1:28411::hostname::localhost
service1::127.0.0.1:28411::health_flags::healthy
service1::127.0.0.1:28411::weight::1
service1::127.0.0.1:28411::region::
service1::127.0.0.1:28411::zone::
service1::127.0.0.1:28411::sub_zone::
service1::127.0.0.1:28411::canary::false
service1::127.0.0.1:28411::priority::0
service1::127.0.0.1:28411::success_rate::-1
service1::127.0.0.1:28411::local_origin_success_rate::-1
"""


def test_stats_are_sorted_lines_with_histograms_last() -> None:
    lines = stats_text(a_report()).splitlines()
    histograms = [line for line in lines if ": P0(" in line or line.endswith(": No recorded values")]
    assert lines[-len(histograms) :] == histograms == sorted(histograms)
    numbers = lines[: -len(histograms)]
    assert [line.split(": ")[0] for line in numbers] == sorted(line.split(": ")[0] for line in numbers)
    assert {
        "cluster.service1.upstream_rq_200: 6",
        "cluster.service1.upstream_rq_2xx: 6",
        "cluster.service1.external.upstream_rq_completed: 7",
        "cluster.service1.membership_total: 2",
        "cluster.service1.circuit_breakers.default.rq_open: 0",
        "http.ingress_http.downstream_rq_5xx: 1",
        "http.ingress_http.downstream_cx_total: 7",
        "listener.127.0.0.1_28100.downstream_cx_active: 1",
        "listener.127.0.0.1_28100.http.ingress_http.downstream_rq_2xx: 6",
        "listener.[__]_80.downstream_cx_total: 0",
        "server.live: 1",
        "shifter.config.version: 1",
    } <= set(numbers)
    assert "cluster.empty.upstream_rq_time: No recorded values" in histograms


def test_histograms_read_as_envoys() -> None:
    (line,) = stats_text(a_report(), Selection(lambda name: name == "cluster.service1.upstream_rq_time")).splitlines()
    assert line == (
        "cluster.service1.upstream_rq_time: P0(nan,0) P25(nan,0.75) P50(nan,2.33333) P75(nan,4.33333) P90(nan,3.6e+06) "
        "P95(nan,3.6e+06) P99(nan,3.6e+06) P99.5(nan,3.6e+06) P99.9(nan,3.6e+06) P100(nan,3.6e+06)"
    )


def test_stats_as_json() -> None:
    selection = Selection(lambda name: name.startswith("http.ingress_http.downstream_rq_t"), used_only=True)
    stats = json.loads(stats_json(a_report(), selection))["stats"]
    assert stats[:-1] == [{"name": "http.ingress_http.downstream_rq_total", "value": 7}]
    histograms = stats[-1]["histograms"]
    assert histograms["supported_quantiles"] == [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]
    (quantiles,) = histograms["computed_quantiles"]
    assert quantiles["name"] == "http.ingress_http.downstream_rq_time"
    assert quantiles["values"][1] == {"cumulative": 0.75, "interval": None}


def test_stats_as_json_without_histograms_or_anything() -> None:
    assert json.loads(stats_json(a_report(), Selection(lambda name: name == "server.live"))) == {
        "stats": [{"name": "server.live", "value": 1}]
    }
    assert stats_json(Report()) == '{"stats":[]}'
    assert stats_text(Report()) == ""


def test_clusters_as_text() -> None:
    text = clusters_text(a_report())
    assert text.startswith(SERVICE1)
    assert "service1::[::1]:80::health_flags::/failed_active_hc/failed_outlier_check\n" in text
    assert "service1::[::1]:80::weight::3\n" in text
    said = {
        "region": "eu",
        "sub_zone": "rack 1",
        "canary": "true",
        "priority": "1",
        "success_rate": "87.5",
        "local_origin_success_rate": "-1",
    }
    assert all(f"service1::[::1]:80::{key}::{value}\n" in text for key, value in said.items())
    assert text.endswith("empty::added_via_api::false\n")


def test_clusters_can_be_chosen() -> None:
    assert clusters_text(a_report(), lambda name: name == "service1").count("observability_name") == 1
    assert json.loads(clusters_json(a_report(), lambda name: False)) == {}


def test_clusters_as_json() -> None:
    first, second = json.loads(clusters_json(a_report()))["cluster_statuses"]
    assert list(first) == ["name", "host_statuses", "circuit_breakers", "observability_name"]
    assert first["host_statuses"][0] == {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 28411}},
        "stats": [
            {"name": "cx_connect_fail"},
            {"value": "1", "name": "cx_total"},
            {"name": "rq_error"},
            {"value": "6", "name": "rq_success"},
            {"name": "rq_timeout"},
            {"value": "6", "name": "rq_total"},
            {"type": "GAUGE", "value": "1", "name": "cx_active"},
            {"type": "GAUGE", "name": "rq_active"},
            {"type": "GAUGE", "name": "rq_pending_active"},
        ],
        "health_status": {"eds_health_status": "HEALTHY"},
        "weight": 1,
        "hostname": "localhost",
        "locality": {},
    }
    assert first["host_statuses"][1]["health_status"] == {
        "eds_health_status": "DEGRADED",
        "failed_active_health_check": True,
        "failed_outlier_check": True,
    }
    assert first["host_statuses"][1]["locality"] == {"region": "eu", "sub_zone": "rack 1"}
    assert (first["host_statuses"][1]["priority"], first["host_statuses"][1]["success_rate"]) == (1, {"value": 87.5})
    high = {"priority": "HIGH", "max_connections": 1024, "max_pending_requests": 1024, "max_requests": 1024, "max_retries": 3}
    assert first["circuit_breakers"]["thresholds"] == [
        {**{key: high[key] for key in high if key != "priority"}, "max_connections": 7},
        high,
    ]
    assert second == {
        "name": "empty",
        "circuit_breakers": {"thresholds": second["circuit_breakers"]["thresholds"]},
        "observability_name": "empty",
    }


def test_listeners() -> None:
    assert listeners_text(a_report()) == "front::127.0.0.1:28100\nsix::[::]:80\n"
    assert json.loads(listeners_json(a_report()))["listener_statuses"][0] == {
        "name": "front",
        "local_address": {"socket_address": {"address": "127.0.0.1", "port_value": 28100}},
    }
    assert json.loads(listeners_json(Report())) == {}


@given(st.text(min_size=1))
def test_no_name_adds_a_line(name: str) -> None:
    report, plain = a_report(name), a_report("x" if name == "empty" else "y")
    for show in (clusters_text, stats_text):
        if "_" not in name and name != "empty":
            assert len(show(report).splitlines()) == len(show(plain).splitlines())
        show(report).encode()
    json.loads(clusters_json(report))
