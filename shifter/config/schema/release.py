"""A release as it is written: not Envoy's, but in its manner.

Rule 1. Names are in snake case, lengths of time have a unit (``60s``, ``30m``), shares are in per cent (``1%``, ``0.25%``, or the number
        alone).
Rule 2. Where one word says it all, it may stand for the mapping (`Short`): ``5`` for ``{weight: 5}``, ``manual`` for a gate.
Rule 3. URLs and secrets may be ``$NAME``, an environment variable, and stay so: what is kept and shown of a release has no secret in it.
        What it stands for is looked up whenever it is used. ``$$`` at the beginning is one dollar sign.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from shifter.config.document import MapNode, TextNode
from shifter.config.report import shown
from shifter.config.schema import base
from shifter.config.schema.base import (
    Bool,
    Choice,
    Double,
    MatchedName,
    Message,
    Name,
    OneOf,
    Text,
    duration,
    kind,
    many,
    report_of,
    whole,
    wrong,
)
from shifter.config.schema.core import StringMatcher
from shifter.config.schema.match import ShortName
from shifter.config.schema.route import ConnectionHash, CookieHash, HeaderHash
from shifter.model.release import ERROR_KINDS, EVENTS, OnTimeout, Undecided

VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
MAX_STEPS = 100
_MAX_LISTED = 50
_OTHER_UNIT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|sec|seconds?|m|min|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_IN_SECONDS = re.compile(r"-?[0-9]+(?:\.[0-9]{1,9})?s")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_PERCENT = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*%?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_TIMES = "write one number with its unit: 90s, 30m, 2h"
_LONGEST_URL = 2048


def _percent(value: object) -> Decimal:
    if isinstance(value, TextNode):
        found = _PERCENT.fullmatch(value)
        if found is not None:
            number = Decimal(found[1])
            if number <= 100:
                return number
            raise wrong(f"{kind(value)} is more than 100 %")
        if value.startswith("-") and _PERCENT.fullmatch(value[1:]):
            raise wrong(f"{kind(value)} is less than 0 %")
    raise wrong(f"a share in per cent is wanted here, not {kind(value)}", "write 5%, or 5")


def _share(value: Decimal) -> Decimal:
    if value * 100 % 1:
        raise wrong(f"`{value:f}%` is finer than 0.01 %, which is the smallest share")
    return value


def _some_share(value: Decimal) -> Decimal:
    if not value:
        raise wrong("a share of 0 is none", "0.01 is the smallest")
    return _share(value)


def _more_than_nothing(value: Decimal, info: ValidationInfo) -> Decimal:
    if not value:
        raise wrong(f"`{info.field_name}` must be more than 0 %")
    return value


def _name(value: str, info: ValidationInfo) -> str:
    if not _NAME.fullmatch(value):
        raise wrong(
            f"{kind(value)} cannot be a name here", "letters, digits, `-`, `_` and dots, 63 at most; the first is a letter or digit"
        )
    return value


@dataclass(frozen=True, slots=True)
class OneWord:
    """What takes one of the words ``known``."""

    known: tuple[str, ...]

    def __call__(self, value: str, info: ValidationInfo) -> str:
        """Return *value*, if it is one of them."""
        if value not in self.known:
            hint = report_of(info).did_you_mean(value, self.known)
            raise wrong(f"`{shown(value)}` is none of the values of `{info.field_name}`", hint)
        return value


def _words(*known: str) -> AfterValidator:
    return AfterValidator(OneWord(known))


def _url(value: str, info: ValidationInfo) -> str:
    if value.startswith("$"):
        return _variable(value, info)
    problem = url_problem(value)
    if problem:
        raise wrong(f"{kind(value)} {problem}", "write http://HOST/PATH, https://HOST/PATH, or $NAME for an environment variable")
    return value


def url_problem(value: str) -> str:
    """Say why nothing can be asked of the URL *value*; empty when something can."""
    if len(value) > _LONGEST_URL:
        return f"is longer than {_LONGEST_URL} characters"
    if not value.isascii() or any(char <= " " or char == "\x7f" for char in value):
        return "has blanks or letters beyond ASCII in it"
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        return "is no URL"
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        return "is no URL of a server"
    return ""


def _secret(value: str, info: ValidationInfo) -> str:
    return _variable(value, info) if value.startswith("$") and not value.startswith("$$") else value


def _variable(value: str, info: ValidationInfo) -> str:
    if not VARIABLE.fullmatch(value):
        raise wrong(f"{kind(value)} is no environment variable", "write $NAME, and nothing else; $$ is a dollar sign")
    return value


def in_seconds(value: object) -> object:
    """Take ``30m`` for ``1800s``: people write files of releases by hand, and no other proxy reads them."""
    if isinstance(value, MapNode):
        return value
    if not isinstance(value, TextNode):
        raise wrong(f"a duration is wanted here, not {kind(value)}", _TIMES)
    found = _OTHER_UNIT.fullmatch(value)
    if _IN_SECONDS.fullmatch(value):
        return value
    if found is None and _NUMBER.fullmatch(value):
        raise wrong(f"the duration {kind(value)} has no unit", f"write {shown(value)}s for seconds, {shown(value)}m for minutes")
    if found is None:
        raise wrong(f"a duration is wanted here, not {kind(value)}", _TIMES)
    return TextNode(duration(round(float(found[1]) * _UNITS[found[2]], 9)), value.line, value.column, value.width, value.plain)


def none_is_none(value: object) -> object:
    """Take the word ``none`` for what is not given."""
    return None if isinstance(value, TextNode) and value == "none" else value


def off_is_off(value: object) -> object:
    """Take the word ``off`` for a mapping that says so."""
    if isinstance(value, TextNode) and value in ("off", "false"):
        made = MapNode(value.line, value.column, value.width)
        made[TextNode("enabled", value.line, value.column)] = TextNode("false", value.line, value.column, plain=True)
        return made
    return value


Seconds = Annotated[base.Seconds, BeforeValidator(in_seconds)]
PositiveSeconds = Annotated[base.PositiveSeconds, BeforeValidator(in_seconds)]
Percent = Annotated[Decimal, BeforeValidator(_percent)]
Share = Annotated[Decimal, AfterValidator(_share), BeforeValidator(_percent)]
SomeShare = Annotated[Decimal, AfterValidator(_some_share), BeforeValidator(_percent)]
SomePercent = Annotated[Decimal, AfterValidator(_more_than_nothing), BeforeValidator(_percent)]
ReleaseName = Annotated[str, AfterValidator(_name)]
Url = Annotated[str, AfterValidator(_url)]
Secret = Annotated[str, Field(min_length=1), AfterValidator(_secret)]
Count = Annotated[int, Field(ge=1, le=2**31), whole]
Times = Annotated[int, Field(ge=0, le=100), whole]
_UndecidedWord = Annotated[str, _words(*(one.value for one in Undecided))]


class Short(Choice):
    """A message for which a text may stand: what its field ``short`` is then."""

    short: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: object) -> object:
        if not isinstance(data, TextNode):
            return data
        made = MapNode(data.line, data.column, data.width)
        made[TextNode(cls.short, data.line, data.column, data.width)] = data
        return made


class ReleaseRoute(Short):
    """Which route: by what it matches, by its ``name``, or by what `shifter weight` calls it (``called``, or a text alone)."""

    short = "called"
    one_of = (OneOf(("prefix", "path", "safe_regex", "path_separated_prefix", "name", "called")),)

    virtual_host: Name | None = None
    prefix: Text | None = None
    path: Text | None = None
    safe_regex: Name | None = None
    path_separated_prefix: Name | None = None
    name: Name | None = None
    called: Name | None = None
    listener: Name | None = None


class ReleaseHeader(Choice):
    """A header that sends a request to the canary. Without a condition on its value it is enough that it is there."""

    one_of = (OneOf(("exact_match", "prefix_match", "suffix_match", "contains_match", "present_match", "string_match")),)

    name: MatchedName
    exact_match: Text | None = None
    prefix_match: Name | None = None
    suffix_match: Name | None = None
    contains_match: Name | None = None
    present_match: Bool | None = None
    string_match: StringMatcher | None = None
    invert_match: Bool = False


class ReleaseHeaderHash(HeaderHash, Short):
    """A header whose value says who a user is."""

    short = "header_name"


class ReleaseCookieHash(CookieHash):
    """A cookie that says who a user is. With a ``ttl`` users who come without it are given one."""

    ttl: Seconds | None = None


class QueryParameterName(Short):
    """A query parameter that says who a user is."""

    short = "name"

    name: Name


class StickTo(Choice):
    """What makes a user stay with a version: a cookie, a header, a query parameter, or the client's address."""

    one_of = (OneOf(("cookie", "header", "query_parameter", "connection_properties"), required="this does not say what users stay by"),)

    cookie: ReleaseCookieHash | None = None
    header: ReleaseHeaderHash | None = None
    query_parameter: QueryParameterName | None = None
    connection_properties: ConnectionHash | None = None


class ReleaseMirror(Short):
    """Which share of the requests is copied to the canary, whose answers nobody gets. With ``diff`` they are compared with those of the
    baseline to a second copy."""

    short = "percent"

    percent: SomeShare
    diff: Bool = False
    methods: Annotated[list[Annotated[str, AfterValidator(lambda value: _method(value))]], many(1, 20)] | None = None
    max_body: Annotated[int, Field(ge=0, le=1 << 20), whole] | None = None


def _method(value: str) -> str:
    if not _METHOD.fullmatch(value):
        raise wrong(f"{kind(value)} is no method of HTTP")
    return value


class ReleaseGate(Short):
    """What must open before the next step begins: a webhook that says so or, without one, a person."""

    short = "manual"
    one_of = (OneOf(("manual", "webhook")),)

    manual: Bool | None = None
    webhook: Url | None = None
    name: ReleaseName | None = None
    secret: Secret | None = None
    timeout: PositiveSeconds | None = None
    retries: Times | None = None
    every: PositiveSeconds | None = None
    deadline: Seconds | None = None
    on_timeout: Annotated[str, _words(*(one.value for one in OnTimeout))] | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: object) -> object:
        if not isinstance(data, TextNode):
            return data
        if data != "manual":
            hint = f"write {{webhook: {shown(data)}}}" if "://" in data or data.startswith("$") else "write manual, or {webhook: URL}"
            raise wrong(f"a gate is `manual` or a mapping, not {kind(data)}", hint)
        made = MapNode(data.line, data.column, data.width)
        made[TextNode("manual", data.line, data.column, data.width)] = TextNode("true", data.line, data.column, data.width, plain=True)
        return made


class Pace(Message):
    """How long a step takes: at least ``min``, at most ``max``, and what happens then."""

    min: Seconds | None = None
    max: PositiveSeconds | None = None
    undecided: _UndecidedWord | None = None
    warm_up: Seconds | None = None


class ReleaseStep(Pace, Short):
    """One step: a ``weight``, or only a ``header`` or a ``mirror``. With ``for`` it takes exactly that long."""

    short = "weight"
    one_of = (OneOf(("weight", "header", "mirror"), required="this step does not say what it does"),)

    weight: SomeShare | None = None
    header: ReleaseHeader | None = None
    mirror: ReleaseMirror | None = None
    hold_back: Share | None = None
    length: PositiveSeconds | None = Field(default=None, alias="for")
    gate: ReleaseGate | None = None


class JudgedErrors(Message):
    """What counts as an error, and how many points more of them are none too many."""

    count: Annotated[list[Annotated[str, _words(*ERROR_KINDS)]], many(1, len(ERROR_KINDS))] | None = None
    max_increase: SomePercent | None = None


class JudgedLatency(Message):
    """How much slower is not too slow: in per cent of the baseline's latency, and whatever that is by how much time."""

    enabled: Bool = True
    max_increase: SomePercent | None = None
    at_least: Seconds | None = None


class ExposureBudget(Short):
    """How many requests may fail that the baseline would not have failed, before the release ends whatever the statistics say."""

    short = "failed_requests"

    failed_requests: Count


class SuccessFloor(Message):
    """An absolute rule: which share of the canary's requests must succeed. Below it for so long, the release ends."""

    success_rate: SomePercent
    length: PositiveSeconds | None = Field(default=None, alias="for")


class Also(Choice):
    """A query to a Prometheus server, and what its value must not be above (``max``) or below (``min``)."""

    prometheus: Url
    query: Annotated[str, Field(min_length=1)]
    max: Double | None = None
    min: Double | None = None
    every: PositiveSeconds | None = None
    failures: Annotated[int, Field(ge=1, le=1000), whole] | None = None
    timeout: PositiveSeconds | None = None
    name: ReleaseName | None = None


class Verdict(Message):
    """How the canary is judged."""

    false_roll_back: SomePercent | None = None
    errors: JudgedErrors | None = None
    latency: Annotated[JudgedLatency, BeforeValidator(off_is_off)] | None = None
    tolerate_blips: PositiveSeconds | None = None
    brake: Bool | None = None
    exposure_budget: ExposureBudget | None = None
    floor: SuccessFloor | None = None
    also: Annotated[list[Also], many(0, _MAX_LISTED)] = Field(default_factory=list)


class Notify(Choice):
    """Who is told what happens: a Slack-compatible webhook, or one that takes JSON. Without ``on``: everything."""

    one_of = (OneOf(("slack", "webhook"), required="this does not say who is told"),)

    slack: Url | None = None
    webhook: Url | None = None
    secret: Secret | None = None
    on: Annotated[list[Annotated[str, _words(*EVENTS)]], many(1)] | None = None
    timeout: PositiveSeconds | None = None


class Release(Message):
    """A release: a route's requests go from one cluster to another, a little at a time, for as long as all is well."""

    name: ReleaseName | None = None
    route: ReleaseRoute | None = None
    baseline: ShortName
    canary: ShortName
    stick_to: Annotated[StickTo | None, BeforeValidator(none_is_none)] = None
    steps: Annotated[list[ReleaseStep], many(1, MAX_STEPS)]
    each_step: Pace | None = None
    verdict: Verdict | None = None
    notify: Annotated[list[Notify], many(0, _MAX_LISTED)] = Field(default_factory=list)
    resume_within: Seconds | None = None


class Releases(Message):
    """A document with one release in a list, so that it can stand beside others in a repository."""

    releases: Annotated[list[Release], many(1, 1)]
