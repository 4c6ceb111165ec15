"""The far ends of HTTP/2 connections in memory: each is the codec in its other role."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from shifter.wire.h2 import Connection
from shifter.wire.h2_events import Event
from tests.support.transports import FakeNetwork, FakeTransport

E = TypeVar("E", bound=Connection)


def converse(network: FakeNetwork, ends: Mapping[FakeTransport, E], hears: Callable[[E, Event], None]) -> None:
    """Let both sides of every connection talk until none has anything more to say; *hears* is called with what reaches *ends*."""
    network.run()
    busy = True
    while busy:
        busy = False
        for transport, end in ends.items():
            data = transport.take()
            events = end.receive(data) if data else []
            answer = end.data_to_send()
            for event in (*events, *end.events()):
                hears(end, event)
            transport.say(answer)
            busy = busy or bool(data or answer)
