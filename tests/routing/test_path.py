"""Paths have one reading: Envoy's, where it has no gap."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shifter.model.http_connection_manager import EscapedSlashes, PathNormalization
from shifter.routing.path import PathRedirect, PathRejected, normalize, split_absolute
from tests.support.recorded import ENVOY

KEEP, REJECT = EscapedSlashes.KEEP_UNCHANGED, EscapedSlashes.REJECT_REQUEST
REDIRECT, FORWARD = EscapedSlashes.UNESCAPE_AND_REDIRECT, EscapedSlashes.UNESCAPE_AND_FORWARD
RULES = {
    "none": PathNormalization(False, False, KEEP),
    "norm": PathNormalization(True, False, KEEP),
    "merge": PathNormalization(False, True, KEEP),
    "both": PathNormalization(True, True, KEEP),
    "reject": PathNormalization(False, False, REJECT),
    "fwd": PathNormalization(False, False, FORWARD),
    "redir": PathNormalization(False, False, REDIRECT),
    "all-redir": PathNormalization(True, True, REDIRECT),
    "all-fwd": PathNormalization(True, True, FORWARD),
    "all-rej": PathNormalization(True, True, REJECT),
}

# Where we differ from Envoy, and why.
BROKEN_ESCAPES = ("/a/%zz", "/a%2", "/a%", "/%u0041")  # refused: they have no canonical form
ONE_SLASH = {("//", "merge"), ("//", "both"), ("//", "all-redir"), ("//", "all-fwd"), ("//", "all-rej"), ("/%2f%2F", "all-fwd")}
LOCATION_OF_A_HOST = {("/%2f%2F", "redir"), ("/%2f%2F", "all-redir")}  # "//..." would be another site's address


def answer(target: str, rules: PathNormalization) -> str:
    try:
        return normalize(target.encode("latin-1"), rules).decode("latin-1")
    except PathRejected as refused:
        return str(refused.status)
    except PathRedirect as redirect:
        return f"307 {redirect.location.decode('latin-1')}"


@pytest.mark.parametrize("rules", RULES)
def test_paths_are_read_as_envoy_reads_them(rules: str) -> None:
    differ = {}
    for target, answers in ENVOY["paths"]:
        expected = answers.get(rules, target)
        if expected == "404" or (target, rules) in ONE_SLASH | LOCATION_OF_A_HOST:
            continue
        if target in BROKEN_ESCAPES and RULES[rules].normalize_path:
            expected = "400"
        if answer(target, RULES[rules]) != expected:
            differ[target] = (expected, answer(target, RULES[rules]))
    assert differ == {}


@pytest.mark.parametrize(
    ("target", "rules", "expected"),
    [
        ("//", "both", "/"),
        ("/%2f%2F", "all-fwd", "/"),
        ("/%2f%2F", "redir", "307 /"),
        ("/%2fevil.test/x", "redir", "307 /evil.test/x"),
        ("/%5cevil.test", "redir", "307 /evil.test"),
        ("/a%2fb?x=%2f", "all-redir", "307 /a/b?x=%2f"),
        ("*", "both", "*"),
    ],
)
def test_where_envoys_reading_has_gaps(target: str, rules: str, expected: str) -> None:
    assert answer(target, RULES[rules]) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a/..;x/b", "/b"),
        ("/a/.;/b", "/a/b"),
        ("/a/..;", "/"),
        ("/a/.;x", "/a/"),
        ("/a/%2e%2e;x/b", "/b"),  # Envoy: /a/..;x/b, which it would read as /b itself
        ("/a/;/b", "/a/;/b"),
        ("/a/..%3b/b", "/a/..%3b/b"),
        ("/a/...;/b", "/a/...;/b"),
        ("/a/x..;/b", "/a/x..;/b"),
        ("/..;a", "/"),
    ],
)
def test_parameters_do_not_hide_dots(target: str, expected: str) -> None:
    assert answer(target, RULES["both"]) == expected


DENIED = [
    b"/c/../denied/x",
    b"/c/%2e%2e/denied/x",
    b"/c/%2E%2E/denied/x",
    b"/%64enied/x",
    b"/c\\..\\denied\\x",
    b"/\\denied/x",
    b"/%2fdenied/x",
    b"/c%5c..%5cdenied/x",
    b"/c/..;/denied/x",
    b"/./denied/x",
    b"//denied/x",
    b"/denied/x/../y",
    b"/c/x/../../denied",
]


@pytest.mark.parametrize("target", DENIED)
def test_a_rule_on_a_path_holds_for_every_spelling(target: bytes) -> None:
    """By default the client is at most sent to the path that the rule is about."""
    try:
        path = normalize(target, PathNormalization())
    except PathRedirect as redirect:
        path = redirect.location
    assert path.startswith(b"/denied")
    assert normalize(target, RULES["all-fwd"]).startswith(b"/denied")


@pytest.mark.parametrize(
    "target", [b"/a%00b", b"/a#b", b"/a?b#c", b"/a\x00", b"/a\x7f", b"/a\xe9", b"/a b", b"a/b", b"", b"/%", b"/%4", b"/%4g", b"?x"]
)
def test_what_has_no_canonical_form_is_refused(target: bytes) -> None:
    with pytest.raises(PathRejected) as refused:
        normalize(target, PathNormalization())
    assert refused.value.status == 400


TARGETS = st.lists(
    st.sampled_from([*"/.ab;\\?%", "%2e", "%2E", "%2f", "%5C", "%61", "%41", "%7b", "%00", "%zz", "..", "//", "..;", '"', "#", "é"]),
    max_size=10,
).map(lambda parts: ("/" + "".join(parts)).encode("latin-1"))


@given(TARGETS, st.sampled_from(sorted(RULES)))
def test_normalising_again_changes_nothing(target: bytes, rules: str) -> None:
    try:
        once = normalize(target, RULES[rules])
    except PathRedirect as redirect:
        # What the client asks for next is served, not redirected again.
        once = redirect.location
    except PathRejected:
        assume(False)
    assert normalize(once, RULES[rules]) == once


def rfc3986(path: bytes) -> list[bytes]:
    """The segments of *path* in the reading of RFC 3986: unreserved escapes undone, dot segments removed."""
    unescaped = re.sub(rb"%([2-7][0-9A-Fa-f])", lambda escape: _unreserved(escape[0]), path)
    kept: list[bytes] = []
    for segment in unescaped.split(b"/")[1:]:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    return kept


def _unreserved(escape: bytes) -> bytes:
    char = bytes((int(escape[1:], 16),))
    return char if char.isalnum() or char in (b"-", b".", b"_", b"~") else escape


@given(TARGETS)
def test_what_goes_upstream_reads_the_same_there(target: bytes) -> None:
    """A server that does what RFC 3986 says finds nothing left to do."""
    try:
        path = normalize(target, RULES["all-fwd"]).partition(b"?")[0]
    except PathRejected:
        assume(False)
    assert b"\\" not in path
    assert b"//" not in path
    segments = path.split(b"/")[1:]
    assert rfc3986(path) == segments
    assert not any(segment.partition(b";")[0] in (b".", b"..") for segment in segments)


@given(TARGETS, st.sampled_from(sorted(RULES)))
def test_the_query_is_left_alone(target: bytes, rules: str) -> None:
    try:
        done = normalize(target, RULES[rules])
    except PathRedirect as redirect:
        done = redirect.location
    except PathRejected:
        assume(False)
    assert done.partition(b"?")[1:] == target.partition(b"?")[1:]


@pytest.mark.parametrize(
    ("target", "authority", "path"),
    [
        (b"http://other.example/s1/raw?q", b"other.example", b"/s1/raw?q"),
        (b"HTTP://a.example:81", b"a.example:81", b"/"),
        (b"https://[::1]:80/x", b"[::1]:80", b"/x"),
        (b"http://a.example?q=http://b/", b"a.example", b"/?q=http://b/"),
    ],
)
def test_absolute_targets_are_split(target: bytes, authority: bytes, path: bytes) -> None:
    assert split_absolute(target) == (authority, path)


@pytest.mark.parametrize(
    "target",
    [
        b"file:///etc/passwd",
        b"http:///c",
        b"http://user:pw@a.example/c",
        b"c",
        b"http:/a",
        b"ftp://a/",
        b"http://a b/",
        b"http://a\\b/",
        b"a:80",
    ],
)
def test_absolute_targets_that_name_no_host_are_refused(target: bytes) -> None:
    with pytest.raises(PathRejected):
        split_absolute(target)
