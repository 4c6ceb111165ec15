"""A gRPC service in a process of its own: ``python -m tests.support.grpc_backend NAME`` says its port, and serves until it is killed.

Its methods (of ``test.Calls``) take and give plain bytes; each answer's first metadata have ``x-served-by: NAME``.

* ``Echo``, ``Join``, ``Count``, ``Talk``: the four kinds of calls. ``Count`` is asked for a number of messages of a size.
* ``Fail``: ends with the status, and the words, that it is asked for; ``Late`` does so behind one message.
* ``Sleep``: never answers. ``Left``: says how much of its time is left. ``Metadata``: says what it was sent.
* ``Rest``: one message, then nothing. ``Cancelled``: how many calls of ``Rest`` the client has left.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

Context = Any  # grpc.aio.ServicerContext: there are no types


class Service(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """See the module."""

    def __init__(self, name: str) -> None:
        self._served_by = (("x-served-by", name),)
        self._cancelled = 0

    def service(self, details: Any) -> Any:
        name = details.method.rpartition("/")[2]
        makers: dict[str, Callable[[Any], Any]] = {
            "Join": grpc.stream_unary_rpc_method_handler,
            "Count": grpc.unary_stream_rpc_method_handler,
            "Late": grpc.unary_stream_rpc_method_handler,
            "Rest": grpc.unary_stream_rpc_method_handler,
            "Talk": grpc.stream_stream_rpc_method_handler,
        }
        method = getattr(self, name.lower(), None)
        return None if method is None else makers.get(name, grpc.unary_unary_rpc_method_handler)(method)

    async def echo(self, message: bytes, context: Context) -> bytes:
        await context.send_initial_metadata(self._served_by)
        return message

    async def join(self, messages: AsyncIterator[bytes], context: Context) -> bytes:
        await context.send_initial_metadata(self._served_by)
        return b",".join([message async for message in messages])

    async def count(self, message: bytes, context: Context) -> AsyncIterator[bytes]:
        await context.send_initial_metadata(self._served_by)
        number, size = map(int, message.split())
        for at in range(number):
            yield b"%d" % at if not size else b"x" * size

    async def talk(self, messages: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        await context.send_initial_metadata(self._served_by)
        async for message in messages:
            yield b"you said " + message
        yield b"bye"

    async def fail(self, message: bytes, context: Context) -> bytes:
        number, _, words = message.decode().partition(" ")
        context.set_trailing_metadata((("x-why", "because"), ("x-why-bin", b"\0\xff\x01")))
        await context.abort(next(code for code in grpc.StatusCode if code.value[0] == int(number)), words)
        return b""

    async def late(self, message: bytes, context: Context) -> AsyncIterator[bytes]:
        yield b"one"
        await self.fail(message, context)

    async def sleep(self, message: bytes, context: Context) -> bytes:
        await asyncio.sleep(3600)
        return b""

    async def left(self, message: bytes, context: Context) -> bytes:
        return str(context.time_remaining()).encode()

    async def metadata(self, message: bytes, context: Context) -> bytes:
        pairs = [(key, value if isinstance(value, str) else list(value)) for key, value in context.invocation_metadata()]
        await context.send_initial_metadata((*self._served_by, ("x-raw-bin", bytes(range(256)))))
        return json.dumps(pairs).encode()

    async def rest(self, message: bytes, context: Context) -> AsyncIterator[bytes]:
        yield b"one"
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self._cancelled += 1
            raise

    async def cancelled(self, message: bytes, context: Context) -> bytes:
        return b"%d" % self._cancelled


async def serve(name: str) -> None:
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ]
    )
    server.add_generic_rpc_handlers((Service(name),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
