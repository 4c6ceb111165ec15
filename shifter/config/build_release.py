"""A release, from the checked schema to the frozen model, with what must hold between its fields.

Rule 1. Defaults are the model's. What a step does not say, ``each_step`` does.
Rule 2. Weights rise, and the last step is ``weight: 100``: nobody need guess what a release ends with. What gives the canary no share
        (``header``, ``mirror``) comes before the first weight, and says itself when it is over, for nothing can be proven by it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

from shifter.config.build_common import given, regex_rewrite, string_matcher
from shifter.config.document import ListNode, MapNode, Node, TextNode, map_in
from shifter.config.judge import Judge
from shifter.config.report import Report, Spot, shown
from shifter.config.schema import release as schema
from shifter.model.release import (
    FINEST,
    Floor,
    Gate,
    GateKind,
    MirrorStep,
    Notification,
    OnTimeout,
    PrometheusCheck,
    ReleaseSpec,
    RouteReference,
    Step,
    Undecided,
    VerdictSettings,
)
from shifter.model.route import HashPolicy, HashSource, HeaderMatcher, StringMatcher, StringMatchKind

_KINDS = ("prefix", "path", "safe_regex", "path_separated_prefix")
_MATCHES = {
    "exact_match": StringMatchKind.EXACT,
    "prefix_match": StringMatchKind.PREFIX,
    "suffix_match": StringMatchKind.SUFFIX,
    "contains_match": StringMatchKind.CONTAINS,
}
_OF_WEBHOOKS = ("secret", "timeout", "retries", "every")
_PACE = ("min", "max", "undecided", "warm_up")
_STEPS = ("weight", "header", "mirror")
_ALL = Decimal(100)
_MOST_FALSE = 50


def build_release(config: schema.Release, node: MapNode, report: Report, judge: Judge, name: Callable[[str], str]) -> ReleaseSpec:
    """Return *config*, which stands at *node*, as the model; it means nothing when an error was reported.

    :param name: makes the name of a release that has none from that of its canary
    """
    return _Builder(report, judge).release(config, node, name)


@dataclass(slots=True)
class _Builder:
    report: Report
    judge: Judge
    _gates: dict[str, Spot] = field(default_factory=dict)

    def release(self, config: schema.Release, node: MapNode, name: Callable[[str], str]) -> ReleaseSpec:
        if config.baseline == config.canary:
            self.report.error(_at(node, "canary"), f"`canary` and `baseline` are both `{shown(config.canary)}`", "they are two clusters")
        return ReleaseSpec(
            config.name or name(config.canary),
            _route(config.route),
            config.baseline,
            config.canary,
            self._steps(config, node),
            self._stick_to(config.stick_to, node) if config.stick_to is not None else None,
            self._verdict(config.verdict, _map(node, "verdict")) if config.verdict is not None else VerdictSettings(),
            tuple(self._notification(one, at) for one, at in zip(config.notify, _items(node, "notify"), strict=True)),
            **given(resume_within=config.resume_within),
        )

    # steps

    def _steps(self, config: schema.Release, node: MapNode) -> tuple[Step, ...]:
        each, pace_at = config.each_step or schema.Pace(), map_in(node, "each_step")
        if pace_at is not None:
            self._check_pace(each, each, pace_at, pace_at)
        steps = []
        weight, before = Decimal(0), ""
        kinds: dict[str, Spot] = {}
        for number, (one, at) in enumerate(zip(config.steps, _items(node, "steps"), strict=True), 1):
            kind = next((name for name in _STEPS if getattr(one, name) is not None), None)
            if kind is None:
                continue  # that was said, and nothing else can be said of it
            if kind != "weight" and kind in kinds:
                hint = self.report.first_at(kinds[kind], _at(at, kind))
                self.report.error(_at(at, kind), f"a release has one `{kind}` step", hint)
            elif kind != "weight" and "weight" in kinds:
                self.report.error(_at(at, kind), f"a `{kind}` step comes before the first weight", "the canary has requests already")
            kinds.setdefault(kind, _at(at, kind))
            if one.weight is not None:
                if one.weight <= weight:
                    self.report.error(_at(at, "weight"), f"weights rise: `{one.weight:f}%` comes behind `{before}`")
                self._check_hold_back(one, at, weight)
                weight, before = one.weight, f"{one.weight:f}%"
            steps.append(self._step(number, one, each, at, pace_at))
        if weight != _ALL and len(steps) == len(config.steps):
            last = node["steps"]
            spot = last[-1] if isinstance(last, ListNode) and last else last
            said = f"the last weight is {weight:f} %" if weight else "no step has a weight"
            self.report.error(spot, f"{said}: nothing says what the release ends with", "end with `weight: 100`")
        return tuple(steps)

    def _check_hold_back(self, one: schema.ReleaseStep, at: Node, before: Decimal) -> None:
        if one.weight is None or one.hold_back is None:
            return
        spot = _at(at, "hold_back")
        if one.weight != _ALL:
            self.report.error(spot, "`hold_back` is of a step with `weight: 100`", "below that the rest stays with the baseline anyway")
        elif one.length is None:
            self.report.error(spot, "`hold_back` has something to be compared with while it bakes", "say for how long: for: 1800s")
        elif _ALL - one.hold_back <= before:
            self.report.error(spot, f"with {one.hold_back:f} % held back the canary has no more than in the step before")

    def _step(self, number: int, one: schema.ReleaseStep, each: schema.Pace, at: Node, pace_at: MapNode | None) -> Step:
        length = one.length
        if one.weight is None:
            for name in ("hold_back", *_PACE):
                if name in one.model_fields_set:
                    self.report.error(_at(at, name), f"`{name}` is of steps with a weight", "`for` says how long this one takes")
            if length is None and one.gate is None:
                self.report.error(_at(at, ""), "nothing says when this step is over", "give it a gate, or say for how long: for: 300s")
        elif length is not None or one.weight == _ALL:
            why = "a step with `for` takes exactly that long" if length is not None else "a last step without `for` takes `min`"
            for name in ("max", "undecided", *(("min",) if length is not None else ("warm_up",))):
                if name in one.model_fields_set:
                    self.report.error(_at(at, name), f"`{name}` has no meaning here: {why}")
            if length is not None and (one.warm_up or 0.0) >= length:
                self.report.error(_at(at, "warm_up"), "the whole step would be warm-up: nothing but a catastrophe would count")
        else:
            self._check_pace(one, each, at, pace_at)
        pace = given(
            min=_first(one.min, each.min),
            max=_first(one.max, each.max),
            undecided=_word(Undecided, _first(one.undecided, each.undecided)),
            warm_up=_first(one.warm_up, each.warm_up),
        )
        if one.weight is None:
            pace = {}
        elif length is not None and pace.get("warm_up", 0.0) >= length:
            pace["warm_up"] = 0.0  # that of `each_step`, which means longer steps
        return Step(
            number,
            share=_millionths(one.weight),
            header=self._header(one.header, at) if one.header is not None else None,
            mirror=self._mirror(one.mirror, at) if one.mirror is not None else None,
            hold_back=_millionths(one.hold_back),
            length=length,
            gate=self._gate(one.gate, at, number) if one.gate is not None else None,
            **pace,
        )

    def _check_pace(self, one: schema.Pace, each: schema.Pace, at: Node, pace_at: MapNode | None) -> None:
        """Check that ``min``, ``max`` and ``warm_up`` go together, of which some may be *each* step's, or nobody's."""
        default = Step(1)
        own = one.model_fields_set
        least, most = _first(one.min, each.min, default.min), _first(one.max, each.max, default.max)
        warm_up = _first(one.warm_up, each.warm_up, default.warm_up)
        if not own & {"min", "max", "warm_up"}:
            return

        def where(name: str) -> Spot:
            return _at(at if name in own or pace_at is None else pace_at, name)

        if least > most:
            blamed = "min" if "min" in own else "max"
            self.report.error(where(blamed), f"`min` ({least:g} s) is more than `max` ({most:g} s)")
        if warm_up >= most:
            self.report.error(where("warm_up"), f"`warm_up` ({warm_up:g} s) is all of `max` ({most:g} s): nothing would count")

    def _mirror(self, config: schema.ReleaseMirror, at: Node) -> MirrorStep:
        for name, spot in zip(config.methods or (), _items(_map(at, "mirror"), "methods"), strict=False):
            meant = name.upper()
            if name != meant and meant in schema.METHODS:
                said = f"`{name}` is not the method `{meant}`, and hardly in any request: methods are in capitals"
                self.report.warn(spot, said, f"write {meant}")
        methods = tuple(name.encode() for name in config.methods) if config.methods is not None else None
        return MirrorStep(_millionths(config.percent), config.diff, **given(methods=methods, max_body=config.max_body))

    def _header(self, config: schema.ReleaseHeader, at: Node) -> HeaderMatcher:
        name = config.name.lower().encode()
        if config.string_match is not None:
            string: StringMatcher | None = string_matcher(config.string_match)
            if string is not None and string.kind is StringMatchKind.SAFE_REGEX and self.judge.regex_problem is not None:
                problem = self.judge.regex_problem(string.text)
                if problem is not None:
                    self.report.error(_at(_map(at, "header"), "string_match"), f"this regular expression cannot be used: {problem}")
        else:
            said = ((kind, getattr(config, field)) for field, kind in _MATCHES.items())
            string = next((StringMatcher(kind, text.encode()) for kind, text in said if text is not None), None)
        present = None if string is not None else config.present_match if config.present_match is not None else True
        return HeaderMatcher(name, string, present=present, invert=config.invert_match)

    def _gate(self, config: schema.ReleaseGate, at: Node, number: int) -> Gate:
        node = at.get("gate") if isinstance(at, MapNode) else None
        spot = node if node is not None else at
        name = config.name or f"step-{number}"
        if name in self._gates:
            hint = self.report.first_at(self._gates[name], _at(spot, "name"))
            self.report.error(_at(spot, "name"), f"two gates are called `{name}`", hint)
        self._gates.setdefault(name, _at(spot, "name"))
        if config.manual is False:
            self.report.error(_at(spot, "manual"), "a gate that is not manual has a `webhook`")
        if config.webhook is None:
            for field_name in _OF_WEBHOOKS:
                if field_name in config.model_fields_set:
                    self.report.error(_at(spot, field_name), f"`{field_name}` is of gates with a `webhook`; this one waits for a person")
        if config.on_timeout is not None and config.deadline is not None and not config.deadline:
            hint = "say until when: deadline: 3600s"
            self.report.error(_at(spot, "deadline"), "a `deadline` of 0s is none, so that `on_timeout` never comes", hint)
        elif config.on_timeout is not None and config.deadline is None:
            self.report.error(_at(spot, "on_timeout"), "`on_timeout` never comes without a `deadline`", "say until when: deadline: 3600s")
        self._text(config.webhook, spot, "webhook")
        self._secret(config.secret, spot)
        return Gate(
            GateKind.WEBHOOK if config.webhook is not None else GateKind.MANUAL,
            name,
            config.webhook or "",
            config.secret or "",
            **given(timeout=config.timeout, retries=config.retries, every=config.every, deadline=config.deadline),
            **given(on_timeout=_word(OnTimeout, config.on_timeout)),
        )

    # the rest

    def _stick_to(self, config: schema.StickTo, node: MapNode) -> HashPolicy | None:
        if config.header is not None:
            rewrite = regex_rewrite(config.header.regex_rewrite)
            if rewrite is not None and self.judge.rewrite_problem is not None:
                problem = self.judge.rewrite_problem(rewrite.pattern, rewrite.substitution)
                if problem is not None:
                    spot = _at(_map(_map(node, "stick_to"), "header"), "regex_rewrite")
                    self.report.error(spot, f"this `regex_rewrite` cannot be used: {problem}")
            return HashPolicy(HashSource.HEADER, config.header.header_name.lower().encode(), regex_rewrite=rewrite)
        if config.cookie is not None:
            cookie = config.cookie
            attributes = tuple((one.name.encode(), one.value.encode()) for one in cookie.attributes)
            # a browser sends one without a path only to where it got it
            path = cookie.path or ("/" if cookie.ttl is not None else "")
            return HashPolicy(HashSource.COOKIE, cookie.name.encode(), ttl=cookie.ttl, path=path.encode(), attributes=attributes)
        if config.query_parameter is not None:
            return HashPolicy(HashSource.QUERY_PARAMETER, config.query_parameter.name.encode())
        if config.connection_properties is not None and config.connection_properties.source_ip:
            return HashPolicy(HashSource.SOURCE_IP)
        spot = _at(_map(node, "stick_to"), "connection_properties")
        self.report.error(spot, "this does not say what users stay by", "write {source_ip: true}")
        return None

    def _verdict(self, config: schema.Verdict, node: Node) -> VerdictSettings:
        errors, latency, floor = config.errors or schema.JudgedErrors(), config.latency or schema.JudgedLatency(), config.floor
        if config.false_roll_back is not None and config.false_roll_back > _MOST_FALSE:
            self.report.error(_at(node, "false_roll_back"), f"`false_roll_back` is at most {_MOST_FALSE} %", "1% is the default")
        if floor is not None and floor.success_rate < 1:
            said = f"the floor is {floor.success_rate:f} %: a canary nearly all of whose requests fail is above it"
            self.report.warn(_at(_map(node, "floor"), "success_rate"), said, f"is {float(floor.success_rate * 100):g}% meant?")
        if floor is not None and floor.success_rate == _ALL:
            self.report.error(_at(_map(node, "floor"), "success_rate"), "with 100 % one failed request ends the release", "99.9% is less")
        return VerdictSettings(
            latency=latency.enabled,
            exposure_budget=config.exposure_budget.failed_requests if config.exposure_budget is not None else None,
            floor=Floor(_fraction(floor.success_rate), **given(seconds=floor.length)) if floor is not None else None,
            also=tuple(self._checks(config.also, _items(node, "also"))),
            **given(
                false_roll_back=_some_fraction(config.false_roll_back),
                errors=frozenset(errors.count) if errors.count is not None else None,
                max_error_increase=_some_fraction(errors.max_increase),
                max_latency_increase=_some_fraction(latency.max_increase),
                least_latency_increase=latency.at_least,
                tolerate_blips=config.tolerate_blips,
                brake=config.brake,
            ),
        )

    def _checks(self, written: Sequence[schema.Also], nodes: Iterable[Node]) -> Iterator[PrometheusCheck]:
        named: dict[str, Spot] = {}
        for number, (one, at) in enumerate(zip(written, nodes, strict=True), 1):
            check = self._also(one, at, number)
            if check.name in named:
                hint = self.report.first_at(named[check.name], _at(at, "name"))
                self.report.warn(_at(at, "name"), f"two checks are called `{check.name}`: nobody can tell which one rolled back", hint)
            named.setdefault(check.name, _at(at, "name"))
            yield check

    def _also(self, one: schema.Also, at: Node, number: int) -> PrometheusCheck:
        if one.max is None and one.min is None:
            self.report.error(_at(at, "query"), "nothing says what the value must be", "give `max`, `min`, or both")
        elif one.max is not None and one.min is not None and one.min > one.max:
            self.report.error(_at(at, "min"), f"`min` is more than `max`, {one.max:g}")
        self._text(one.prometheus, at, "prometheus")
        more = given(every=one.every, failures=one.failures, timeout=one.timeout)
        return PrometheusCheck(one.prometheus, one.query, one.max, one.min, name=one.name or f"check-{number}", **more)

    def _notification(self, one: schema.Notify, at: Node) -> Notification:
        self._text(one.slack, at, "slack")
        self._text(one.webhook, at, "webhook")
        if one.slack is not None and one.secret is not None:
            self.report.warn(_at(at, "secret"), "`secret` has no effect: nothing that Slack is sent is signed")
        else:
            self._secret(one.secret, at)
        return Notification(one.webhook or "", one.slack or "", one.secret or "", frozenset(one.on or ()), **given(timeout=one.timeout))

    def _text(self, value: str | None, owner: Node, key: str) -> None:
        """Check that the environment variable is set that *value* may stand for."""
        found = schema.VARIABLE.fullmatch(value) if value is not None else None
        if found is not None and self.judge.environment is not None and not self.judge.environment(found[1]):
            self.report.error(_at(owner, key), f"the environment variable `{found[1]}` is not set", "it must be where the proxy runs")

    def _secret(self, value: str | None, owner: Node) -> None:
        self._text(value, owner, "secret")
        if value is not None and not schema.VARIABLE.fullmatch(value):
            hint = "write $NAME, and set the environment variable where the proxy runs"
            self.report.warn(_at(owner, "secret"), "this secret can be read by whoever sees the release", hint)


# small things


def _route(config: schema.ReleaseRoute | None) -> RouteReference:
    if config is None:
        return RouteReference()
    kind = next((name for name in _KINDS if getattr(config, name) is not None), None)
    text = getattr(config, kind) if kind is not None else config.called or ""
    return RouteReference(config.virtual_host or "", config.name or "", kind, text, config.listener or "")


def _millionths(percent: Decimal | None) -> int:
    return int(percent * 100) * FINEST if percent is not None else 0


def _fraction(percent: Decimal) -> float:
    return float(percent / 100)


def _some_fraction(percent: Decimal | None) -> float | None:
    return _fraction(percent) if percent is not None else None


def _first(*values: Any) -> Any:
    """Return the first of *values* that is given."""
    return next((value for value in values if value is not None), None)


def _word(enum: type[Enum], value: str | None) -> Enum | None:
    return enum(value) if value is not None else None


def _items(owner: Node | None, key: str) -> Iterable[Node]:
    found = owner.get(key) if isinstance(owner, MapNode) else None
    return found if isinstance(found, ListNode) else ()


def _map(owner: Node, key: str) -> Node:
    """Return what stands at *key*; *owner* itself when nothing does."""
    return owner.get(key, owner) if isinstance(owner, MapNode) else owner


def _at(owner: Node, key: str) -> Spot:
    """Return the place of the field *key* of *owner*: its value if that is a text, else its key; of *owner* when it is not there."""
    if not isinstance(owner, MapNode):
        return owner
    value = owner.get(key)
    return value if isinstance(value, TextNode) else owner.key(key)


def free_name(wanted: str, taken: Collection[str]) -> str:
    """Return the name of a release that is none of *taken*, made of *wanted* (of its canary)."""
    name = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in wanted)[:50].lstrip("._-") or "release"
    number = 1
    while (name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return name if number == 1 else f"{name}-{number}"
