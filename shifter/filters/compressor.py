"""``envoy.filters.http.compressor``: bodies are compressed on their way.

Rule 1. What is compressed already, must not be changed (``no-transform``), is too short or of another type goes as it is.
Rule 2. Of several compressors in a chain one compresses an answer; which one is decided once (``accept_encoding``).
Rule 3. An answer that could have been compressed says ``vary: Accept-Encoding``, whether it was or not. A strong validator does
        not survive compression (RFC 9110 section 8.8.1): the field is taken out.
"""

from typing import cast

from shifter.filters.accept_encoding import HeaderStat, choose
from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter, unframe
from shifter.filters.compression import Encoder, make_encoder
from shifter.model.http_filter import Compression, Compressor, CompressorDirection, CompressorPerRoute
from shifter.wire.events import UPGRADE, RequestHead, ResponseHead, first_value, joined_value, values, without

_CHAIN = "envoy.filters.http.compressor"
_CHOICE = "envoy.filters.http.compressor.choice"
_STRONG = 2
_SWITCHING = 101


class CompressorFactory(FilterFactory[Compressor]):
    """Makes `CompressorFilter`. Raises `compression.MissingLibrary`."""

    def __init__(self, config: Compressor, context: FactoryContext) -> None:
        super().__init__(config, context)
        self.encoder = make_encoder(config)
        library = {Compression.GZIP: "gzip", Compression.BROTLI: "brotli", Compression.ZSTD: "zstd"}[config.compression]
        self._counters = f"compressor.{config.library_name}.{library}."
        self.coding = config.compression.value.encode()

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter:
        return CompressorFilter(self, stream, cast(CompressorPerRoute | None, override))

    def enabled(self, direction: CompressorDirection | None) -> bool:
        """Say whether messages in this direction are compressed now."""
        if direction is None:
            return False
        return self.context.runtime.boolean(direction.runtime_key, direction.enabled) if direction.runtime_key else direction.enabled

    def count(self, what: str, by: int = 1) -> None:
        self.context.count(self._counters + what, by)


class CompressorFilter(HttpFilter):
    """See the module."""

    __slots__ = ("_accept", "_factory", "_removes", "_request", "_responds", "_response", "_stream")

    def __init__(self, factory: CompressorFactory, stream: FilterStream, override: CompressorPerRoute | None) -> None:
        self._factory = factory
        self._stream = stream
        self._request: Encoder | None = None
        self._response: Encoder | None = None
        self._accept: bytes | None = None  # of a request that has passed here: Envoy leaves alone what was answered before
        response = factory.config.response
        if override is not None and override.disabled:
            self._responds = False
        elif override is not None and override.remove_accept_encoding_header is not None:
            self._responds = True
        else:
            self._responds = factory.enabled(response)
        chain = cast("list[CompressorFactory]", stream.filter_state.setdefault(_CHAIN, []))
        chain.append(factory)
        self._removes = False
        if self._responds and response is not None:
            self._removes = response.remove_accept_encoding_header
            if override is not None and override.remove_accept_encoding_header is not None:
                self._removes = override.remove_accept_encoding_header

    # requests

    def on_request_head(self, head: RequestHead, end: bool) -> None:
        self._accept = joined_value(head.block, b"accept-encoding")
        if self._removes:
            head.block = without(head.block, b"accept-encoding")
        factory = self._factory
        direction = factory.config.request
        plain = not end and not head.flags & UPGRADE  # another protocol's bytes are not ours to compress
        if plain and direction is not None and factory.enabled(direction) and self._fits(head, direction, "request."):
            unframe(head)
            head.block += b"\r\ncontent-encoding: " + factory.coding
            self._request = factory.encoder()
            factory.count("request.compressed")
        else:
            factory.count("request.not_compressed")

    def on_request_data(self, data: bytes, end: bool) -> bytes:
        return data if self._request is None else self._encode(self._request, data, end, "request.")

    # answers

    def on_response_head(self, head: ResponseHead, end: bool) -> None:
        factory = self._factory
        direction = factory.config.response
        problem = "" if direction is None or not self._responds else self._problem(head, direction)
        compressible = self._responds and direction is not None and not problem and not _no_transform(head.block)
        compressible = compressible and first_value(head.block, b"content-encoding") is None
        accepted = self._responds and problem != "ContentLengthTooSmall" and self._is_chosen(head)
        if not end and accepted and compressible and head.status != _SWITCHING:
            etag = first_value(head.block, b"etag")
            if etag is not None and len(etag) > _STRONG and etag[:2] not in (b"W/", b"w/"):
                head.block = without(head.block, b"etag")
            original = head.length
            unframe(head)
            head.block += b"\r\ncontent-encoding: " + factory.coding
            self._response = factory.encoder()
            factory.count("response.compressed")
            if direction is not None and direction.status_header_enabled:
                self._tell(head, b"Compressed;OriginalLength=" + (b"%d" % original if original >= 0 else b""))
        else:
            factory.count("response.not_compressed")
            if direction is not None and direction.status_header_enabled and problem:
                self._tell(head, problem.encode())
        if compressible and head.status != _SWITCHING:
            _vary(head)

    def on_response_data(self, data: bytes, end: bool) -> bytes:
        return data if self._response is None else self._encode(self._response, data, end, "response.")

    # inside

    def _encode(self, encoder: Encoder, data: bytes, end: bool, which: str) -> bytes:
        out = encoder.encode(data, end)
        self._factory.count(which + "total_uncompressed_bytes", len(data))
        self._factory.count(which + "total_compressed_bytes", len(out))
        return out

    def _fits(self, head: RequestHead, direction: CompressorDirection, which: str) -> bool:
        if 0 <= head.length < direction.min_content_length:
            self._factory.count(which + "content_length_too_small")
            return False
        return _type_fits(head.block, direction) and first_value(head.block, b"content-encoding") is None

    def _problem(self, head: ResponseHead, direction: CompressorDirection) -> str:
        """Return why this answer cannot be compressed, in the words of ``x-envoy-compression-status``; empty when it can."""
        if 0 <= head.length < direction.min_content_length:
            self._factory.count("response.content_length_too_small")
            return "ContentLengthTooSmall"
        if not _type_fits(head.block, direction):
            return "ContentTypeNotAllowed"
        if direction.disable_on_etag_header and first_value(head.block, b"etag") is not None:
            self._factory.count("not_compressed_etag")
            return "EtagNotAllowed"
        if head.status in direction.uncompressible_response_codes:
            return "StatusCodeNotAllowed"
        return ""

    def _is_chosen(self, head: ResponseHead) -> bool:
        factory = self._factory
        if self._accept is None:
            factory.count("no_accept_header")
            return False
        state = self._stream.filter_state
        choice = cast("tuple[bytes, HeaderStat] | None", state.get(_CHOICE))
        if choice is None:
            chain = cast("list[CompressorFactory]", state[_CHAIN])
            offers = [
                (one.coding, one.config.choose_first)
                for one in chain
                if one.config.response is None or _type_fits(head.block, one.config.response)
            ]
            choice = state[_CHOICE] = choose(self._accept, offers)
        coding, stat = choice
        chosen = coding == factory.coding
        factory.count((HeaderStat.OVERSHADOWED if stat is HeaderStat.USED and not chosen else stat).value)
        return chosen

    def _tell(self, head: ResponseHead, status: bytes) -> None:
        head.block += b"\r\nx-envoy-compression-status: %b;%b" % (self._factory.coding, status)


def _type_fits(block: bytes, direction: CompressorDirection) -> bool:
    value = first_value(block, b"content-type")
    return value is None or value.partition(b";")[0].strip().lower() in direction.content_types


def _no_transform(block: bytes) -> bool:
    directives = b",".join(values(block, b"cache-control")).split(b",")
    return any(directive.strip().lower() == b"no-transform" for directive in directives)


def _vary(head: ResponseHead) -> None:
    names = values(head.block, b"vary")
    joined = b", ".join(names)
    if any(name.strip().lower() == b"accept-encoding" for name in joined.split(b",")):
        return
    head.block = without(head.block, b"vary") + b"\r\nvary: " + (joined + b", Accept-Encoding" if joined else b"Accept-Encoding")
