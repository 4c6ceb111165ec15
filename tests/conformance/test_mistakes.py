"""Planted mistakes and Envoy's own check: what Envoy refuses is refused here, and where more is refused, there is a reason.

Old spellings are told apart before: shifter takes them on purpose, and `shifter convert` writes what Envoy takes.
"""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.candidates import envoy_program
from shifter.config import load
from tests.config import test_mistakes as general
from tests.config import test_route_mistakes as routes
from tests.support.configs import NAME, plant
from tests.support.effort import some

NOT_YET = "Envoy knows "
BY_CHANCE = "no request has such a header, so Envoy chooses by chance or sends an empty host"
SMUGGLING = "it would make another request of the one that is sent on"
LAX = "Envoy reads this as something else than it looks like"
NEVER = "Envoy starts with it, and it never does what it says"

# What Envoy takes and shifter does not, beside what it does not support yet: why.
STRICTER = {
    "header_name: «''»": BY_CHANCE,
    "header_name: «'a b'»": BY_CHANCE,
    "host_rewrite_header: «''»": BY_CHANCE,
    "internal_only_headers: [«a b»]": BY_CHANCE,
    "odd name for a header": BY_CHANCE,
    "pseudo header of an answer": BY_CHANCE,
    "host_rewrite_literal: «'a b'»": SMUGGLING,
    "blank in a rewrite": SMUGGLING,
    "framing among the headers": SMUGGLING,
    "length taken out": SMUGGLING,
    "hash_policy: [{cookie: {name: «a b», ttl: 0s}}]": "browsers read the Set-Cookie as that of another cookie",
    "port_redirect: «70000»": NEVER,
    "typed_per_filter_config: {«envoy.filters.http.buffer»: {'@type': F/buffer.v3.BufferPerRoute, disabled: true}}": NEVER,
    "internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: «80»}]}": NEVER,
    "- {name: a, typed_config: {'@type': F/local_ratelimit.v3.LocalRateLimit, stat_prefix: a, "
    "token_bucket: {max_tokens: «0», fill_interval: 1s}}}": NEVER,
    "star in the middle": NEVER,
    "URL for a domain": NEVER,
    "URL for a host": NEVER,
    "one port for two": "Envoy finds out when it listens",
    "«request_mirror_policies»: {cluster: service1}": LAX,
    "«validate_clusters»: {value: true}": LAX,
    "camel case": LAX,
    "octal?": LAX,
    "a text for a list": LAX,
    "an empty list item": LAX,
    "duplicate key": LAX,
    "tag": LAX,
    "second document": LAX,
}


def mistakes(level: str) -> dict[str, str]:
    """Every mistake of both tables by what it is called."""
    found = {written: routes.planted(where, written)[0] for where, written, _, _ in routes.rows(level)}
    return found | {name: plant(*row[:2]).text for name, row in getattr(general, level.upper()).items()}


def refused_by_envoy(texts: dict[str, str], folder: Path) -> set[str]:
    program = envoy_program()
    if not program:
        pytest.skip("Envoy is not installed")

    def refused(number: int, text: str) -> bool:
        path = folder / f"{number}.yaml"
        path.write_text(text)
        command = [program, "--mode", "validate", "--disable-hot-restart", "-l", "critical", "-c", str(path)]
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0

    with ThreadPoolExecutor(2) as pool:
        return {name for name, bad in zip(texts, pool.map(refused, range(len(texts)), texts.values()), strict=True) if bad}


def test_envoy_takes_what_is_only_warned_about(tmp_path: Path) -> None:
    texts = mistakes("warnings")
    aliases = {name for name, text in texts.items() if any(problem.alias for problem in load(text, NAME).problems)}
    assert refused_by_envoy({name: text for name, text in texts.items() if name not in aliases}, tmp_path) == set()


def test_where_more_is_refused_than_envoy_refuses(tmp_path: Path) -> None:
    texts = mistakes("errors")
    later = {name for name, text in texts.items() if any(NOT_YET in problem.message for problem in load(text, NAME).problems)}
    assert texts.keys() - later >= STRICTER.keys()
    names = {*some(sorted(STRICTER)), *some(sorted(texts.keys() - later - STRICTER.keys()))}
    taken = names - refused_by_envoy({name: texts[name] for name in names}, tmp_path)
    assert taken == names & STRICTER.keys()
