"""When files are read again, and what is counted of them. Time is a Clock, the data path only remembers, the files are real."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from shifter.model.change import Actor, ChangeResult
from shifter.model.release import RouteHold, RouteReference
from shifter.net.tls_context import TlsMaterialError
from shifter.observe.server_stats import ServerStats
from shifter.service.controller import Controller
from shifter.service.filewatch import LOOK_EVERY
from shifter.service.holding import Hold, LetGo
from shifter.service.journal import MemoryJournal
from shifter.service.reloading import Reloading
from shifter.service.sources import FileSource
from tests.config.test_discovered import CDS, FILES, FRONT, LDS, RDS
from tests.support.steering import RememberingPlane

ANN = Actor("ann", "because", "a test")
TWO = CDS.replace('"7"', '"8"') + '- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster\n  name: two\n'


class Lab:
    def __init__(self, path: Path) -> None:
        self.path = path
        for name, text in {"front.yaml": FRONT, **FILES}.items():
            (path / name).write_text(text)
        self.clock = Clock()
        self.stats = ServerStats("1.2.3", 0.0)
        self.plane = RememberingPlane()
        self.journal = MemoryJournal()
        plane: Any = self.plane
        self.controller = Controller(plane, self.journal, self.stats, lambda: 5.0, lambda sock: None)
        source = FileSource("front.yaml")
        first = source.read()
        self.asked: list[Actor] = []
        self.reloading = Reloading(self.clock, self.clock.seconds, lambda: 5.0, source, first, self.controller, self.stats, self.changed)
        self.controller.lay_out(first)()
        self.reloading.start()

    def changed(self, actor: Actor) -> None:
        self.asked.append(actor)
        self.reloading.reload(actor)

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.path / f"{name}.yaml").write_text(text)

    def wait(self, looks: int = 3) -> list[str]:
        """Let the files be looked at; return why they were read again since."""
        before = len(self.asked)
        for _ in range(looks):
            self.clock.advance(LOOK_EVERY)
        return [actor.origin for actor in self.asked[before:]]

    def reload(self) -> ChangeResult:
        found: list[ChangeResult] = []
        self.reloading.reload(ANN).addCallback(found.append)
        return found[0]

    @property
    def clusters(self) -> list[str]:
        return [cluster.name for cluster in self.plane.served[-1].clusters]

    def entries(self) -> int:
        return len(self.journal._entries)

    def counts(self, scope: str) -> dict[str, int]:
        return {
            name.removeprefix(f"{scope}."): count for name, count in self.stats.discovery.items() if name.startswith(f"{scope}.") and count
        }


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.chdir(tmp_path)
    lab = Lab(tmp_path)
    yield lab
    lab.reloading.stop()
    assert lab.clock.getDelayedCalls() == []


def test_nothing_happens_while_nothing_changes(lab: Lab) -> None:
    assert lab.wait(10) == []
    assert (lab.stats.config_version, lab.entries()) == (1, 0)


@pytest.mark.parametrize("how", ["in place", "renamed over", "a link that is turned"])
def test_a_file_that_has_changed_is_read(lab: Lab, how: str) -> None:
    if how == "in place":
        lab.write(cds=TWO)
    elif how == "renamed over":
        lab.write(new=TWO)
        os.rename("new.yaml", "cds.yaml")
    else:
        for version, text in ("v1", CDS), ("v2", TWO):
            (lab.path / version).mkdir()
            (lab.path / version / "cds.yaml").write_text(text)
        (lab.path / "..data").symlink_to("v1")
        (lab.path / "cds.yaml").unlink()
        (lab.path / "cds.yaml").symlink_to("..data/cds.yaml")
        assert lab.wait() == ["file cds.yaml"]  # another file by now, which says the same
        assert (lab.entries(), lab.stats.config_version) == (0, 1)
        (lab.path / "..new").symlink_to("v2")
        os.rename(lab.path / "..new", lab.path / "..data")
    assert lab.wait() == ["file cds.yaml"]
    assert lab.clusters == ["one", "two"]
    assert lab.entries() == 1


def test_the_main_file_is_watched_too(lab: Lab) -> None:
    lab.write(front=FRONT + "node: {id: other}\n")
    assert lab.wait() == ["file front.yaml"]
    assert lab.plane.served[-1].node_id == "other"


def test_a_file_that_does_without_a_held_route_is_served_when_the_release_lets_go(lab: Lab) -> None:
    lab.write(cds=TWO)
    lab.wait()
    lab.controller.change(Hold(RouteHold("new", RouteReference(text="/"), "one", "two"), lab.controller.meanwhile), ANN)
    lab.write(cds=CDS)
    assert lab.wait() == ["file cds.yaml"]
    assert lab.clusters == ["one", "two"], "the canary is wanted"
    lab.controller.change(LetGo("new"), ANN)
    assert lab.asked[-1].why == "a release has let go of its route"
    assert lab.clusters == ["one"]
    asked = len(lab.asked)
    lab.controller.change(Hold(RouteHold("same", RouteReference(text="/"), "one", "one"), lab.controller.meanwhile), ANN)
    lab.controller.change(LetGo("same"), ANN)
    assert len(lab.asked) == asked, "what is served is what the files say"


def test_what_a_signal_has_had_read_is_not_read_again(lab: Lab) -> None:
    lab.write(cds=TWO)
    assert lab.reload().taken
    assert lab.wait() == []
    assert (lab.entries(), lab.stats.config_version, lab.stats.config_reload_success) == (1, 2, 1)


def test_a_change_while_it_was_started_is_seen(lab: Lab) -> None:
    """That is: between the reading of the first configuration and the first look."""
    source = FileSource("front.yaml")
    first = source.read()
    lab.write(rds=RDS + "# more\n")
    asked: list[Actor] = []
    reloading = Reloading(Clock(), lambda: 0.0, lambda: 0.0, source, first, lab.controller, ServerStats("", 0.0), asked.append)
    reloading.start()
    reloading._watch._look()
    reloading._watch._look()
    reloading.stop()
    assert [actor.origin for actor in asked] == ["file rds.yaml"]


def test_a_file_that_is_wrong_and_put_right_again(lab: Lab) -> None:
    lab.write(rds="resources: [\n")
    assert lab.wait() == ["file rds.yaml"]
    assert [problem.split(": ")[0] for problem in lab.controller.problems] == ["rds.yaml:2:1"]
    assert (lab.stats.config_problems, lab.stats.config_version) == (1, 1)
    lab.write(rds=RDS)
    assert lab.wait() == ["file rds.yaml"]
    assert (lab.controller.problems, lab.stats.config_problems) == ((), 0)
    assert (lab.stats.config_version, lab.entries()) == (1, 0), "what is served never was another"


def test_a_wrong_file_is_told_of_while_the_others_are_taken(lab: Lab) -> None:
    lab.write(rds=RDS.replace("cluster: one", "cluster: three"), cds=TWO)
    result = lab.reload()
    assert result.taken and lab.clusters == ["one", "two"]
    assert [problem.split(": ")[0] for problem in lab.controller.problems] == ["rds.yaml:10:24"]
    assert result.warnings == lab.controller.problems
    lab.write(front=FRONT + "node: {id: other}\n")
    assert lab.reload().taken and lab.stats.config_problems == 1
    lab.write(rds=RDS)
    assert lab.reload().taken and lab.controller.problems == ()


def test_a_file_that_is_gone_and_comes_back(lab: Lab) -> None:
    (lab.path / "rds.yaml").unlink()
    assert lab.wait() == ["file rds.yaml"]
    assert "cannot be read" in lab.controller.problems[0]
    lab.write(rds=RDS.replace("prefix: /", "prefix: /new"))
    assert lab.wait() == ["file rds.yaml"]
    assert lab.stats.config_version == 2 and lab.controller.problems == ()


def test_a_file_that_comes_later_than_its_name(lab: Lab) -> None:
    lab.write(front=FRONT.replace("cds.yaml", "more.yaml"))
    assert lab.wait() == ["file front.yaml"]
    assert lab.controller.problems and lab.stats.config_version == 1
    lab.write(more=TWO)
    assert lab.wait() == ["file more.yaml"]
    assert lab.clusters == ["one", "two"] and not lab.controller.problems
    lab.write(cds="wrong")
    assert lab.wait() == [], "nobody names it any more"


def test_what_is_counted_of_files(lab: Lab) -> None:
    cds, lds, rds = "cluster_manager.cds", "listener_manager.lds", "http.front.rds.local"
    once = {"update_attempt": 1, "update_success": 1}
    assert lab.counts(cds) == lab.counts(rds) == once | {"config_reload": 1}
    assert lab.counts(lds) == once
    assert lab.stats.discovery_gauges[f"{cds}.version"] == 1750302349509622455, "Envoy's hash of 7"
    assert lab.stats.discovery_gauges[f"{lds}.update_time"] == 5000
    lab.write(cds=TWO)
    lab.reload()
    assert lab.counts(cds) == {"update_attempt": 2, "update_success": 2, "config_reload": 2}
    assert lab.counts(rds) == once | {"config_reload": 1}
    lab.write(cds=CDS)
    lab.reload()
    assert lab.counts(cds) == {"update_attempt": 3, "update_success": 3, "config_reload": 2}, "less is not a reload"
    lab.write(rds="resources: [\n")
    lab.reload()
    lab.reload()
    lab.write(rds=RDS.replace("prefix: /", "prefxi: /"))
    lab.reload()
    lab.write(rds=RDS)
    lab.reload()
    assert lab.counts(rds) == {"update_attempt": 4, "update_failure": 1, "update_rejected": 1, "update_success": 2, "config_reload": 1}
    lab.write(lds=LDS.replace("stat_prefix: front", "stat_prefix: back"))
    lab.reload()
    assert lab.counts("http.back.rds.local") == once | {"config_reload": 1}
    assert not [name for name in lab.stats.discovery if name.startswith("http.front.")]


def test_what_cannot_be_served_is_rejected(lab: Lab) -> None:
    lab.plane.unable = TlsMaterialError("cannot be used")
    lab.write(lds=LDS.replace('"a"', '"b"'))
    assert not lab.reload().taken
    assert lab.counts("listener_manager.lds") == {"update_attempt": 2, "update_success": 1, "update_rejected": 1}
    lab.plane.unable = None
    assert lab.reload().taken
    assert lab.counts("listener_manager.lds") == {"update_attempt": 3, "update_success": 2, "update_rejected": 1}


def test_wishes_before_anything_is_read_are_one(lab: Lab) -> None:
    lab.controller._changing = True
    results: list[ChangeResult] = []
    for _ in range(3):
        lab.reloading.reload(ANN).addCallback(results.append)
    lab.controller._changing = False
    lab.controller._next()
    assert len(results) == 3 and lab.stats.config_version == 2
