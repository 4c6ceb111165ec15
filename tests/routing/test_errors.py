"""What the room raises can be told apart by whom it concerns."""

from shifter.routing.errors import RequestRefused, RoutingError, ShifterError
from shifter.routing.path import PathRejected
from shifter.routing.regex import RegexError


def test_configuration_and_requests_have_their_own_errors() -> None:
    assert issubclass(RegexError, RoutingError)
    assert issubclass(PathRejected, RequestRefused)
    assert not issubclass(RequestRefused, RoutingError)
    assert issubclass(RoutingError, ShifterError)
    assert issubclass(RequestRefused, ShifterError)


def test_a_refusal_says_what_the_client_is_told() -> None:
    refused = RequestRefused(403, "upgrade_failed")
    assert (refused.status, refused.detail) == (403, "upgrade_failed")
    assert "upgrade_failed" in str(refused)
