"""The format of Envoy's router check tool (``test/tools/router_check/validation.proto``): requests, and where they must go."""

from typing import Annotated

from pydantic import Field

from shifter.config.schema.base import Bool, Ignored, Message, Name, Seconds, Text, whole
from shifter.config.schema.match import HeaderMatcher


class RouteTestHeader(Message):
    """``core.v3.HeaderValue``, a field that the request or the answer comes with."""

    key: Name
    value: Text = ""


class DynamicMetadata(Message):
    """``extensions.filters.http.set_metadata.v3.Metadata``."""

    metadata_namespace: Name
    value: Ignored = None
    allow_overwrite: Bool = False


class RouteTestInput(Message):
    """``ValidationInput``."""

    authority: Name
    path: Name
    method: Name
    ssl: Bool = False
    internal: Bool = False
    random_value: Annotated[int, Field(ge=0, le=2**64 - 1), whole] = 0
    runtime: Text = ""
    additional_request_headers: list[RouteTestHeader] = Field(default_factory=list)
    additional_response_headers: list[RouteTestHeader] = Field(default_factory=list)
    dynamic_metadata: list[DynamicMetadata] = Field(default_factory=list)


class RouteMetadata(Message):
    """A value of the route's own metadata."""

    namespace: Name
    key: Name
    value: Ignored = None


class ExpectedHeader(HeaderMatcher):
    """``route.v3.HeaderMatcher``, also for what is in no request: a test may say that it is not there."""

    name: Name


class RouteExpectation(Message):
    """``ValidationAssert``."""

    cluster_name: Text | None = None
    virtual_cluster_name: Text | None = None
    virtual_host_name: Text | None = None
    path_rewrite: Text | None = None
    host_rewrite: Text | None = None
    path_redirect: Text | None = None
    code_redirect: Annotated[int, Field(ge=0, le=599), whole] | None = None
    timeout: Seconds | None = None
    request_header_matches: list[ExpectedHeader] = Field(default_factory=list)
    response_header_matches: list[ExpectedHeader] = Field(default_factory=list)
    route_metadata: list[RouteMetadata] = Field(default_factory=list)


class RouteTestItem(Message):
    """``ValidationItem``."""

    test_name: Name
    input: RouteTestInput
    expected: RouteExpectation = Field(alias="validate")


class RouteTests(Message):
    """``Validation``: a whole file."""

    tests: list[RouteTestItem] = Field(min_length=1)
    runtime: Ignored = None
