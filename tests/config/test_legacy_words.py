"""The names of v2 and what became of them."""

from shifter.config.filters import KINDS
from shifter.config.legacy_words import LOG_WORDS, ROUTE_TYPE_OF, TYPE_OF, V2_TYPES, renamed
from shifter.config.schema.words import TYPES

GONE = {"envoy.extensions.filters.http.gzip.v3.Gzip", "envoy.extensions.filters.http.cache.v3.CacheConfig"}
"""Not in Envoy 1.40 any more, or not in its protos."""


def test_new_types_are_envoys() -> None:
    assert {new for new in V2_TYPES.values() if new not in TYPES} <= GONE
    assert {*TYPE_OF.values(), *ROUTE_TYPE_OF.values()} <= TYPES | GONE


def test_names_are_not_old_and_new_at_once() -> None:
    for kind in ("http.", "network.", "listener."):
        names = renamed(f"envoy.filters.{kind}")
        assert names and not names.keys() & set(names.values())


def test_all_names_that_envoy_1_14_renamed() -> None:
    found = renamed("envoy.")
    old = {name for name in found if name.startswith("envoy.")}
    assert len(old) >= 30
    assert {"envoy.router", "envoy.cors", "envoy.fault", "envoy.health_check", "envoy.file_access_log", "envoy.tcp_proxy"} <= old


def test_what_a_filter_is_told_by_its_name_is_what_the_filter_reads() -> None:
    for kind in KINDS.values():
        assert TYPE_OF.get(kind.name, kind.config.envoy) == kind.config.envoy
        if kind.override is not None and kind.name in ROUTE_TYPE_OF:
            assert ROUTE_TYPE_OF[kind.name] == kind.override.envoy


def test_log_words_are_new() -> None:
    assert not LOG_WORDS.keys() & set(LOG_WORDS.values())
