"""``envoy.filters.http.compressor`` and the libraries it can use."""

import zlib
from typing import Annotated, Any, ClassVar

from pydantic import Field

from shifter.config.build_common import Sources, given
from shifter.config.filters.base import FilterKind
from shifter.config.schema.base import Bool, Ignored, Message, Name, OneOf, Text, Typed, UInt32, whole
from shifter.model import http_filter as model

_PACKAGE = "envoy.extensions.filters.http.compressor.v3."
GZIP = "envoy.extensions.compression.gzip.compressor.v3.Gzip"
BROTLI = "envoy.extensions.compression.brotli.compressor.v3.Brotli"
ZSTD = "envoy.extensions.compression.zstd.compressor.v3.Zstd"

_KINDS = {GZIP: model.Compression.GZIP, BROTLI: model.Compression.BROTLI, ZSTD: model.Compression.ZSTD}
_GZIP_LEVELS = {"DEFAULT_COMPRESSION": zlib.Z_DEFAULT_COMPRESSION, "BEST_SPEED": 1, "BEST_COMPRESSION": 9} | {
    f"COMPRESSION_LEVEL_{level}": level for level in range(1, 10)
}
_STRATEGIES = {
    "DEFAULT_STRATEGY": zlib.Z_DEFAULT_STRATEGY,
    "FILTERED": zlib.Z_FILTERED,
    "HUFFMAN_ONLY": zlib.Z_HUFFMAN_ONLY,
    "RLE": zlib.Z_RLE,
    "FIXED": zlib.Z_FIXED,
}
_WINDOWS = {GZIP: (9, 15), BROTLI: (10, 24)}
_HIGHEST_ZSTD_LEVEL = 22


class Library(Typed):
    """``Gzip``, ``Brotli`` or ``Zstd`` of ``extensions.compression``. How much is worked at once has no meaning here."""

    envoy = GZIP
    types: ClassVar[tuple[str, ...]] = (GZIP, BROTLI, ZSTD)

    memory_level: Annotated[int, Field(ge=1, le=9), whole] | None = None
    compression_level: Text | None = None
    compression_strategy: Text | None = None
    window_bits: Annotated[int, Field(ge=9, le=24), whole] | None = None
    quality: Annotated[int, Field(ge=0, le=11), whole] | None = None
    chunk_size: Ignored = None
    input_block_bits: Ignored = None
    encoder_mode: Ignored = None
    disable_literal_context_modeling: Ignored = None


class LibraryConfig(Message):
    """``core.v3.TypedExtensionConfig`` of a compression library."""

    envoy = "envoy.config.core.v3.TypedExtensionConfig"

    name: Name
    typed_config: Library


class RuntimeFeatureFlag(Message):
    """``core.v3.RuntimeFeatureFlag``."""

    envoy = "envoy.config.core.v3.RuntimeFeatureFlag"

    default_value: Bool
    runtime_key: Text = ""


class CommonDirectionConfig(Message):
    """``Compressor.CommonDirectionConfig``."""

    envoy = _PACKAGE + "Compressor.CommonDirectionConfig"

    enabled: RuntimeFeatureFlag | None = None
    min_content_length: UInt32 | None = None
    content_type: list[Name] = Field(default_factory=list)


class RequestDirectionConfig(Message):
    """``Compressor.RequestDirectionConfig``."""

    envoy = _PACKAGE + "Compressor.RequestDirectionConfig"

    common_config: CommonDirectionConfig | None = None


class ResponseDirectionConfig(Message):
    """``Compressor.ResponseDirectionConfig``."""

    envoy = _PACKAGE + "Compressor.ResponseDirectionConfig"

    common_config: CommonDirectionConfig | None = None
    disable_on_etag_header: Bool = False
    remove_accept_encoding_header: Bool = False
    uncompressible_response_codes: list[Annotated[int, Field(ge=200, le=599), whole]] = Field(default_factory=list)
    status_header_enabled: Bool = False


class Compressor(Typed):
    """``compressor.v3.Compressor``; its older fields stand for a ``response_direction_config``."""

    envoy = _PACKAGE + "Compressor"

    compressor_library: LibraryConfig
    request_direction_config: RequestDirectionConfig | None = None
    response_direction_config: ResponseDirectionConfig | None = None
    choose_first: Bool = False
    content_length: UInt32 | None = None
    content_type: list[Name] = Field(default_factory=list)
    disable_on_etag_header: Bool = False
    remove_accept_encoding_header: Bool = False
    runtime_enabled: RuntimeFeatureFlag | None = None


class ResponseDirectionOverrides(Message):
    """``compressor.v3.ResponseDirectionOverrides``."""

    envoy = _PACKAGE + "ResponseDirectionOverrides"

    remove_accept_encoding_header: Bool | None = None


class CompressorOverrides(Message):
    """``compressor.v3.CompressorOverrides``."""

    envoy = _PACKAGE + "CompressorOverrides"

    response_direction_config: ResponseDirectionOverrides | None = None


class CompressorPerRoute(Typed):
    """``compressor.v3.CompressorPerRoute``."""

    envoy = _PACKAGE + "CompressorPerRoute"
    one_of = (OneOf(("disabled", "overrides"), (), "this says neither `disabled` nor `overrides`"),)

    disabled: Bool = False
    overrides: CompressorOverrides | None = None


def build(config: Compressor, sources: Sources) -> model.Compressor:
    """Return *config* as the model. Raises ``ValueError`` for settings that the library does not have."""
    library = config.compressor_library.typed_config
    kind = library.type_url.rpartition("/")[2]
    low, high = _WINDOWS.get(kind, (0, 0))
    if library.window_bits is not None and not low <= library.window_bits <= high:
        raise ValueError(f"`window_bits` is from {low} to {high} here" if high else "this library has no `window_bits`")
    response = config.response_direction_config
    request = config.request_direction_config
    return model.Compressor(
        compression=_KINDS[kind],
        library_name=config.compressor_library.name,
        level=_level(library, kind),
        window=library.window_bits,
        memory=library.memory_level,
        strategy=_word(library.compression_strategy, _STRATEGIES, "compression_strategy") or 0,
        response=_response(response) if response is not None else _older(config),
        # Envoy: requests are compressed only where the configuration says so with `enabled`.
        request=model.CompressorDirection(**_common(request.common_config, enabled=False)) if request is not None else None,
        choose_first=config.choose_first,
    )


def _response(config: ResponseDirectionConfig) -> model.CompressorDirection:
    return model.CompressorDirection(
        **_common(config.common_config, enabled=True),
        disable_on_etag_header=config.disable_on_etag_header,
        remove_accept_encoding_header=config.remove_accept_encoding_header,
        uncompressible_response_codes=frozenset(config.uncompressible_response_codes),
        status_header_enabled=config.status_header_enabled,
    )


def _older(config: Compressor) -> model.CompressorDirection:
    """What stands in the fields that were there before directions were."""
    return model.CompressorDirection(
        **_direction(config.runtime_enabled, config.content_length, config.content_type, enabled=True),
        disable_on_etag_header=config.disable_on_etag_header,
        remove_accept_encoding_header=config.remove_accept_encoding_header,
    )


def _common(config: CommonDirectionConfig | None, enabled: bool) -> dict[str, Any]:
    if config is None:
        return {"enabled": enabled}
    return _direction(config.enabled, config.min_content_length, config.content_type, enabled)


def _direction(flag: RuntimeFeatureFlag | None, length: int | None, types: list[str], enabled: bool) -> dict[str, Any]:
    return given(
        enabled=flag.default_value if flag is not None else enabled,
        runtime_key=flag.runtime_key if flag is not None else None,
        min_content_length=length or None,
        content_types=frozenset(one.lower().encode() for one in types) or None,
    )


def _level(library: Library, kind: str) -> int | None:
    if kind == BROTLI:
        return library.quality
    written = library.compression_level
    if kind == GZIP or written is None:
        return _word(written, _GZIP_LEVELS, "compression_level")
    if not (written.isascii() and written.isdigit() and int(written) <= _HIGHEST_ZSTD_LEVEL):
        raise ValueError(f"`compression_level` of zstd is a number from 1 to {_HIGHEST_ZSTD_LEVEL}, not {written!r}")
    return int(written) or None


def _word(written: str | None, known: dict[str, int], name: str) -> int | None:
    if written is None:
        return None
    if written.upper() not in known:
        raise ValueError(f"{written!r} is none of the values of `{name}`: {', '.join(known)}")
    return known[written.upper()]


def build_per_route(config: CompressorPerRoute, sources: Sources) -> model.CompressorPerRoute:
    """Return what a route says as the model."""
    overrides = config.overrides.response_direction_config if config.overrides is not None else None
    return model.CompressorPerRoute(config.disabled, overrides.remove_accept_encoding_header if overrides is not None else None)


KIND = FilterKind("envoy.filters.http.compressor", Compressor, build, CompressorPerRoute, build_per_route)
