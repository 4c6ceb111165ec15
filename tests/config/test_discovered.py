"""Clusters, listeners and routes in files of their own: read as one with the file that names them, and wrong at their own places."""

import pytest

from shifter.config import Judge, Loaded, ResourceKind, load, render
from shifter.model.http_connection_manager import HttpConnectionManager

ROUTER = '{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}'
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
FRONT = """\
dynamic_resources:
  lds_config: {path_config_source: {path: lds.yaml}}
  cds_config: {path: cds.yaml}
"""
CDS = """\
version_info: "7"
resources:
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: one
"""
LDS = f"""\
version_info: "a"
resources:
- "@type": type.googleapis.com/envoy.config.listener.v3.Listener
  name: front
  address: {{socket_address: {{address: 127.0.0.1, port_value: 8000}}}}
  filter_chains:
  - filters:
    - name: manager
      typed_config:
        "@type": {MANAGER}
        stat_prefix: front
        rds: {{route_config_name: local, config_source: {{path_config_source: {{path: rds.yaml}}}}}}
        http_filters: [{ROUTER}]
"""
RDS = """\
version_info: "r"
resources:
- "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
  name: local
  virtual_hosts:
  - name: all
    domains: ["*"]
    routes:
    - match: {prefix: /}
      route: {cluster: one}
"""
FILES = {"cds.yaml": CDS, "lds.yaml": LDS, "rds.yaml": RDS}


def read(front: str = FRONT, /, **files: str | None) -> Loaded:
    """Load *front* with these files; the others are as they should be."""
    texts = FILES | {f"{name}.yaml": text for name, text in files.items()}

    def content(path: str) -> bytes:
        text = texts.get(path)
        if text is None:
            raise FileNotFoundError(2, "No such file or directory")
        return text.encode()

    return load(front, "front.yaml", Judge(files=content))


def errors(loaded: Loaded) -> list[str]:
    return [str(problem) for problem in loaded.problems if problem.level == "error"]


def test_all_files_make_one_configuration() -> None:
    loaded = read()
    assert loaded.problems == [] and loaded.bootstrap is not None
    [listener], [cluster] = loaded.bootstrap.listeners, loaded.bootstrap.clusters
    manager = listener.filter_chains[0].filter
    assert isinstance(manager, HttpConnectionManager)
    [host] = manager.route_config.virtual_hosts
    assert (listener.name, cluster.name, manager.route_config.name) == ("front", "one", "local")
    assert (listener.place, cluster.place, host.routes[0].place) == ("lds.yaml:3:3", "cds.yaml:3:3", "rds.yaml:9:7")
    assert "static_resources" not in loaded.document


def test_what_is_told_of_the_files() -> None:
    files = {file.path: file for file in read().files}
    assert [(file.path, file.kind, file.version) for file in files.values()] == [
        ("cds.yaml", ResourceKind.CDS, "7"),
        ("lds.yaml", ResourceKind.LDS, "a"),
        ("rds.yaml", ResourceKind.RDS, "r"),
    ]
    assert files["cds.yaml"].scopes == ("cluster_manager.cds",)
    assert files["rds.yaml"].scopes == ("http.front.rds.local",)
    assert files["rds.yaml"].resources[0]["@type"].endswith(".RouteConfiguration")
    assert "route_config" not in str(files["lds.yaml"].resources[0]["filter_chains"]).replace("route_config_name", "")


def test_managers_that_ask_for_the_same_routes_share_them() -> None:
    second = (
        LDS.split("resources:\n")[1]
        .replace("name: front", "name: second")
        .replace("8000", "8001")
        .replace("stat_prefix: front", "stat_prefix: b")
    )
    loaded = read(lds=LDS + second)
    assert loaded.bootstrap is not None
    first, other = (listener.filter_chains[0].filter for listener in loaded.bootstrap.listeners)
    assert isinstance(first, HttpConnectionManager) and isinstance(other, HttpConnectionManager)
    assert first.route_config is other.route_config
    assert loaded.files[2].scopes == ("http.front.rds.local", "http.b.rds.local")


def test_a_static_listener_may_have_its_routes_in_a_file() -> None:
    static = LDS.split("resources:\n")[1].replace('"@type": type.googleapis.com/envoy.config.listener.v3.Listener\n  ', "")
    front = "static_resources:\n  listeners:\n" + "".join(f"  {line}\n" for line in static.splitlines()) + "  clusters: [{name: one}]\n"
    loaded = read(front)
    assert loaded.problems == [] and loaded.bootstrap is not None
    assert [file.path for file in loaded.files] == ["rds.yaml"]


WRONG = {
    "an unknown cluster": (
        {"rds": RDS.replace("cluster: one", "cluster: onne")},
        "rds.yaml:10:24: error: no cluster is named `onne` (did you mean `one`?)",
    ),
    "a cluster twice": (
        {"cds": CDS + '- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster\n  name: one\n'},
        "cds.yaml:6:9: error: a second cluster is named `one` (the first stands at line 4)",
    ),
    "other routes": (
        {"rds": RDS.replace("name: local", "name: lokal")},
        "rds.yaml:4:9: error: there is no route configuration named `local` here, and lds.yaml:12 asks for it (did you mean `lokal`?)",
    ),
    "no routes": (
        {"rds": "resources: []\n"},
        "rds.yaml:1:1: error: there is no route configuration named `local` here, and lds.yaml:12 asks for it "
        "(write `- ` and a route configuration under `resources:`)",
    ),
    "a file that is not there": ({"rds": None}, "lds.yaml:12:84: error: `rds.yaml` cannot be read: No such file or directory"),
    "an empty file": ({"cds": ""}, "cds.yaml:1:1: error: the file is empty (begin with `resources:`)"),
    "no YAML": ({"lds": "resources: [\n"}, "lds.yaml:2:1: error: not valid YAML"),
    "a resource alone": (
        {"cds": "name: one\n"},
        "cds.yaml:1:1: error: a cluster is an item of `resources` (begin with `resources:`, and indent this under `- `)",
    ),
    "another type": ({"cds": RDS}, "cds.yaml:3:12: error: `envoy.config.route.v3.RouteConfiguration` cannot stand here"),
    "an unknown field": ({"cds": CDS + "  connect_timeuot: 1s\n"}, "cds.yaml:5:3: error: unknown field `connect_timeuot`"),
    "a key twice": ({"cds": CDS + "  name: two\n"}, "cds.yaml:5:3: error: `name` is given twice (first given at line 4"),
    "not UTF-8": ({"cds": CDS + "#\udcff"}, "cds.yaml:"),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_stand_where_they_are(case: str) -> None:
    files, message = WRONG[case]
    if case == "not UTF-8":
        texts = {name: text.encode() for name, text in FILES.items()} | {"cds.yaml": CDS.encode() + b"#\xff\n"}
        loaded = load(FRONT, "front.yaml", Judge(files=texts.__getitem__))
        message = "cds.yaml:5:2: error: this is not text in UTF-8"
    else:
        loaded = read(**files)
    assert [error for error in errors(loaded) if error.startswith(message)], errors(loaded)
    assert loaded.bootstrap is None
    assert len(errors(loaded)) == 1, "and nothing that only follows from it"


def test_a_place_in_another_file_is_named_with_it() -> None:
    front = FRONT + "static_resources: {clusters: [{name: one}]}\n"
    assert errors(read(front)) == ["cds.yaml:4:9: error: a second cluster is named `one` (the first stands at line 4 of front.yaml)"]


def test_a_route_to_nowhere_is_the_file_s_own_choice() -> None:
    loaded = read(rds=RDS.replace("name: local", "name: local\n  validate_clusters: false").replace("cluster: one", "cluster: gone"))
    assert loaded.bootstrap is not None
    [problem] = loaded.problems
    assert (problem.level, problem.place.file, problem.place.line) == ("warning", "rds.yaml", 11)


def test_a_management_server_is_not_asked() -> None:
    loaded = read(FRONT.replace("{path: cds.yaml}", "{ads: {}}"))
    assert "front.yaml:3:16: error: Envoy knows `ads`, shifter does not support it yet (take it out, or keep Envoy for this)" in errors(
        loaded
    )


def test_a_resource_may_be_wrapped() -> None:
    inner = CDS.split("- ", 1)[1].replace("\n  ", "\n    ")
    text = f'resources:\n- "@type": type.googleapis.com/envoy.service.discovery.v3.Resource\n  name: one\n  resource:\n    {inner}'
    assert read(cds=text).problems == []


def test_old_spellings_are_read_in_files_too() -> None:
    loaded = read(cds=CDS + "  connect_timeout_ms: 250\n")
    assert loaded.bootstrap is not None and loaded.bootstrap.clusters[0].connect_timeout == 0.25
    assert [problem.place.file for problem in loaded.problems] == ["cds.yaml"]


def test_problems_are_drawn_with_the_lines_of_their_files() -> None:
    wrong = FILES | {"cds.yaml": CDS + "  nmae: two\n"}
    loaded = load(FRONT, "front.yaml", Judge(files=lambda path: wrong[path].encode()))
    drawn = render(loaded.problems, {name: text.encode() for name, text in wrong.items()})
    assert "--> cds.yaml:5:3\n    5 |   nmae: two\n      |   ^^^^" in drawn
