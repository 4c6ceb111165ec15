"""The exposition is what Prometheus reads and what Envoy writes."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from shifter.model.report import Figures, ListenerReport, Report
from shifter.model.steps import at_once
from shifter.observe.prometheus import exposition, exposition_in_steps
from shifter.observe.scopes import Selection, sanitized
from tests.support.reports import a_report

SAMPLE = Path(__file__).parents[3] / "shared" / "envoy" / "prometheus_sample.txt"


def parsed(text: str) -> dict[str, Metric]:
    types = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(set(types)) == len(types)
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(text: str, series: str) -> float:
    found = re.findall(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    assert len(found) == 1, f"{series}: {found}"
    return float(found[0])


@pytest.mark.parametrize(
    "series, number",
    [
        ('envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="service1"}', 6),
        ('envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="service1"}', 1),
        ('envoy_cluster_external_upstream_rq{envoy_response_code="200",envoy_cluster_name="service1"}', 6),
        ('envoy_cluster_upstream_rq_completed{envoy_cluster_name="service1"}', 7),
        ('envoy_cluster_upstream_cx_active{envoy_cluster_name="service1"}', 1),
        ('envoy_cluster_circuit_breakers_default_cx_open{envoy_cluster_name="service1"}', 0),
        ('envoy_cluster_membership_healthy{envoy_cluster_name="service1"}', 1),
        ('envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="service1",le="0.5"}', 1),
        ('envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="service1",le="5"}', 5),
        ('envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="service1",le="3600000"}', 5),
        ('envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="service1",le="+Inf"}', 6),
        ('envoy_cluster_upstream_rq_time_count{envoy_cluster_name="service1"}', 6),
        ('envoy_cluster_upstream_cx_length_ms_count{envoy_cluster_name="empty"}', 0),
        ('envoy_http_downstream_rq_xx{envoy_response_code_class="5",envoy_http_conn_manager_prefix="ingress_http"}', 1),
        ('envoy_http_downstream_rq_xx{envoy_response_code_class="1",envoy_http_conn_manager_prefix="ingress_http"}', 0),
        ('envoy_http_downstream_cx_active{envoy_http_conn_manager_prefix="ingress_http"}', 1),
        ('envoy_listener_downstream_cx_total{envoy_listener_address="127.0.0.1_28100"}', 7),
        ('envoy_listener_downstream_cx_total{envoy_listener_address="[__]_80"}', 0),
        (
            "envoy_listener_http_downstream_rq_completed"
            '{envoy_http_conn_manager_prefix="ingress_http",envoy_listener_address="127.0.0.1_28100"}',
            7,
        ),
        ("envoy_cluster_manager_active_clusters{}", 2),
        ("envoy_server_live{}", 1),
        ("shifter_config_version{}", 1),
    ],
)
def test_series(series: str, number: float) -> None:
    assert value(exposition(a_report()), series) == number


def test_prometheus_reads_it() -> None:
    families = parsed(exposition(a_report()))
    time = families["envoy_cluster_upstream_rq_time"]
    assert time.type == "histogram"
    sums = [one.value for one in time.samples if one.name.endswith("_sum") and one.labels["envoy_cluster_name"] == "service1"]
    assert sums == [pytest.approx(0.2 + 0.7 + 3 + 3 + 4 + 9999999)]
    assert families["envoy_server_uptime"].samples[0].value == 5


def test_no_series_twice() -> None:
    lines = [line.rpartition(" ")[0] for line in exposition(a_report()).splitlines()]
    assert len(set(lines)) == len(lines)


@given(st.text())
def test_any_cluster_name_comes_back(name: str) -> None:
    families = parsed(exposition(a_report(name), Selection(lambda name: name.endswith(".membership_total"))))
    labels = {one.labels["envoy_cluster_name"] for one in families["envoy_cluster_membership_total"].samples}
    assert labels == {sanitized(name), "empty"}


def test_nothing_but_what_is_used() -> None:
    text = exposition(a_report(), Selection(used_only=True))
    assert 'envoy_cluster_name="empty"' not in text
    assert "upstream_cx_connect_fail" not in text
    assert 'envoy_cluster_upstream_rq_active{envoy_cluster_name="service1"} 0\n' in text
    assert "# TYPE envoy_cluster_upstream_cx_connect_ms" not in text
    parsed(text)


def test_a_filter_is_asked_by_the_names_of_stats() -> None:
    text = exposition(a_report(), Selection(lambda name: name == "cluster.service1.upstream_rq_200"))
    assert text == (
        '# TYPE envoy_cluster_upstream_rq counter\nenvoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="service1"} 6\n'
    )


def test_values_in_the_names_of_figures_of_tls_are_labels() -> None:
    counters = {
        "ssl.ciphers.ECDHE-RSA-AES128-GCM-SHA256": 2,
        "ssl.ciphers.TLS_AES_128_GCM_SHA256": 1,
        "ssl.versions.TLSv1.3": 3,
        "ssl.handshake": 3,
    }
    shared = {'ssl.certificate.my "cert".expiration_unix_time_seconds': 7}
    listener = ListenerReport("front", "127.0.0.1", 443, Figures(counters, {}, shared))
    text = exposition(Report((listener,), server=Figures({"sds.my-cert.update_success": 1})))
    where = 'envoy_listener_address="127.0.0.1_443"'
    assert f'envoy_listener_ssl_ciphers{{envoy_ssl_cipher="ECDHE-RSA-AES128-GCM-SHA256",{where}}} 2\n' in text
    assert f'envoy_listener_ssl_versions{{envoy_ssl_version="TLSv1.3",{where}}} 3\n' in text
    assert f"envoy_listener_ssl_handshake{{{where}}} 3\n" in text
    assert f'envoy_listener_ssl_certificate_expiration_unix_time_seconds{{envoy_tls_certificate="my \\"cert\\"",{where}}} 7\n' in text
    assert "envoy_sds_my_cert_update_success{} 1\n" in text
    assert text.count("# TYPE envoy_listener_ssl_ciphers counter\n") == 1
    parsed(text)


def test_an_empty_report_is_an_empty_scrape() -> None:
    assert exposition(Report()) == ""


def test_names_types_and_labels_are_envoys() -> None:
    if not SAMPLE.exists():
        pytest.skip(f"no sample of Envoy's metrics at {SAMPLE}")
    line = re.compile(r'(\w+)\{((?:\w+="[^"]*",?)*)\} ')
    shape = {}
    kinds = {}
    for text in (SAMPLE.read_text(), exposition(a_report())):
        shape[text] = {(found[1], tuple(re.findall(r'(\w+)="', found[2]))) for found in map(line.match, text.splitlines()) if found}
        kinds[text] = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    (envoys, ours), (envoy_kinds, our_kinds) = shape.values(), kinds.values()
    both = {name for name, _ in envoys} & {name for name, _ in ours}
    assert {one for one in ours if one[0] in both} == {one for one in envoys if one[0] in both}
    assert {name: kind for name, kind in our_kinds.items() if name in envoy_kinds} == {
        name: kind for name, kind in envoy_kinds.items() if name in our_kinds
    }
    # What Envoy shows of a proxied request and shifter does not, with the reason.
    absent = {
        "envoy_cluster_default_total_match_count",  # subsets and match counts are not built
        "envoy_cluster_upstream_cx_rx_bytes_buffered",  # buffers are not kept per cluster
        "envoy_cluster_warming_state",
    }
    cluster = {name for name in envoy_kinds if re.match(r"envoy_cluster_(?!manager)", name)}
    assert cluster - set(our_kinds) == absent


def test_lint() -> None:
    """What promtool and OpenMetrics ask of a text, but for units and endings of names: those are Envoy's."""
    metric = ""
    finished: set[str] = set()
    buckets: list[tuple[float, int]] = []
    for line in exposition(a_report()).splitlines():
        if line.startswith("# TYPE "):
            finished.add(metric)
            _, _, metric, kind = line.split(" ")
            assert metric not in finished
            assert re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", metric)
            assert kind in ("counter", "gauge", "histogram")
            continue
        name, labels, number = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()  # type: ignore[union-attr]  # else it fails, too
        assert name == metric or (kind == "histogram" and name.removeprefix(metric) in ("_bucket", "_sum", "_count"))
        assert float(number) >= 0
        if name.endswith("_bucket") and kind == "histogram":
            buckets.append((float(labels.rpartition('le="')[2].rstrip('"')), int(number)))
        elif name.endswith("_count") and kind == "histogram":
            assert buckets == sorted(buckets)
            assert [count for _, count in buckets] == sorted(count for _, count in buckets)
            assert buckets[-1] == (float("inf"), int(number))
            buckets = []


def test_words_are_labels_of_gauges() -> None:
    texts = {"cluster_manager.cds.version_text": 'a"1"', "http.in.rds.one.version_text": "7", "http.in.rds.two.version_text": ""}
    report = Report(texts=texts)
    assert "version_text" not in exposition(report)
    text = at_once(exposition_in_steps(report, words=True))
    parsed(text)
    for series in (
        r'envoy_cluster_manager_cds_version_text{text_value="a\"1\""}',
        'envoy_http_rds_version_text{envoy_rds_route_config="one",envoy_http_conn_manager_prefix="in",text_value="7"}',
    ):
        assert value(text, series) == 0
    only = at_once(exposition_in_steps(report, Selection(keep=lambda name: "two" in name), words=True))
    assert only.count("text_value") == 1
