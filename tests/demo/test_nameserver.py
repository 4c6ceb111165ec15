"""What the demo's name server says."""

import pytest
from twisted.internet.defer import Deferred
from twisted.names import dns
from twisted.names.error import AuthoritativeDomainError

from demo.nameserver import Names

NAMES = Names({"service1": ["127.0.1.1", "127.0.1.4"], "service2": ["127.0.1.3"]}, ttl=7)


def asked(name: str, type: int) -> list[tuple[str, int]]:
    """The addresses that come back, each with its time to live."""
    said: list[object] = []
    answer: Deferred[object] = NAMES.query(dns.Query(name, type))
    answer.addBoth(said.append)
    [result] = said
    if not isinstance(result, tuple):
        raise result.value  # type: ignore[attr-defined]
    return [(header.payload.dottedQuad(), header.ttl) for header in result[0] if header.auth]


def test_every_address_of_a_name_is_told() -> None:
    assert asked("service1", dns.A) == [("127.0.1.1", 7), ("127.0.1.4", 7)]


def test_names_have_no_case() -> None:
    assert asked("SERVICE2", dns.A) == [("127.0.1.3", 7)]


def test_name_without_such_records_exists_all_the_same() -> None:
    assert asked("service1", dns.AAAA) == []


def test_unknown_name_does_not_exist() -> None:
    with pytest.raises(AuthoritativeDomainError):
        asked("service3", dns.A)
