"""Virtual clusters: the first whose conditions all hold."""

from shifter.model.route import HeaderMatcher, StringMatcher, StringMatchKind, VirtualCluster
from shifter.routing.virtual_clusters import compile_virtual_clusters
from shifter.wire.events import RequestHead

POST = HeaderMatcher(b":method", StringMatcher(StringMatchKind.EXACT, b"POST"))
RIDES = HeaderMatcher(b":path", StringMatcher(StringMatchKind.SAFE_REGEX, rb"/rides(/\d+)?"))
CLUSTERS = (VirtualCluster("new", (POST, RIDES)), VirtualCluster("rides", (RIDES,)))


def test_the_first_that_fits_names_the_request() -> None:
    name_of = compile_virtual_clusters(CLUSTERS)
    assert name_of(RequestHead(b"POST", b"/rides", b"h.test")) == "new"
    assert name_of(RequestHead(b"GET", b"/rides/7", b"h.test")) == "rides"
    assert name_of(RequestHead(b"POST", b"/", b"h.test")) is None
