"""200 MB up, 200 MB down, both at once past a reader that does not read: every byte arrives and memory hardly grows.

Each goes to the backend directly, and through a second shifter over HTTP/2.
"""

import hashlib
import threading
from collections.abc import Iterator

import pytest

from tests.support.backend import Backend, blocks, checksum
from tests.support.programs import PATIENCE
from tests.support.proxy import Proxy, cluster, http2, route
from tests.support.wireclient import Wire

SIZE = 200 * 1000 * 1000
MAY_GROW = 30 * 1000 * 1000
SMALL = 1 << 16
WAYS = ["/direct", "/over-h2"]


@pytest.fixture(scope="module")
def digest() -> str:
    return checksum(SIZE)


class Stage:
    """The proxies, and for each way a backend that takes everything and one that takes nothing until it is released."""

    def __init__(self, front: Proxy, sidecar: Proxy) -> None:
        self.front = front
        self.proxies = [front, sidecar]
        self.deaf = {way: front.own(Backend("deaf")) for way in WAYS}
        ready = front.own(Backend("ready"))
        clusters = [cluster("ready", ready.port), *(cluster(f"deaf{way}", deaf.port) for way, deaf in self.deaf.items())]
        sidecar.front([route("/over-h2/deaf", "deaf/over-h2", timeout="0s"), route("/", "ready", timeout="0s")], clusters)
        front.front(
            [
                route("/direct/deaf", "deaf/direct", timeout="0s", prefix_rewrite="/deaf"),
                route("/direct/", "ready", timeout="0s", prefix_rewrite="/"),
                route("/over-h2/", "sidecar", timeout="0s"),
            ],
            [*clusters, cluster("sidecar", sidecar.port, **http2())],
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Proxy(tmp_path_factory.mktemp("sidecar")) as sidecar, Proxy(tmp_path_factory.mktemp("front")) as front:
        yield Stage(front, sidecar)


class Measured:
    """How far the memory of each proxy grew, from before the first byte until the block ended."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __enter__(self) -> "Measured":
        with self._stage.front.connect() as wire:  # what requests need at all, they have already
            for way in WAYS:
                assert wire.ask("POST", way + "/sink", body=b"warm").status == 200
        self._before = [proxy.begin_peak() for proxy in self._stage.proxies]
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            for proxy, before in zip(self._stage.proxies, self._before, strict=True):
                grown = proxy.peak() - before
                print(f"memory grew by {grown / 1e6:.1f} MB from {before / 1e6:.0f} MB")
                assert grown <= MAY_GROW, f"memory grew by {grown / 1e6:.1f} MB"


def upload(wire: Wire, path: str, chunked: bool = False) -> None:
    """Send all of an upload; its answer is left to be read."""
    wire.request("POST", path, "transfer-encoding: chunked" if chunked else f"content-length: {SIZE}")
    for block in blocks(SIZE):
        wire.send(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
    if chunked:
        wire.send(b"0\r\n\r\n")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("way", WAYS)
def test_upload(stage: Stage, digest: str, way: str, chunked: bool) -> None:
    with Measured(stage), stage.front.connect() as wire:
        upload(wire, way + "/sink", chunked)
        assert wire.answer().body.decode() == f"{SIZE} {digest}"


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("way", WAYS)
def test_download(stage: Stage, digest: str, way: str, chunked: bool) -> None:
    found = hashlib.sha256()
    with Measured(stage), stage.front.connect() as wire:
        wire.request("GET", f"{way}/big?size={SIZE}" + "&chunked=1" * chunked)
        answer = wire.answer(sink=found.update)
        assert (answer.whole, answer.size) == (True, SIZE)
        assert found.hexdigest() == digest


@pytest.mark.parametrize("way", WAYS)
def test_both_at_once_past_a_reader_that_waits(stage: Stage, digest: str, way: str) -> None:
    """The download's reader takes nothing before the whole upload has passed by it."""
    found = hashlib.sha256()
    uploaded = threading.Event()
    answers = []

    def reads_late() -> None:
        with stage.front.connect(receive_buffer=SMALL) as wire:
            wire.request("GET", f"{way}/big?size={SIZE}")
            assert uploaded.wait(PATIENCE)
            answers.append(wire.answer(sink=found.update))

    reader = threading.Thread(target=reads_late)
    with Measured(stage):
        reader.start()
        try:
            with stage.front.connect() as wire:
                upload(wire, way + "/sink")
                assert wire.answer().body.decode() == f"{SIZE} {digest}"
        finally:
            uploaded.set()
            reader.join()
    [answer] = answers
    assert (answer.whole, answer.size) == (True, SIZE)
    assert found.hexdigest() == digest


@pytest.mark.parametrize("way", WAYS)
def test_an_upload_that_the_backend_does_not_take_waits(stage: Stage, digest: str, way: str) -> None:
    answers = []

    def sends() -> None:
        with stage.front.connect() as wire:
            upload(wire, way + "/deaf")
            answers.append(wire.answer())

    sender = threading.Thread(target=sends)
    before = stage.front.stats()["http.front.downstream_flow_control_paused_reading_total"]
    with Measured(stage):
        sender.start()
        try:
            stage.front.until(lambda stats: stats["http.front.downstream_flow_control_paused_reading_total"] > before)
            [request] = stage.deaf[way].seen(lambda request: True)
            assert not request.whole
        finally:
            stage.deaf[way].release()
            sender.join()
    assert [answer.body.decode() for answer in answers] == [f"{SIZE} {digest}"]
