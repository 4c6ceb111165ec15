"""The compression libraries behind ``envoy.filters.http.compressor``, with one small interface.

Rule 1. Each piece that goes in can be decoded as soon as it has come out: an event stream is not held back.
Rule 2. gzip is always there; brotli and zstd come with the extra ``compress``.
"""

import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from shifter.model.http_filter import Compression, Compressor

_GZIP = 16
_DEFAULT_WINDOW = 12
_DEFAULT_MEMORY = 5
_BROTLI_QUALITY = 3


class Encoder(Protocol):
    """One message's compression."""

    def encode(self, data: bytes, end: bool) -> bytes:
        """Return *data* compressed, whole and decodable so far; with *end* also what ends the stream."""


class MissingLibrary(ValueError):
    """The Python package for this compression is not installed."""


def make_encoder(config: Compressor) -> Callable[[], Encoder]:
    """Return a maker of encoders. Raises `MissingLibrary`."""
    if config.compression is Compression.GZIP:
        level = zlib.Z_DEFAULT_COMPRESSION if config.level is None else config.level
        window = _GZIP + (_DEFAULT_WINDOW if config.window is None else config.window)
        memory = _DEFAULT_MEMORY if config.memory is None else config.memory
        return lambda: _Gzip(level, window, memory, config.strategy)
    name = {Compression.BROTLI: "brotli", Compression.ZSTD: "zstandard"}[config.compression]
    try:
        library = import_module(name)
    except ImportError:
        raise MissingLibrary(f"the Python package {name} is not installed: pip install 'shifter-proxy[compress]'") from None
    if config.compression is Compression.BROTLI:
        options = {"quality": _BROTLI_QUALITY if config.level is None else config.level}
        if config.window is not None:
            options["lgwin"] = config.window
        return lambda: _Brotli(library.Compressor(**options))
    level = 3 if config.level is None else config.level
    # The streams of one ZstdCompressor share its state: each answer needs its own, or they end up in one another.
    return lambda: _Zstd(library.ZstdCompressor(level=level).compressobj(), library.COMPRESSOBJ_FLUSH_BLOCK)


class _Gzip:
    __slots__ = ("_stream",)

    def __init__(self, level: int, window: int, memory: int, strategy: int) -> None:
        self._stream = zlib.compressobj(level, zlib.DEFLATED, window, memory, strategy)

    def encode(self, data: bytes, end: bool) -> bytes:
        out = self._stream.compress(data)
        if end:
            return out + self._stream.flush()
        return out + self._stream.flush(zlib.Z_SYNC_FLUSH) if data else out


class _BrotliStream(Protocol):
    def process(self, data: bytes) -> bytes: ...
    def flush(self) -> bytes: ...
    def finish(self) -> bytes: ...


class _Brotli:
    __slots__ = ("_stream",)

    def __init__(self, stream: _BrotliStream) -> None:
        self._stream = stream

    def encode(self, data: bytes, end: bool) -> bytes:
        out = self._stream.process(data) if data else b""
        if end:
            return out + self._stream.finish()
        return out + self._stream.flush() if data else out


class _ZstdStream(Protocol):
    def compress(self, data: bytes) -> bytes: ...
    def flush(self, mode: int = ...) -> bytes: ...


class _Zstd:
    __slots__ = ("_block", "_stream")

    def __init__(self, stream: _ZstdStream, block: int) -> None:
        self._stream = stream
        self._block = block

    def encode(self, data: bytes, end: bool) -> bytes:
        out = self._stream.compress(data) if data else b""
        if end:
            return out + self._stream.flush()
        return out + self._stream.flush(self._block) if data else out
