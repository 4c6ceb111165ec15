"""What fields say, as metadata; results are those of real Envoy 1.40."""

from typing import Any

import pytest

from shifter.filters.header_to_metadata import HeaderToMetadataFactory
from shifter.model.http_filter import HeaderToMetadata, MetadataRule, MetadataType, MetadataValue
from shifter.model.route import RegexRewrite
from shifter.wire.events import RequestHead, ResponseHead
from tests.support.filters import Bench, FakeStream, request

VERSION = MetadataRule(b"x-version", present=MetadataValue("version", "ns"), missing=MetadataValue("version", "ns", "default"), remove=True)


def kept(head: RequestHead, *rules: MetadataRule) -> Any:
    HeaderToMetadataFactory(HeaderToMetadata(rules), Bench().context).filter_for(FakeStream(head), None).on_request_head(head, True)
    return head.metadata


def test_present_missing_and_removed() -> None:
    head = request(b"/", b"x-version: canary", b"x: y")
    assert kept(head, VERSION) == {"ns": {"version": "canary"}}
    assert head.block == b"\r\nx: y"
    assert kept(request(), VERSION) == {"ns": {"version": "default"}}
    assert kept(request(b"/", b"x-version: a", b"x-version: b"), VERSION) == {"ns": {"version": "a,b"}}
    assert kept(request(b"/", b"x-version: "), VERSION) == {"ns": {"version": ""}}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (b"x: 12", MetadataValue("k", "ns", type=MetadataType.NUMBER), 12.0),
        (b"x: .5", MetadataValue("k", "ns", type=MetadataType.NUMBER), 0.5),
        (b"x: 1e300", MetadataValue("k", "ns", type=MetadataType.NUMBER), 1e300),
        (b"x: abc", MetadataValue("k", "ns", type=MetadataType.NUMBER), None),
        (b"x: 1_0", MetadataValue("k", "ns", type=MetadataType.NUMBER), None),
        (b"x: nan", MetadataValue("k", "ns", type=MetadataType.NUMBER), None),
        (b"x: -1e400", MetadataValue("k", "ns", type=MetadataType.NUMBER), None),
        (b"x: v7", MetadataValue("k", "ns", rewrite=RegexRewrite(b"^v([0-9]+)$", b"n\\1")), "n7"),
        (b"x: w7", MetadataValue("k", "ns", rewrite=RegexRewrite(b"^v([0-9]+)$", b"n\\1")), "w7"),
        (b"x: z", MetadataValue("k", "ns", "fixed"), "fixed"),
        (b"x: Y2FuYXJ5", MetadataValue("k", "ns", base64=True), "canary"),
        (b"x: !!", MetadataValue("k", "ns", base64=True), None),
        (b"x: " + b"a" * 8193, MetadataValue("k", "ns"), None),
    ],
)
def test_values(field: bytes, value: MetadataValue, expected: object) -> None:
    assert kept(request(b"/", field), MetadataRule(b"x", present=value)) == (None if expected is None else {"ns": {"k": expected}})


def test_cookies_and_the_namespace_of_the_filter() -> None:
    rule = MetadataRule(cookie=b"ck", present=MetadataValue("ck"))
    assert kept(request(b"/", b"cookie: a=b; ck=yes"), rule) == {"envoy.filters.http.header_to_metadata": {"ck": "yes"}}


def test_answers_and_routes() -> None:
    head = request()
    factory = HeaderToMetadataFactory(HeaderToMetadata(), Bench().context)
    rules = factory.compile_override(HeaderToMetadata(response_rules=(VERSION,)))
    one = factory.filter_for(FakeStream(head), rules)
    answer = ResponseHead(200, b"\r\nx-version: 2")
    one.on_response_head(answer, True)
    assert head.metadata == {"ns": {"version": "2"}}
    assert answer.block == b""
