"""Every figure has one place, however odd the names in a configuration are."""

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.report import ClusterReport, Figures, HttpReport, ListenerReport, Report
from shifter.observe.scopes import EVERYTHING, Selection, escaped, families, sanitized
from tests.support.reports import a_report


@given(st.text())
def test_a_name_is_one_word_of_one_line(name: str) -> None:
    assert len(sanitized(f"x{name}y").splitlines()) == 1
    assert ":" not in sanitized(name)
    assert len(sanitized(name)) == len(name)
    sanitized(name).encode()


@given(st.text(alphabet='a\\"\n'))
def test_labels_can_be_read_back(value: str) -> None:
    told = escaped(value)
    assert "\n" not in told
    back, at = "", 0
    while at < len(told):
        assert told[at] != '"'
        if told[at] == "\\":
            at += 1
            back += {"n": "\n", "\\": "\\", '"': '"'}[told[at]]
        else:
            back += told[at]
        at += 1
    assert back == value


def test_names_that_look_alike_are_one_scope() -> None:
    figures = Figures({"n": 1}, codes={200: 1})
    report = Report(
        listeners=(ListenerReport("a", "::", 80, figures), ListenerReport("b", "::", 80, figures)),
        http=(HttpReport("p", "a", figures), HttpReport("p", "b", figures), HttpReport("p", "gone", figures)),
        clusters=(ClusterReport("a:b", figures), ClusterReport("a_b", figures)),
    )
    paths = {scope.path: scope.figures for family in families(report) for scope in family}
    assert paths["cluster.a_b."].counters == {"n": 2}
    assert paths["listener.[__]_80."].counters == {"n": 2}
    assert paths["http.p."].codes == {200: 3}
    assert paths["listener.[__]_80.http.p."].codes == {200: 2}


def test_managers_show_every_class_and_clusters_every_code() -> None:
    derived = {scope.path: {one.name: one.value for one in scope.derived} for family in families(a_report()) for scope in family}
    assert derived["http.ingress_http."] == {
        **{f"downstream_rq_{first}xx": {2: 6, 5: 1}.get(first, 0) for first in range(1, 6)},
        "downstream_rq_completed": 7,
    }
    assert derived["listener.127.0.0.1_28100.http.ingress_http."]["downstream_rq_2xx"] == 6
    expected = {"upstream_rq_200": 6, "upstream_rq_503": 1, "upstream_rq_2xx": 6, "upstream_rq_5xx": 1, "upstream_rq_completed": 7}
    assert derived["cluster.service1."] == derived["cluster.service1.external."] == expected
    assert derived["cluster.empty."] == {"upstream_rq_completed": 0}


def test_requests_without_an_answer_are_no_code() -> None:
    report = Report(clusters=(ClusterReport("c", Figures(codes={0: 3})),))
    assert [(one.name, one.value) for one in families(report)[0][0].derived] == [("upstream_rq_completed", 0)]


def test_a_selection_takes_what_it_wants_and_no_more() -> None:
    names = {
        scope.path + name
        for family in families(a_report(), Selection(lambda name: name.endswith("cx_total"), used_only=True))
        for scope in family
        for name in (*scope.figures.counters, *scope.figures.gauges, *scope.figures.histograms, *(one.name for one in scope.derived))
    }
    assert names == {
        "cluster.service1.upstream_cx_total",
        "http.ingress_http.downstream_cx_total",
        "listener.127.0.0.1_28100.downstream_cx_total",
        "listener.127.0.0.1_28100.worker_0.downstream_cx_total",
    }


def test_gauges_at_zero_are_used_where_something_was_counted() -> None:
    gauges = {scope.path: set(scope.figures.gauges) for family in families(a_report(), Selection(used_only=True)) for scope in family}
    assert "upstream_rq_active" in gauges["cluster.service1."]
    assert gauges["cluster.empty."] == set()


def test_selecting_everything_changes_nothing() -> None:
    assert families(a_report(), EVERYTHING) == families(a_report())
    everything = families(a_report(), Selection(lambda name: True))
    assert everything == families(a_report())


def test_files_with_routes_have_their_labels() -> None:
    name = "http.in.front.rds.a.b"
    server = Figures({f"{name}.update_attempt": 2, "runtime.load_error": 0}, shared={f"{name}.version": 7, "server.live": 1})
    report = Report(server=server)
    [scope] = [scope for family in families(report) for scope in family if scope.metric == "envoy_http_rds_"]
    assert scope.path == f"{name}."
    assert scope.labels == 'envoy_rds_route_config="a.b",envoy_http_conn_manager_prefix="in.front"'
    assert (scope.figures.counters, scope.figures.shared) == ({"update_attempt": 2}, {"version": 7})
    [others] = [scope for family in families(report) for scope in family if scope.metric == "envoy_"]
    assert (others.figures.counters, others.figures.shared) == ({"runtime.load_error": 0}, {"server.live": 1})
