"""Changes under load, whichever way they come: not one request fails, not one gets a wrong answer; what is wrong changes nothing and
says where."""

import re
import shutil
import signal
import socket
import subprocess

import pytest
import yaml
from click.testing import CliRunner

from shifter.cli import main
from tests.support.backend import Backend
from tests.support.load import Load
from tests.support.programs import PATIENCE
from tests.support.proxy import Config, Proxy, bootstrap, cluster, http2, listener, route, split
from tests.support.wireclient import Wire, ask


class Wrk:
    """wrk at full speed, where it is installed: it makes many times the load of `Load`, but does not look at what is in the answers."""

    def __init__(self, port: int) -> None:
        program = shutil.which("wrk")
        self._process = None
        if program is not None:
            command = [program, "-t1", "-c8", "-d600s", f"http://127.0.0.1:{port}/name/wrk"]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Wrk":
        return self

    def __exit__(self, *_: object) -> None:
        """It may not have seen anything but answers with 200."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            said = self._process.communicate(timeout=PATIENCE)[0]
            assert "Requests/sec" in said
            assert not re.search("Socket errors|Non-2xx", said), said


class Ways:
    """How a new configuration is put in force."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._volumes = 0

    def signal(self, config: Config) -> None:
        """SIGHUP, which does not wait for the next look at the file."""
        self._proxy.write(config)
        self._proxy.signal(signal.SIGHUP)

    def post(self, config: Config) -> None:
        """``POST /reload``."""
        self._proxy.write(config)
        self._proxy.act("/reload")

    def command(self, config: Config) -> None:
        """``shifter reload``."""
        self._proxy.write(config)
        CliRunner().invoke(main, ["reload", "--admin", f"127.0.0.1:{self._proxy.admin}"])

    def edit(self, config: Config) -> None:
        """The file is written anew in its place."""
        self._proxy.path.write_text(self._proxy.text(config))

    def rename(self, config: Config) -> None:
        """Another file takes its place."""
        self._proxy.write(config)

    def mount(self, config: Config) -> None:
        """As Kubernetes mounts a ConfigMap: the file is a link into a folder, which is a link to the folder of this version."""
        directory, path = self._proxy.directory, self._proxy.path
        self._volumes += 1
        volume = directory / f"..{self._volumes}"
        volume.mkdir()
        (volume / path.name).write_text(self._proxy.text(config))
        fresh = directory / "..fresh"
        fresh.symlink_to(volume.name)
        fresh.rename(directory / "..data")
        if not path.is_symlink():
            fresh.symlink_to(f"..data/{path.name}")
            fresh.rename(path)


QUICK = ["signal", "post", "command"]
LOOKED_AT = ["edit", "rename", "mount"]
"""Those that take until the next look at the file."""
EVERYWHERE = ["127.0.0.1", "0.0.0.0", "::"]


def test_everything_changes_under_load(proxy: Proxy, backends: list[Backend]) -> None:
    one, two, three = backends
    second, moving = proxy.reserve(), proxy.reserve()
    ways = Ways(proxy)

    def config(number: int) -> Config:
        """Weights, listeners, their names and addresses, a cluster, endpoints and settings: each changes, in a rhythm of its own."""
        clusters = [
            cluster("one", *([one.port, three.port] if number % 2 else [one.port])),
            cluster("two", two.port, lb_policy="LEAST_REQUEST" if number % 3 else "ROUND_ROBIN"),
        ]
        routes = [split("/name", one=100 - number, two=number)]
        listeners = [
            listener(proxy.port, routes, name=f"front{number % 2}", stream_idle_timeout=f"{300 + number}s"),
            listener(moving, routes, name="moving", host=EVERYWHERE[number // 2 % 3]),
        ]
        if number % 4 == 1:
            clusters.append(cluster("three", three.port))
            listeners.append(listener(second, [route("/", "three")], name="second"))
        return bootstrap(proxy.admin, listeners, clusters)

    proxy.start(config(0))
    refused = 0
    front, moved = Load(proxy.port, "one|two|three"), Load(moving, "one|two|three", 2, 2, may_close=True)
    with Wrk(proxy.port), front, moved:
        for number in range(1, 51):
            if number % 6 == 0:
                getattr(ways, QUICK[number // 6 % 3])(config(number) | {"stats_sinks": "none"})
                refused += 1
                proxy.says("new configuration is refused", refused)
            way = LOOKED_AT[number // 8 % 3] if number % 8 == 0 else QUICK[number % 3]
            getattr(ways, way)(config(number))
            proxy.says(f"configuration {number + 1} is served")
            if number % 4 == 1:
                assert ask(second, "GET", "/name/second").body == b"three /name/second"
            elif number % 4 == 2:
                with pytest.raises(ConnectionRefusedError):
                    Wire(second)
        front.more(20)
        moved.more(20)
    assert not front.wrong
    assert not moved.wrong
    assert front.reconnects == 3
    assert moved.reconnects > 10  # each of the two was told to go, again and again
    assert front.answers.total() > 500
    assert all(front.answers[backend.name] for backend in backends)
    stats = proxy.at_rest()
    assert stats["shifter.config.version"] == 51
    assert stats["shifter.config.reload_success"] == 50
    assert stats["shifter.config.reload_rejected"] == refused
    assert stats["listener_manager.total_listeners_active"] == 2
    assert stats["cluster_manager.active_clusters"] == 2
    for name in ("one", "two"):
        assert not [path for path in stats if path.startswith(f"cluster.{name}.upstream_rq_5") and stats[path]]
    three.wait(lambda backend: backend.open == 0)  # neither its cluster nor its endpoint is left


def test_signals_in_a_burst_end_in_the_last_configuration(proxy: Proxy, backends: list[Backend]) -> None:
    def config(name: str, backend: Backend) -> Config:
        return bootstrap(proxy.admin, [listener(proxy.port, [route("/", name)])], [cluster(name, backend.port)])

    proxy.start(config("one", backends[0]))
    with Load(proxy.port, "one|two|three") as load:
        for number in range(200):
            proxy.write(config("two", backends[1]) if number % 2 else config("three", backends[2]))
            proxy.signal(signal.SIGHUP)
        proxy.reload(config("one", backends[0]))
        load.more(20)
    assert not load.wrong
    assert ask(proxy.port, "GET", "/name/last").body == b"one /name/last"


def test_a_request_under_way_keeps_what_it_started_with(proxy: Proxy, backends: list[Backend]) -> None:
    one, two, _ = backends
    proxy.start(bootstrap(proxy.admin, [listener(proxy.port, [route("/", "one")])], [cluster("one", one.port)]))
    with proxy.connect() as waiting, proxy.connect() as streaming, proxy.connect() as uploading:
        waiting.request("GET", "/hold")
        streaming.request("GET", "/hold-body")
        uploading.send(b"POST /sink HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc")
        one.seen(lambda request: True, 3)
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "two", "timeout": "1s"}}]
        proxy.reload(bootstrap(proxy.admin, [listener(proxy.port, routes)], [cluster("two", two.port)]))
        assert ask(proxy.port, "GET", "/name").body == b"two /name"
        uploading.send(b"def")
        assert uploading.answer().body.startswith(b"6 ")
        one.release()
        assert waiting.answer().whole
        assert streaming.answer().body == b"x" * 100 + b"y" * 100
        one.wait(lambda backend: backend.open == 0)  # and then the old endpoint's connections are closed
        for wire in (waiting, streaming, uploading):
            assert wire.ask("GET", "/name").body == b"two /name"


def test_a_removed_listener_finishes_what_it_has(proxy: Proxy, backends: list[Backend]) -> None:
    one = backends[0]
    second = proxy.reserve()
    both = [listener(proxy.port, [route("/", "one")]), listener(second, [route("/", "one")], name="second")]
    clusters = [cluster("one", one.port)]
    proxy.start(bootstrap(proxy.admin, both, clusters))
    with Wire(second) as waiting, Wire(second) as busy:
        assert busy.ask("GET", "/name").kept
        waiting.request("GET", "/hold")
        one.seen(lambda request: request.path == "/hold")
        proxy.reload(bootstrap(proxy.admin, both[:1], clusters))
        with pytest.raises(ConnectionRefusedError):
            Wire(second)
        told = busy.ask("GET", "/name/told")
        assert (told.body, told.kept) == (b"one /name/told", False)
        one.release()
        answer = waiting.answer()
        assert (answer.status, answer.kept) == (200, False)
    # and its address can be taken again
    proxy.reload(bootstrap(proxy.admin, both, clusters))
    assert ask(second, "GET", "/name").status == 200


def test_a_kept_endpoint_keeps_its_connections(proxy: Proxy, backends: list[Backend]) -> None:
    one = backends[0]

    def config(timeout: str) -> Config:
        return bootstrap(proxy.admin, [listener(proxy.port, [route("/", "one")])], [cluster("one", one.port, connect_timeout=timeout)])

    proxy.start(config("1s"))
    for seconds in range(2, 7):
        assert ask(proxy.port, "GET", "/name").status == 200
        proxy.reload(config(f"{seconds}s"))
    assert one.opened == 1
    assert proxy.stats()["cluster.one.upstream_rq_total"] == 5


def test_the_protocol_of_a_cluster_changes_under_load(
    tmp_path_factory: pytest.TempPathFactory, proxy: Proxy, backends: list[Backend]
) -> None:
    one = backends[0]
    with Proxy(tmp_path_factory.mktemp("sidecar")) as sidecar:
        sidecar.front([route("/", "one")], [cluster("one", one.port)])

        def config(**protocol: object) -> Config:
            listeners = [listener(proxy.port, [route("/", "sidecar")])]
            return bootstrap(proxy.admin, listeners, [cluster("sidecar", sidecar.port, **protocol)])

        proxy.start(config())
        with Load(proxy.port, "one") as load:
            for _ in range(5):
                proxy.reload(config(**http2()))
                load.more(20)
                proxy.reload(config())
                load.more(20)
        assert not load.wrong
        assert sidecar.stats()["http.front.downstream_cx_http2_total"] >= 5


class Mistakes:
    """Configurations that must change nothing, each with what the log must say."""

    @staticmethod
    def yaml_error(proxy: Proxy, good: Config) -> tuple[str, str]:
        text = yaml.safe_dump(good, sort_keys=False)
        return text + "bad: [unclosed\n", rf"front\.yaml:{text.count(chr(10)) + 2}:\d+"

    @staticmethod
    def unknown_cluster(proxy: Proxy, good: Config) -> tuple[str, str]:
        text = yaml.safe_dump(good, sort_keys=False).replace("cluster: one\n", "cluster: oen\n")
        before = text[: text.index("oen")]
        return text, rf"front\.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}.*oen.*one"

    @staticmethod
    def taken_port(proxy: Proxy, good: Config) -> tuple[str, str]:
        port = proxy.own(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        more = listener(port, [route("/", "one")], name="second")
        clusters = good["static_resources"]["clusters"]
        listeners = [*good["static_resources"]["listeners"], more]
        return yaml.safe_dump(bootstrap(proxy.admin, listeners, clusters)), rf"cannot listen on 127\.0\.0\.1:{port}.*in use"

    @staticmethod
    def unknown_field(proxy: Proxy, good: Config) -> tuple[str, str]:
        return yaml.safe_dump(good).replace("stat_prefix", "stat_perfix"), r"front\.yaml:\d+:\d+.*stat_perfix.*stat_prefix"

    @staticmethod
    def empty(proxy: Proxy, good: Config) -> tuple[str, str]:
        return "", r"front\.yaml"

    @staticmethod
    def access_log_in_no_folder(proxy: Proxy, good: Config) -> tuple[str, str]:
        text = yaml.safe_dump(good)
        assert "/dev/fd/ACCESS" in text
        return text.replace("/dev/fd/ACCESS", "/nonexistent/access.log"), r"/nonexistent/access\.log"


MISTAKES = [name for name in vars(Mistakes) if not name.startswith("_")]


def test_a_mistake_changes_nothing_and_is_told_with_its_place(proxy: Proxy, backends: list[Backend]) -> None:
    good = bootstrap(proxy.admin, [listener(proxy.port, [route("/", "one")])], [cluster("one", backends[0].port)])
    proxy.start(good)
    with Load(proxy.port, "one") as load:
        for number, name in enumerate(MISTAKES, 1):
            text, words = getattr(Mistakes, name)(proxy, good)
            said = proxy.refuse(text)
            assert [line for line in said if re.search(words, line)], (name, said)
            load.more(20)
            stats = proxy.stats()
            assert stats["shifter.config.problems"] >= 1
            assert stats["shifter.config.reload_rejected"] == number
            assert stats["shifter.config.version"] == 1
        proxy.path.unlink()
        proxy.signal(signal.SIGHUP)
        proxy.says("new configuration is refused", len(MISTAKES) + 1)
        assert proxy.lines(r"front\.yaml.*[Nn]o such file")
        proxy.reload(good)
        assert proxy.stats()["shifter.config.problems"] == 0
        load.more(20)
    assert not load.wrong
    assert load.reconnects == 3
