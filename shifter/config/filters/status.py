"""``type.v3.HttpStatus``: a status by Envoy's name for it, or by its number."""

from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

from shifter.config.document import TextNode
from shifter.config.report import shown
from shifter.config.schema.base import Message, kind, report_of, wrong

STATUSES = {
    200: "OK", 201: "Created", 202: "Accepted", 203: "NonAuthoritativeInformation", 204: "NoContent", 205: "ResetContent",
    206: "PartialContent", 207: "MultiStatus", 208: "AlreadyReported", 226: "IMUsed", 300: "MultipleChoices", 301: "MovedPermanently",
    302: "Found", 303: "SeeOther", 304: "NotModified", 305: "UseProxy", 307: "TemporaryRedirect", 308: "PermanentRedirect",
    400: "BadRequest", 401: "Unauthorized", 402: "PaymentRequired", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
    406: "NotAcceptable", 407: "ProxyAuthenticationRequired", 408: "RequestTimeout", 409: "Conflict", 410: "Gone",
    411: "LengthRequired", 412: "PreconditionFailed", 413: "PayloadTooLarge", 414: "URITooLong", 415: "UnsupportedMediaType",
    416: "RangeNotSatisfiable", 417: "ExpectationFailed", 421: "MisdirectedRequest", 422: "UnprocessableEntity", 423: "Locked",
    424: "FailedDependency", 426: "UpgradeRequired", 428: "PreconditionRequired", 429: "TooManyRequests",
    431: "RequestHeaderFieldsTooLarge", 500: "InternalServerError", 501: "NotImplemented", 502: "BadGateway",
    503: "ServiceUnavailable", 504: "GatewayTimeout", 505: "HTTPVersionNotSupported", 506: "VariantAlsoNegotiates",
    507: "InsufficientStorage", 508: "LoopDetected", 510: "NotExtended", 511: "NetworkAuthenticationRequired",
}  # fmt: skip
"""``type.v3.StatusCode``."""

_BY_NAME = {name.upper(): number for number, name in STATUSES.items()}


def _status(value: object, info: ValidationInfo) -> int:
    if not isinstance(value, TextNode):
        raise wrong(f"the name of a status is wanted here, not {kind(value)}", "write TooManyRequests")
    if value.isascii() and value.isdigit() and int(value) in STATUSES:
        return int(value)
    number = _BY_NAME.get(value.upper())
    if number is None:
        raise wrong(f"`{shown(value)}` is no status that Envoy has a name for", report_of(info).did_you_mean(value, STATUSES.values()))
    return number


class HttpStatus(Message):
    """``type.v3.HttpStatus``."""

    envoy = "envoy.type.v3.HttpStatus"

    code: Annotated[int, BeforeValidator(_status)]
