"""What becomes of answers that the proxy itself gives: ``LocalReplyConfig``."""

from typing import Annotated

from pydantic import Field

from shifter.config.schema.base import Message, whole
from shifter.config.schema.core import DataSource, HeaderValueOption, SubstitutionFormatString
from shifter.config.schema.log_filter import AccessLogFilter


class ResponseMapper(Message):
    """``ResponseMapper``."""

    envoy = "envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper"

    filter: AccessLogFilter
    status_code: Annotated[int, Field(ge=200, le=599), whole] | None = None
    body: DataSource | None = None
    body_format_override: SubstitutionFormatString | None = None
    headers_to_add: list[HeaderValueOption] = Field(default_factory=list)


class LocalReplyConfig(Message):
    """``LocalReplyConfig``."""

    envoy = "envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig"

    mappers: list[ResponseMapper] = Field(default_factory=list)
    body_format: SubstitutionFormatString | None = None
