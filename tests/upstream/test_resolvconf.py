"""resolv.conf and hosts as the C library reads them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.upstream.resolvconf import FileValue, ResolvConf, parse_hosts, parse_resolv_conf

KUBERNETES = """\
# written by the kubelet
search shop.svc.cluster.local svc.cluster.local cluster.local
nameserver 10.96.0.10
options ndots:5
"""
DOCKER = """\
nameserver 127.0.0.11
options edns0 trust-ad ndots:0
"""


def test_kubernetes() -> None:
    conf = parse_resolv_conf(KUBERNETES)
    assert conf == ResolvConf(("10.96.0.10",), ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local"), ndots=5)
    assert conf.candidates("service1") == (
        "service1.shop.svc.cluster.local",
        "service1.svc.cluster.local",
        "service1.cluster.local",
        "service1",
    )
    assert conf.candidates("service1.shop.svc.cluster.local.") == ("service1.shop.svc.cluster.local",)


def test_docker() -> None:
    conf = parse_resolv_conf(DOCKER)
    assert conf == ResolvConf(("127.0.0.11",), ndots=0)
    assert conf.candidates("service1") == ("service1",)


def test_no_file() -> None:
    assert parse_resolv_conf("") == ResolvConf(("127.0.0.1",), (), 1, (0.5, 1.0, 2.0))


def test_a_name_with_enough_dots_is_first_tried_as_it_is() -> None:
    conf = ResolvConf(search=("example.org",), ndots=1)
    assert conf.candidates("db") == ("db.example.org", "db")
    assert conf.candidates("db.internal") == ("db.internal", "db.internal.example.org")


def test_names_that_become_too_long_are_not_tried() -> None:
    conf = ResolvConf(search=("d" * 60, "e"))
    assert conf.candidates("n" * 200) == ("n" * 200 + ".e", "n" * 200)


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("search a b\nsearch c", ("c",)),
        ("search a b\ndomain c", ("c",)),
        ("domain c\nsearch a b", ("a", "b")),
        ("search .", ()),
        ("search a. .b", ("a", "b")),
        ("search", ()),
    ],
)
def test_the_last_search_line_counts(text: str, search: tuple[str, ...]) -> None:
    assert parse_resolv_conf(text).search == search


@pytest.mark.parametrize(
    ("options", "timeouts"),
    [
        ("", (0.5, 1.0, 2.0)),
        ("timeout:3", (3.0, 3.0)),
        ("timeout:3 attempts:1", (3.0,)),
        ("attempts:1", (0.5,)),
        ("attempts:4", (0.5, 1.0, 2.0, 2.0)),
        ("timeout:0 attempts:0", (1.0, 1.0)),
        ("timeout:99 attempts:99", (30.0,) * 5),
        ("timeout: attempts:x timeout:-1", (0.5, 1.0, 2.0)),
    ],
)
def test_how_long_to_wait(options: str, timeouts: tuple[float, ...]) -> None:
    assert parse_resolv_conf(f"options {options}").timeouts == timeouts


def test_name_servers() -> None:
    text = "nameserver 10.0.0.1\n nameserver fe80::1%eth0 # near\n#nameserver 10.0.0.2\nnameserver nonsense\nnameserver\n;x"
    assert parse_resolv_conf(text).nameservers == ("10.0.0.1", "fe80::1%eth0")


def test_options_add_up_within_limits() -> None:
    assert parse_resolv_conf("options ndots:2\noptions timeout:1 ndots:99").ndots == 15


def test_hosts() -> None:
    text = """
    127.0.0.1  localhost Box.example.org box   # this machine
    ::1        localhost ip6-localhost
    10.0.0.7   db db
    10.0.0.8\tdb.
    nonsense   db
    10.0.0.9
    # 10.0.0.10 db
    """
    assert parse_hosts(text) == {
        "localhost": ("127.0.0.1", "::1"),
        "box.example.org": ("127.0.0.1",),
        "box": ("127.0.0.1",),
        "ip6-localhost": ("::1",),
        "db": ("10.0.0.7", "10.0.0.8"),
    }


@given(st.text() | st.text(alphabet="nameserver searchoptions:ndots 0123456789.\n#;\t"))
def test_no_text_is_refused(text: str) -> None:
    conf = parse_resolv_conf(text)
    assert conf.nameservers
    assert 0 <= conf.ndots <= 15
    assert 1 <= len(conf.timeouts) <= 5
    assert all(parse_hosts(text).values())


@given(st.text(alphabet="ab.", min_size=1, max_size=300), st.lists(st.text(alphabet="cd.", max_size=200)), st.integers(0, 15))
def test_the_name_itself_is_always_among_the_candidates(name: str, domains: list[str], ndots: int) -> None:
    search = parse_resolv_conf("search " + " ".join(domains)).search
    candidates = ResolvConf(search=search, ndots=ndots).candidates(name)
    assert name.removesuffix(".") in candidates
    assert all(candidate.startswith(name.removesuffix(".")) for candidate in candidates)


def write(path: Path, text: str, mtime: int) -> None:
    path.write_text(text)
    os.utime(path, (mtime, mtime))


def test_a_file_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    read: list[str] = []

    def parse(text: str) -> str:
        read.append(text)
        return text

    write(path, "one", 1)
    value = FileValue(str(path), parse)
    assert [value.read(), value.read()] == ["one", "one"]
    write(path, "two", 2)
    assert [value.read(), value.read()] == ["two", "two"]
    assert read == ["", "one", "two"]


def test_a_file_that_is_gone_is_empty_until_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    value = FileValue(str(path), str)
    assert value.read() == ""
    write(path, "one", 1)
    assert value.read() == "one"
    path.unlink()
    assert value.read() == ""
    write(path, "one", 1)
    assert value.read() == "one"


def test_a_file_that_cannot_be_read_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    write(path, "one", 1)
    value = FileValue(str(path), str)
    path.unlink()
    path.mkdir()
    assert value.read() == "one"


def test_no_path_is_an_empty_file() -> None:
    assert FileValue(None, parse_resolv_conf).read() == ResolvConf()
