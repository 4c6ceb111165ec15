"""Users and passwords, as real Envoy 1.40 answers them."""

from base64 import b64encode
from hashlib import sha1

import pytest

from shifter.filters.api import Reply
from shifter.filters.basic_auth import BasicAuthFactory
from shifter.model.http_filter import BasicAuth
from shifter.wire.events import RequestHead, values
from tests.support.filters import Bench, FakeStream, request

USERS = {b"ann": sha1(b"secret").digest(), b"colon": sha1(b"a:b").digest()}


PLAIN = BasicAuth(USERS)


def ask(head: RequestHead, config: BasicAuth = PLAIN, override: BasicAuth | None = None) -> object:
    bench = Bench()
    answer = BasicAuthFactory(config, bench.context).filter_for(FakeStream(head), override).on_request_head(head, True)
    assert bench.counters == {"basic_auth.allowed" if answer is None else "basic_auth.denied": 1}
    return answer


def basic(text: bytes, scheme: bytes = b"Basic ") -> bytes:
    return b"authorization: " + scheme + b64encode(text)


@pytest.mark.parametrize("credentials", [b"ann:secret", b"colon:a:b"])
def test_who_is_known_passes(credentials: bytes) -> None:
    assert ask(request(b"/", basic(credentials))) is None


@pytest.mark.parametrize(
    ("field", "reason", "details"),
    [
        (b"x: y", b"Missing username and password.", "no_credential_for_basic_auth"),
        (b"authorization: Bearer abc", b"Expected 'Basic' authentication scheme.", "invalid_scheme_for_basic_auth"),
        (basic(b"ann:secret", b"basic "), b"Expected 'Basic' authentication scheme.", "invalid_scheme_for_basic_auth"),
        (b"authorization: Basic !!!", b"Invalid basic credential format.", "invalid_format_for_basic_auth"),
        (basic(b"ann"), b"Invalid basic credential format.", "invalid_format_for_basic_auth"),
        (basic(b"ann:wrong"), b"Invalid username/password combination.", "invalid_credential_for_basic_auth"),
        (basic(b"bob:secret"), b"Invalid username/password combination.", "invalid_credential_for_basic_auth"),
    ],
)
def test_who_is_not_is_told_why(field: bytes, reason: bytes, details: str) -> None:
    realm = b'\r\nwww-authenticate: Basic realm="http://a.test/x?q=1"'
    assert ask(request(b"/x?q=1", field)) == Reply(401, b"User authentication failed. " + reason, realm, b"", details)


def test_of_two_credentials_the_upstream_could_read_the_other() -> None:
    head = request(b"/", basic(b"ann:secret"), basic(b"root:x"))
    answer = ask(head)
    assert isinstance(answer, Reply) and answer.details == "invalid_format_for_basic_auth"


def test_a_challenge_tells_no_more_of_a_path_than_a_field_should_hold() -> None:
    answer = ask(request(b"/" + b"x" * 9000))
    assert isinstance(answer, Reply)
    assert answer.fields == b'\r\nwww-authenticate: Basic realm="http://a.test/%b"' % (b"x" * 255)


def test_the_upstream_is_told_who_it_was_and_nobody_can_say_so_himself() -> None:
    head = request(b"/", basic(b"ann:secret"), b"x-user: root")
    assert ask(head, BasicAuth(USERS, b"x-user")) is None
    assert values(head.block, b"x-user") == [b"ann"]


def test_another_field_and_a_route_with_users_of_its_own() -> None:
    head = request(b"/", b"x-auth: Basic " + b64encode(b"bob:pass"))
    config = BasicAuth(USERS, authentication_header=b"x-auth")
    assert ask(head, config, BasicAuth({b"bob": sha1(b"pass").digest()})) is None
    assert isinstance(ask(head, config), Reply)
