"""Spans are sent by the hundred, bounded, and are nobody's worry."""

from collections.abc import Iterable

from shifter.model.bootstrap import RuntimeLayer, RuntimeValue
from shifter.model.tracing import OpenTelemetry
from shifter.observe.stats import counter
from shifter.observe.tracing import Span
from shifter.routing.runtime import Runtime
from shifter.service.spans import BATCH, Exporter
from tests.support.proxies import Proxy

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
ONE = Span("a", b"1" * 32, b"2" * 16, b"", b"", 1.0, 2.0, ())
CONFIG = OpenTelemetry("one", b"collector", b"/v1/traces", 1.0, headers=((b"x-key", b"secret"),), max_cache_size=BATCH)


class Scene:
    def __init__(self, config: OpenTelemetry = CONFIG, **runtime: RuntimeValue) -> None:
        self.proxy = Proxy()
        self.figures: dict[str, int] = {}
        values = {f"tracing.opentelemetry.{name}": value for name, value in runtime.items()}
        layers = Runtime([RuntimeLayer("one", values)])
        self.exporter = Exporter(config, self.proxy.clusters.get, self.proxy.worker, layers, counter(self.figures), encode)

    def counted(self) -> tuple[int, int]:
        return self.figures["tracing.opentelemetry.spans_sent"], self.figures["tracing.opentelemetry.spans_dropped"]


def encode(spans: Iterable[Span]) -> bytes:
    return b"x" * len(list(spans))


def test_spans_go_to_the_collectors_cluster() -> None:
    scene = Scene(min_flush_spans=2)
    scene.exporter.tell(ONE)
    assert not scene.proxy.backends
    scene.exporter.tell(ONE)
    scene.proxy.wait(0.1)
    backend = scene.proxy.backend
    assert backend.take() == (
        b"POST /v1/traces HTTP/1.1\r\nhost: collector\r\ncontent-type: application/x-protobuf\r\n"
        b"user-agent: OTel-OTLP-Exporter-shifter\r\nx-key: secret\r\ncontent-length: 2\r\n\r\nxx"
    )
    assert scene.counted() == (0, 0)
    assert scene.exporter.busy
    backend.say(OK)
    assert scene.counted() == (2, 0)
    assert not scene.exporter.busy


def test_what_waits_long_enough_is_sent() -> None:
    scene = Scene(flush_interval_ms=1000)
    scene.exporter.tell(ONE)
    scene.exporter.flush()
    assert not scene.proxy.backends
    scene.proxy.wait(1)
    scene.exporter.flush()
    scene.proxy.backend.say(OK)
    assert scene.counted() == (1, 0)
    assert scene.figures["tracing.opentelemetry.timer_flushed"] == 1


def test_a_collector_that_does_not_take_them_loses_them() -> None:
    scene = Scene()
    for answer in (b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", b""):
        scene.exporter.tell(ONE)
        scene.exporter.flush(now=True)
        scene.proxy.backend.say(answer)
    scene.proxy.wait(1.1)
    assert scene.counted() == (0, 2)
    assert not scene.proxy.worker.streams


def test_one_that_is_not_there_does_too() -> None:
    scene = Scene()
    scene.proxy.network.answers = False
    scene.exporter.tell(ONE)
    scene.exporter.flush(now=True)
    scene.proxy.wait(1.1)
    assert scene.counted() == (0, 1)


def test_a_cluster_that_has_gone_loses_them() -> None:
    scene = Scene(OpenTelemetry("gone", b"collector", b"/", 1.0))
    scene.exporter.tell(ONE)
    scene.exporter.flush(now=True)
    assert scene.counted() == (0, 1)


def test_no_more_waits_than_may() -> None:
    scene = Scene(OpenTelemetry("one", b"collector", b"/", 1.0, max_cache_size=3), min_flush_spans=1000)
    for _ in range(5):
        scene.exporter.tell(ONE)
    assert scene.counted() == (0, 2)


def test_a_collector_that_is_slow_is_not_asked_for_more() -> None:
    scene = Scene(min_flush_spans=1)
    for _ in range(10):
        scene.exporter.tell(ONE)
    assert len(scene.proxy.worker.streams) == 4
