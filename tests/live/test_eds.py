"""A file of endpoints is edited in every way there is while requests run: not one fails, and each is answered by who is in the file."""

import json
from pathlib import Path

from tests.support.backend import Backend
from tests.support.load import Load
from tests.support.proxy import Config, Proxy, address, route

TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"


def assignment(*backends: Backend, **said: object) -> str:
    endpoints: list[Config] = [{"endpoint": {"address": address(backend.port)}, **said} for backend in backends]
    return json.dumps({"resources": [{"@type": TYPE, "cluster_name": "web", "endpoints": [{"lb_endpoints": endpoints}]}]}, indent=1)


def test_edits_under_load(proxy: Proxy, backends: list[Backend], tmp_path: Path) -> None:
    one, two, three = backends
    versions = tmp_path / "versions"
    for name, content in (("v1", assignment(one)), ("v2", assignment(three))):
        (versions / name).mkdir(parents=True)
        (versions / name / "eds.json").write_text(content)
    (versions / "latest").symlink_to("v1")
    path = versions / "latest" / "eds.json"
    source = {"eds_config": {"path_config_source": {"path": str(path)}}}
    proxy.front([route("/", "web")], [{"name": "web", "type": "EDS", "eds_cluster_config": source}])

    with Load(proxy.port, "one|two|three") as load:

        def seen(*now: Backend, change: str, times: int = 1) -> None:
            """Wait for the log to tell of *change*; from then on these answer, and nobody else."""
            proxy.says(change, times)
            load.more(10)
            before = dict(load.answers)
            load.more(20)
            answering = {name for name, count in load.answers.items() if count > before.get(name, 0)}
            assert answering == {backend.name for backend in now}

        path.write_text(assignment(one, two))  # in place
        seen(one, two, change="endpoints now 2, new: ")
        path.write_text(assignment(one, two, load_balancing_weight=7))
        seen(one, two, change="endpoints now 2, described otherwise: ")
        (versions / "new").symlink_to("v2")
        (versions / "new").rename(versions / "latest")  # as Kubernetes does
        seen(three, change="endpoints now 1, new: .*, gone: ")
        path.write_text(assignment(two).replace("port_value", "port"))
        proxy.says(r"/latest/eds\.json:14:11: error: unknown field `port`")
        seen(three, change="cluster web keeps the endpoints it has")
        fresh = path.with_name("fresh")
        fresh.write_text(assignment(two, one))
        fresh.rename(path)
        seen(one, two, change="endpoints now 2, new: .*, gone: ")
    assert not load.wrong
    stats = proxy.at_rest()
    assert {name: stats[f"cluster.web.update_{name}"] for name in ("attempt", "success", "rejected")} == {
        "attempt": 6,
        "success": 5,
        "rejected": 1,
    }
    assert stats["cluster.web.membership_change"] == 4
    assert not [name for name in stats if name.startswith("cluster.web.upstream_rq_5") and stats[name]]
    three.wait(lambda backend: backend.open == 0)  # who is not in the file keeps no connection
    assert one.opened + two.opened < 60  # another weight costs none
