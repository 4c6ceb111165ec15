"""An HTTP filter for shifter: it answers /hello itself, and tells the upstream and the client who was greeted.

It has one of everything: a configuration that is checked, another one for a route, an answer, a header field each way, a body
that grows, something to wait for, a counter, and an end.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from shifter.filters import FactoryContext, FilterFactory, FilterStream, HttpFilter, Reply, unframe
from shifter.wire.events import RequestHead, ResponseHead, first_value


@dataclass(frozen=True)
class Hello:
    """What stands in ``typed_config`` beside ``@type``."""

    greeting: str = "hello"
    delay: float = 0.0


class HelloFactory(FilterFactory[Hello]):
    """Made once for each entry of ``http_filters``."""

    def __init__(self, config: Hello, context: FactoryContext) -> None:
        super().__init__(config, context)
        context.count("hello.greeted", 0)  # /stats shows it from the start

    @classmethod
    def parse(cls, fields: Mapping[str, object]) -> Hello:
        unknown = sorted(fields.keys() - {"greeting", "delay"})
        if unknown:
            raise ValueError(f"there is no field `{unknown[0]}`; known: delay, greeting")
        greeting, delay = fields.get("greeting", "hello"), fields.get("delay", 0.0)
        if not isinstance(greeting, str) or not greeting.isprintable():
            raise ValueError("`greeting` is a text of one line")
        if not isinstance(delay, int | float) or delay < 0:
            raise ValueError("`delay` is a number of seconds")
        return Hello(greeting, float(delay))

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        config = override if isinstance(override, Hello) else self.config
        name = first_value(stream.head.block, b"x-name")
        return HelloFilter(self, config, name) if name is not None else None  # who has no name is not greeted


class HelloFilter(HttpFilter):
    """Made for each request that has a name."""

    def __init__(self, factory: HelloFactory, config: Hello, name: bytes) -> None:
        self._factory = factory
        self._text = config.greeting.encode() + b" " + name
        self._delay = config.delay

    def on_request_head(self, head: RequestHead, end: bool) -> Reply | Deferred[None] | None:
        self._factory.context.count("hello.greeted")
        if head.path == b"/hello":
            return Reply(200, self._text + b"\n", b"\r\ncontent-type: text/plain", details="hello")
        head.block += b"\r\nx-greeting: " + self._text
        if not self._delay:
            return None
        waits: Deferred[None] = Deferred(lambda _: call.cancel())  # the client has gone
        call = self._factory.context.call_later(self._delay, waits.callback, None)
        return waits

    def on_response_head(self, head: ResponseHead, end: bool) -> None:
        head.block += b"\r\nx-greeted: yes"
        if not end:
            unframe(head)  # the body will be longer than its content-length says

    def on_response_data(self, data: bytes, end: bool) -> bytes:
        return data + b"bye\n" if end else data
