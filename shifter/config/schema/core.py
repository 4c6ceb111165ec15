"""Messages of ``envoy.config.core.v3`` and ``envoy.type``: addresses, headers to change, protocol options, where data comes from."""

from enum import Enum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from shifter.config.schema.base import (
    AddedName,
    Bool,
    Choice,
    Double,
    HeaderText,
    Ignored,
    Int64,
    Message,
    Name,
    OneOf,
    Port,
    RemovedName,
    Struct,
    Text,
    UInt32,
    Visible,
    base64_bytes,
    double,
    whole,
    word,
    wrong,
)
from shifter.model.route import AppendAction

_LONGEST_PATH = 107
"""Bytes of the name of a Unix domain socket on Linux."""


def _socket_path(value: str) -> str:
    if len(value.encode()) > _LONGEST_PATH:
        raise wrong(f"the path of a socket has {_LONGEST_PATH} bytes at most")
    return value


class Transport(Enum):
    """``SocketAddress.Protocol``."""

    TCP = "TCP"


class SocketAddress(Choice):
    """``core.v3.SocketAddress``: an address and a TCP port."""

    envoy = "envoy.config.core.v3.SocketAddress"
    one_of = (OneOf(("port_value",), ("named_port",), "this address has no port"),)

    protocol: Annotated[Transport, word(Transport, "UDP")] = Transport.TCP
    address: Name
    port_value: Port = 0


class Address(Choice):
    """``core.v3.Address``."""

    envoy = "envoy.config.core.v3.Address"
    one_of = (OneOf(("socket_address",), ("pipe", "envoy_internal_address"), "there is no `socket_address` here"),)

    socket_address: SocketAddress | None = None


class Pipe(Message):
    """``core.v3.Pipe``. The socket of an endpoint is there already, so ``mode`` means nothing for one."""

    envoy = "envoy.config.core.v3.Pipe"

    path: Annotated[str, AfterValidator(_socket_path), Field(min_length=1)]
    mode: Annotated[int, Field(ge=0, le=511), whole] = 0


class EndpointAddress(Choice):
    """``core.v3.Address``, of an endpoint."""

    envoy = "envoy.config.core.v3.Address"
    one_of = (OneOf(("socket_address", "pipe"), ("envoy_internal_address",), "this names no address"),)

    socket_address: SocketAddress | None = None
    pipe: Pipe | None = None


class HeaderValue(Message):
    """``core.v3.HeaderValue``."""

    envoy = "envoy.config.core.v3.HeaderValue"

    key: AddedName
    value: HeaderText = ""


class HeaderValueOption(Message):
    """``core.v3.HeaderValueOption``: one header to add."""

    envoy = "envoy.config.core.v3.HeaderValueOption"

    header: HeaderValue
    append_action: Annotated[AppendAction, word(AppendAction)] = AppendAction.APPEND_IF_EXISTS_OR_ADD
    keep_empty_value: Bool = False


class HeaderChanges(Message):
    """The four lists that several messages have."""

    request_headers_to_add: list[HeaderValueOption] = Field(default_factory=list)
    request_headers_to_remove: list[RemovedName] = Field(default_factory=list)
    response_headers_to_add: list[HeaderValueOption] = Field(default_factory=list)
    response_headers_to_remove: list[RemovedName] = Field(default_factory=list)


class HeaderMutation(Choice):
    """``config.common.mutation_rules.v3.HeaderMutation``: one step of changing headers."""

    envoy = "envoy.config.common.mutation_rules.v3.HeaderMutation"
    one_of = (OneOf(("remove", "append"), ("remove_on_match",), "this changes nothing"),)

    remove: RemovedName | None = None
    append: HeaderValueOption | None = None


class DataSource(Choice):
    """``core.v3.DataSource``."""

    envoy = "envoy.config.core.v3.DataSource"
    one_of = (OneOf(("inline_string", "inline_bytes", "filename", "environment_variable"), required="nothing says where this comes from"),)

    filename: Name | None = None
    inline_bytes: Annotated[str, BeforeValidator(base64_bytes)] | None = None
    inline_string: Text | None = None
    environment_variable: Name | None = None


class Locality(Message):
    """``core.v3.Locality``."""

    envoy = "envoy.config.core.v3.Locality"

    region: Text = ""
    zone: Text = ""
    sub_zone: Text = ""


class Node(Message):
    """``core.v3.Node``: who this process is."""

    envoy = "envoy.config.core.v3.Node"

    id: Text = ""
    cluster: Text = ""
    metadata: Ignored = None
    dynamic_parameters: Ignored = None
    locality: Locality | None = None
    user_agent_name: Text = ""
    user_agent_version: Text = ""
    user_agent_build_version: Ignored = None
    extensions: Ignored = None
    client_features: Ignored = None


class RegexEngine(Message):
    """``type.matcher.v3.RegexMatcher.GoogleRE2``; said by default since 1.23."""

    envoy = "envoy.type.matcher.v3.RegexMatcher.GoogleRE2"

    max_program_size: UInt32 = 100


class RegexMatcher(Message):
    """``type.matcher.v3.RegexMatcher``."""

    envoy = "envoy.type.matcher.v3.RegexMatcher"

    google_re2: RegexEngine | None = None
    regex: Name


class RegexMatchAndSubstitute(Message):
    """``type.matcher.v3.RegexMatchAndSubstitute``."""

    envoy = "envoy.type.matcher.v3.RegexMatchAndSubstitute"

    pattern: RegexMatcher
    substitution: Visible = ""


class StringMatcher(Choice):
    """``type.matcher.v3.StringMatcher``."""

    envoy = "envoy.type.matcher.v3.StringMatcher"
    one_of = (OneOf(("exact", "prefix", "suffix", "contains", "safe_regex"), ("custom",), "nothing says what the text must be"),)

    exact: Text | None = None
    prefix: Name | None = None
    suffix: Name | None = None
    contains: Name | None = None
    safe_regex: RegexMatcher | None = None
    ignore_case: Bool = False


class Int64Range(Message):
    """``type.v3.Int64Range``."""

    envoy = "envoy.type.v3.Int64Range"

    start: Int64 = 0
    end: Int64 = 0


class Denominator(Enum):
    """``FractionalPercent.DenominatorType``."""

    HUNDRED = "HUNDRED"
    TEN_THOUSAND = "TEN_THOUSAND"
    MILLION = "MILLION"


class FractionalPercent(Message):
    """``type.v3.FractionalPercent``."""

    envoy = "envoy.type.v3.FractionalPercent"

    numerator: UInt32 = 0
    denominator: Annotated[Denominator, word(Denominator)] = Denominator.HUNDRED


class RuntimeFractionalPercent(Message):
    """``core.v3.RuntimeFractionalPercent``."""

    envoy = "envoy.config.core.v3.RuntimeFractionalPercent"

    default_value: FractionalPercent
    runtime_key: Text = ""


class RuntimeUInt32(Message):
    """``core.v3.RuntimeUInt32``."""

    envoy = "envoy.config.core.v3.RuntimeUInt32"

    default_value: UInt32 = 0
    runtime_key: Text = ""


class RuntimeDouble(Message):
    """``core.v3.RuntimeDouble``."""

    envoy = "envoy.config.core.v3.RuntimeDouble"

    default_value: Double = 0.0
    runtime_key: Text = ""


class CidrRange(Message):
    """``core.v3.CidrRange``."""

    envoy = "envoy.config.core.v3.CidrRange"

    address_prefix: Name
    prefix_len: Annotated[int, Field(ge=0, le=128), whole] = 0


class Metadata(Message):
    """``core.v3.Metadata``. What is typed is for extensions that shifter does not have."""

    envoy = "envoy.config.core.v3.Metadata"

    filter_metadata: dict[str, Struct] = Field(default_factory=dict)
    typed_filter_metadata: Ignored = None


class SubstitutionFormatString(Choice):
    """``core.v3.SubstitutionFormatString``, for bodies."""

    envoy = "envoy.config.core.v3.SubstitutionFormatString"
    one_of = (OneOf(("text_format", "text_format_source", "json_format"), required="this names no format"),)

    text_format: Text | None = None
    text_format_source: DataSource | None = None
    json_format: Struct | None = None
    content_type: HeaderText = ""
    omit_empty_values: Bool = False
    json_format_options: Ignored = None


class Percent(Message):
    """``type.v3.Percent``."""

    envoy = "envoy.type.v3.Percent"

    value: Annotated[float, Field(ge=0, le=100), double] = 0.0
