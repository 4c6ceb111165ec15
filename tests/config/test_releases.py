"""The text of a release: what it means, what is wrong with it and where, and that nothing in it raises."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from shifter.config import load
from shifter.config.build_release import free_name
from shifter.config.document import parse, plain
from shifter.config.explain import children_of
from shifter.config.judge import Judge
from shifter.config.releases import MAX_BYTES, STEPS, UnsetVariable, place_in, placed_in_short, read_release, resolved, short_release
from shifter.config.report import Report
from shifter.config.schema.base import names_of
from shifter.config.schema.release import Release
from shifter.model.release import (
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
from shifter.routing.regex import regex_problem
from tests.support.programs import ROOT

WHOLE = """\
releases:
- name: service1-june
  route: {virtual_host: backend, prefix: /service/1}
  baseline: service1
  canary: service1a
  stick_to: {cookie: {name: version, ttl: 86400s}}
  steps:
  - header: {name: X-Canary, exact_match: yes}
    gate: {name: qa, deadline: 3600s, on_timeout: roll_back}
  - mirror: {percent: 5%, diff: true, methods: [GET], max_body: 100}
    for: 300s
  - weight: 0.01
    warm_up: 60s
    min: 90s
  - 5
  - weight: 50%
    gate: {webhook: "https://ci.example/approve", secret: $CI, timeout: 2.5s, retries: 0, every: 10s}
  - weight: 100
    hold_back: 1
    for: 1800s
  each_step: {min: 30s, max: 300s, undecided: advance}
  verdict:
    false_roll_back: 0.1%
    errors: {count: [5xx, reset], max_increase: 0.5%}
    latency: {max_increase: 20, at_least: 2ms}
    tolerate_blips: 10s
    brake: false
    exposure_budget: {failed_requests: 500}
    floor: {success_rate: 90%, for: 20s}
    also:
    - {prometheus: "http://prometheus:9090", query: up, max: 0.2, every: 30s, failures: 2, timeout: 5s}
  notify:
  - {slack: $SLACK, on: [braked, rolled_back]}
  - {webhook: "http://audit/", secret: $$cash}
  resume_within: 1200s
"""
_ROOT = parse(WHOLE, Report(""))
assert _ROOT is not None
RELEASE: dict[str, Any] = plain(_ROOT)["releases"][0]  # type: ignore[assignment, call-overload, index]
SHORT = "baseline: service1\ncanary: service1a\nsteps: [1, 5, 100]\n"


def read(text: str, judge: Judge | None = None) -> tuple[ReleaseSpec | None, list[str]]:
    spec, problems = read_release(text.encode(), "r.yaml", judge)
    return spec, [str(problem) for problem in problems]


def good(text: str) -> ReleaseSpec:
    spec, problems = read(text)
    assert spec is not None, problems
    return spec


def test_every_field() -> None:
    spec, problems = read(WHOLE)
    pace: dict[str, Any] = {"min": 30.0, "max": 300.0, "undecided": Undecided.ADVANCE}
    header = HeaderMatcher(b"x-canary", StringMatcher(StringMatchKind.EXACT, b"yes"))
    qa = Gate(GateKind.MANUAL, "qa", deadline=3600.0, on_timeout=OnTimeout.ROLL_BACK)
    webhook = Gate(GateKind.WEBHOOK, "step-5", "https://ci.example/approve", "$CI", 2.5, 0, 10.0)
    assert spec == ReleaseSpec(
        "service1-june",
        RouteReference("backend", kind="prefix", text="/service/1"),
        "service1",
        "service1a",
        (
            Step(1, header=header, gate=qa),
            Step(2, mirror=MirrorStep(50_000, True, (b"GET",), 100), length=300.0),
            Step(3, share=100, warm_up=60.0, **{**pace, "min": 90.0}),
            Step(4, share=50_000, **pace),
            Step(5, share=500_000, gate=webhook, **pace),
            Step(6, share=1_000_000, hold_back=10_000, length=1800.0, **pace),
        ),
        HashPolicy(HashSource.COOKIE, b"version", ttl=86400.0, path=b"/"),
        VerdictSettings(
            0.001,
            frozenset(("5xx", "reset")),
            0.005,
            True,
            0.2,
            0.002,
            10.0,
            False,
            500,
            Floor(0.9, 20.0),
            (PrometheusCheck("http://prometheus:9090", "up", 0.2, None, 30.0, 2, 5.0, "check-1"),),
        ),
        (Notification(slack="$SLACK", on=frozenset(("braked", "rolled_back"))), Notification("http://audit/", secret="$$cash")),
        1200.0,
        "r.yaml",
        WHOLE,
    )
    assert problems == [
        "r.yaml:34:40: warning: this secret can be read by whoever sees the release "
        "(write $NAME, and set the environment variable where the proxy runs)"
    ]


def test_what_is_not_said_is_the_models() -> None:
    spec = good(SHORT)
    steps = (Step(1, share=10_000), Step(2, share=50_000), Step(3, share=1_000_000))
    assert spec == ReleaseSpec("service1a", RouteReference(), "service1", "service1a", steps, source="r.yaml", text=SHORT)


def test_json_says_the_same() -> None:
    for text in (json.dumps({"releases": [RELEASE]}, indent=1), json.dumps(RELEASE)):
        assert replace(good(text), text="") == replace(good(WHOLE), text="")


@pytest.mark.parametrize(
    ("said", "reference"),
    [
        ("{prefix: /a}", RouteReference(kind="prefix", text="/a")),
        ("{path: /a, listener: front}", RouteReference(kind="path", text="/a", listener="front")),
        ("{virtual_host: all, name: first}", RouteReference("all", "first")),
        ("backend//service/1", RouteReference(text="backend//service/1")),
        ("{called: 'backend/prefix /a'}", RouteReference(text="backend/prefix /a")),
    ],
)
def test_references(said: str, reference: RouteReference) -> None:
    assert good(f"{SHORT}route: {said}\n").route == reference


@pytest.mark.parametrize(
    ("said", "policy"),
    [
        ("none", None),
        ("{cookie: {name: session}}", HashPolicy(HashSource.COOKIE, b"session")),
        ("{cookie: {name: v, ttl: 24h}}", HashPolicy(HashSource.COOKIE, b"v", ttl=86400.0, path=b"/")),
        ("{cookie: {name: v, ttl: 0s, path: /a}}", HashPolicy(HashSource.COOKIE, b"v", ttl=0.0, path=b"/a")),
        ("{header: X-User-Id}", HashPolicy(HashSource.HEADER, b"x-user-id")),
        ("{header: {header_name: x-user-id}}", HashPolicy(HashSource.HEADER, b"x-user-id")),
        ("{query_parameter: user}", HashPolicy(HashSource.QUERY_PARAMETER, b"user")),
        ("{connection_properties: {source_ip: true}}", HashPolicy(HashSource.SOURCE_IP)),
    ],
)
def test_what_users_stay_by(said: str, policy: HashPolicy | None) -> None:
    assert good(f"{SHORT}stick_to: {said}\n").stick_to == policy


@pytest.mark.parametrize(
    ("said", "matcher"),
    [
        ("{name: x}", HeaderMatcher(b"x", present=True)),
        ("{name: x, present_match: false}", HeaderMatcher(b"x", present=False)),
        ("{name: x, prefix_match: a, invert_match: true}", HeaderMatcher(b"x", StringMatcher(StringMatchKind.PREFIX, b"a"), invert=True)),
        ("{name: x, string_match: {safe_regex: {regex: a+}}}", HeaderMatcher(b"x", StringMatcher(StringMatchKind.SAFE_REGEX, b"a+"))),
    ],
)
def test_headers(said: str, matcher: HeaderMatcher) -> None:
    assert good(f"{{baseline: a, canary: b, steps: [{{header: {said}, gate: manual}}, 100]}}").header == matcher


def test_latency_may_be_left_out_of_it() -> None:
    assert not good(f"{SHORT}verdict: {{latency: off}}\n").verdict.latency
    assert good(f"{SHORT}verdict: {{exposure_budget: 7}}\n").verdict.exposure_budget == 7


@pytest.mark.parametrize(("said", "seconds"), [("90s", 90.0), ("1.5 h", 5400.0), ("30m", 1800.0), ("500ms", 0.5), ("0.5d", 43200.0)])
def test_lengths_of_time(said: str, seconds: float) -> None:
    spec, problems = read(f"{SHORT}resume_within: {said}\n")
    assert spec is not None
    assert (spec.resume_within, problems) == (seconds, [])


def test_names_that_are_made_up() -> None:
    assert read_release(SHORT.encode(), "x", taken=("service1a", "service1a-2"))[0].name == "service1a-3"  # type: ignore[union-attr]
    assert free_name("outbound|80||é.local", ()) == "outbound-80---.local"
    assert free_name("...", ()) == "release"


MISTAKES = [
    # fields
    ("name: service1-june", "nmae: x", "2:3: error: unknown field `nmae` (did you mean `name`?)"),
    ("exact_match: yes", "exact: yes", "8:30: error: unknown field `exact` (did you mean `exact_match`?)"),
    ("hold_back: 1\n", "holdback: 1\n", "19:5: error: unknown field `holdback` (did you mean `hold_back`?)"),
    ("  baseline: service1\n", "", "2:3: error: `baseline` is missing"),
    ("    for: 300s", "    for: 300s\n    diff: true", "12:5: error: unknown field `diff` here (it belongs in `mirror`)"),
    ("prefix: ", "path: /a, prefix: ", "`prefix` cannot stand beside `path`"),
    ("name: service1-june", "name: a b", "2:9: error: `a b` cannot be a name here (letters, digits, `-`, `_` and dots"),
    # numbers, durations, words
    ("- weight: 0.01", "- weight: 0.001", "12:13: error: `0.001%` is finer than 0.01 %, which is the smallest share"),
    ("- weight: 0.01", "- weight: 0", "12:13: error: a share of 0 is none (0.01 is the smallest)"),
    ("- weight: 50%", "- weight: 101%", "16:13: error: `101%` is more than 100 %"),
    ("- weight: 50%", "- weight: half", "16:13: error: a share in per cent is wanted here, not `half` (write 5%, or 5)"),
    ("  - 5\n", "  - -5\n", "15:5: error: `-5` is less than 0 %"),
    ("min: 90s", "min: 90", "14:10: error: the duration `90` has no unit (write 90s for seconds, 90m for minutes)"),
    ("min: 90s", "min: 1m30s", "14:10: error: a duration is wanted here, not `1m30s` (write one number with its unit: 90s, 30m, 2h)"),
    ("min: 90s", "min: [1]", "14:5: error: a duration is wanted here, not a list (write one number with its unit: 90s, 30m, 2h)"),
    ("for: 300s", "for: 0s", "11:10: error: this duration must be longer than 0s"),
    ("undecided: advance", "undecided: advnce", "`advnce` is none of the values of `undecided` (did you mean `advance`?)"),
    ("count: [5xx", "count: [500", "none of the values of `count`"),
    ("on: [braked", "on: [breaked", "`breaked` is none of the values of `on` (did you mean `braked`?)"),
    ("retries: 0", "retries: 1000", "`retries` is at most 100, not `1000`"),
    ("max_body: 100", "max_body: 1e9", "`max_body` is at most 1048576"),
    ("methods: [GET]", "methods: [G T]", "`G T` is no method of HTTP"),
    # what must hold between them
    ("canary: service1a", "canary: service1", "5:11: error: `canary` and `baseline` are both `service1` (they are two clusters)"),
    ("  - 5\n", "  - 0.01\n", "15:5: error: weights rise: `0.01%` comes behind `0.01%`"),
    ("- weight: 100\n    hold_back: 1\n    for: 1800s", "- weight: 99", "18:5: error: the last weight is 99 %: nothing says what"),
    ("- weight: 50%", "- weight: 50%\n    hold_back: 1", "17:16: error: `hold_back` is of a step with `weight: 100`"),
    ("    for: 1800s\n", "", "19:16: error: `hold_back` has something to be compared with while it bakes"),
    ("hold_back: 1\n", "hold_back: 50\n", "19:16: error: with 50 % held back the canary has no more than in the step before"),
    ("    for: 300s\n", "", "10:5: error: nothing says when this step is over"),
    ("for: 300s", "for: 300s\n    min: 1s", "12:10: error: `min` is of steps with a weight"),
    ("for: 1800s", "for: 1800s\n    max: 1s", "21:10: error: `max` has no meaning here: a step with `for` takes exactly that long"),
    ("for: 1800s", "for: 1800s\n    warm_up: 1800s", "21:14: error: the whole step would be warm-up"),
    ("  - 5\n", "  - mirror: 1\n    for: 1s\n  - 5\n", "15:13: error: a release has one `mirror` step (the first stands at line 10)"),
    ("  - 5\n", "  - {header: {name: x}, gate: manual}\n  - 5\n", "15:6: error: a release has one `header` step"),
    (
        "  - header: {name: X-Canary, exact_match: yes}\n    gate",
        "  - 0.01\n  - header: {name: x}\n    gate",
        "comes before the first weight",
    ),
    ("min: 90s", "min: 301s", "14:10: error: `min` (301 s) is more than `max` (300 s)"),
    ("{min: 30s, max: 300s", "{min: 30s, max: 20s", "`min` (30 s) is more than `max` (20 s)"),
    ("warm_up: 60s", "warm_up: 300s", "13:14: error: `warm_up` (300 s) is all of `max` (300 s): nothing would count"),
    ("{name: qa,", "{name: step-5,", "two gates are called `step-5` (the first stands at line 9)"),
    ("{name: qa,", "{name: qa, every: 1s,", "9:29: error: `every` is of gates with a `webhook`; this one waits for a person"),
    ("deadline: 3600s, ", "deadline: 0s, ", "9:32: error: a `deadline` of 0s is none, so that `on_timeout` never comes"),
    ("deadline: 3600s, ", "", "`on_timeout` never comes without a `deadline`"),
    ("{name: qa,", "{manual: false,", "a gate that is not manual has a `webhook`"),
    (
        "{name: qa, deadline: 3600s, on_timeout: roll_back}",
        "https://x/",
        "a gate is `manual` or a mapping, not `https://x/` (write {webhook: h",
    ),
    ("{name: qa, deadline: 3600s, on_timeout: roll_back}", "auto", "a gate is `manual` or a mapping, not `auto` (write manual, or"),
    ("max: 0.2, every", "every", "nothing says what the value must be (give `max`, `min`, or both)"),
    ("max: 0.2, every", "max: 0.2, min: 1, every", "`min` is more than `max`, 0.2"),
    ("query: up, ", "", "`query` is missing"),
    ("success_rate: 90%", "success_rate: 100%", "with 100 % one failed request ends the release"),
    ("false_roll_back: 0.1%", "false_roll_back: 51%", "`false_roll_back` is at most 50 %"),
    ("false_roll_back: 0.1%", "false_roll_back: 0", "`false_roll_back` must be more than 0 %"),
    ("{cookie: {name: version, ttl: 86400s}}", "{connection_properties: {}}", "this does not say what users stay by"),
    ("{cookie: {name: version, ttl: 86400s}}", "{}", "this does not say what users stay by"),
    ("{slack: $SLACK, ", "{", "this does not say who is told"),
    # URLs, secrets
    ('"https://ci.example/approve"', "ci.example/approve", "`ci.example/approve` is no URL of a server (write http://HOST/PATH"),
    ('"https://ci.example/approve"', "'http://a b/'", "has blanks or letters beyond ASCII in it"),
    ("$SLACK,", "$SLACK/x,", "`$SLACK/x` is no environment variable (write $NAME, and nothing else; $$ is a dollar sign)"),
    # the document
    (WHOLE, "static_resources: {}", "1:1: error: this is a configuration, not a release (`shifter check` checks it)"),
    ("releases:\n", "releases:\n- {baseline: a, canary: b, steps: [100]}\n", "`releases` wants 1 items or fewer, and has 2"),
    (WHOLE, "", "1:1: error: the file is empty (begin with `releases:`)"),
    (WHOLE, "[]", "a release is a mapping, not a list"),
    (WHOLE, "releases: []", "`releases` wants 1 items or more, and has 0"),
    (WHOLE, "releases: 1", "`releases` wants a list, not `1`"),
    (WHOLE, "releases: [1]", "wants a mapping, not `1`"),
    (WHOLE, "{baseline: a, canary: b, steps: []}", "`steps` wants 1 items or more, and has 0"),
    (WHOLE, "{baseline: a, canary: b, steps: [{}]}", "this step does not say what it does (give one of `weight`, `header`, `mirror`)"),
    (WHOLE, "{baseline: a, canary: b, steps: [{weight: 1, header: {name: a}}]}", "`header` cannot stand beside `weight`"),
    (WHOLE, "{baseline: a, canary: b, steps: [{header: {name: a}, gate: manual}]}", "no step has a weight: nothing says what the release"),
    (
        WHOLE,
        "{baseline: a, canary: b, steps: [{weight: 100, max: 1s}]}",
        "`max` has no meaning here: a last step without `for` takes `min`",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES)
def test_mistakes_are_found_where_they_are(old: str, new: str, said: str | None) -> None:
    assert old in WHOLE
    spec, problems = read(WHOLE.replace(old, new, 1))
    assert spec is None
    assert problems
    if said is not None:
        assert any(said in problem for problem in problems), problems
    assert all(problem.startswith("r.yaml:") for problem in problems)


def test_mistakes_are_told_all_at_once() -> None:
    _, problems = read(WHOLE.replace("0.01", "0.001").replace("undecided: advance", "undecided: x").replace("50%", "1x"))
    assert len([problem for problem in problems if "error" in problem]) == 3


def test_one_mistake_is_one_message() -> None:
    missing = "r.yaml:1:35: error: this step does not say what it does (give one of `weight`, `header`, `mirror`)"
    assert read("{baseline: a, canary: b, steps: [1, {min: 60s}]}")[1] == [missing.replace("35", "37")]
    assert read("{baseline: a, canary: b, steps: [{min: 60s}, 100]}")[1] == [missing.replace("35", "34")]


def test_nothing_is_said_of_envoy() -> None:
    twice = f"{SHORT}canary: x\nresume_within: 90sec\nsteps:\n"
    _, problems = read(twice)
    assert problems == [
        "r.yaml:4:1: error: `canary` is given twice (first given at line 2)",
        "r.yaml:6:1: error: `steps` is given twice (first given at line 3)",
    ]
    assert read(SHORT + "each_step:\n")[1] == [
        "r.yaml:4:1: warning: `each_step` has no value, so it is not set (give it a value, or take it out)"
    ]
    spec, problems = read("baseline: a\ncanary: b\nsteps: [{&a <<: {min: 70s}, weight: 5}, 100]\n".replace("&a ", ""))
    assert (spec is not None and spec.steps[0].min, problems) == (70.0, [])


def test_a_floor_in_the_wrong_unit_is_told() -> None:
    spec, problems = read(f"{SHORT}verdict: {{floor: {{success_rate: 0.9}}}}\n")
    assert spec is not None
    assert problems == ["r.yaml:4:33: warning: the floor is 0.9 %: a canary nearly all of whose requests fail is above it (is 90% meant?)"]


def test_traps_are_told() -> None:
    spec, problems = read(WHOLE.replace("methods: [GET]", "methods: [get, Own]"))
    said = "r.yaml:10:49: warning: `get` is not the method `GET`, and hardly in any request: methods are in capitals (write GET)"
    assert spec is not None and problems[0] == said
    one = "{prometheus: 'http://a', query: a, max: 1, name: check-2}"
    spec, problems = read(WHOLE.replace("    - {prometheus: ", f"    - {one}\n    - {{prometheus: "))
    said = "r.yaml:32:7: warning: two checks are called `check-2`: nobody can tell which one rolled back (the first stands at line 31)"
    assert spec is not None and problems[0] == said


def test_a_release_is_no_configuration() -> None:
    said = "r.yaml:1:1: error: this is a release, not a configuration (`shifter release lint` checks it)"
    assert [str(problem) for problem in load(WHOLE, "r.yaml").problems] == [said]


def test_who_is_asked() -> None:
    known = {"SLACK": "https://hooks/", "CI": ""}
    judge = Judge(environment=known.get, regex_problem=regex_problem)
    assert read(WHOLE.replace("exact_match: yes", "string_match: {safe_regex: {regex: '('}}"), judge)[1][:2] == [
        "r.yaml:8:30: error: this regular expression cannot be used: missing ): (",
        "r.yaml:17:59: error: the environment variable `CI` is not set (it must be where the proxy runs)",
    ]
    assert resolved("$SLACK", known.get) == "https://hooks/"
    assert (resolved("$$SLACK", known.get), resolved("http://x", known.get)) == ("$SLACK", "http://x")
    with pytest.raises(UnsetVariable, match="environment variable CI is not set"):
        resolved("$CI", known.get)


def test_places_of_what_was_read() -> None:
    spec = good(WHOLE)
    assert str(place_in(spec, "canary")) == "r.yaml:5:11"
    assert str(place_in(spec, "route", "virtual_host")) == "r.yaml:3:25"
    assert str(place_in(spec, "route", "listener")) == "r.yaml:3:3"
    assert str(place_in(good(SHORT), "route", "name")) == "r.yaml:1:1"


# in short


def test_the_short_form_is_a_text_like_any_other() -> None:
    spec = good(short_release("service1", "service1a"))
    assert [step.share for step in spec.steps] == [int(weight) * 10_000 for weight in STEPS]
    text = short_release("a: b", "c", ["1%", " 100 "], "mine", "all//x", {"min": "1s", "undecided": "roll_back"})
    assert text == (
        'name: "mine"\nroute: "all//x"\nbaseline: "a: b"\ncanary: "c"\nsteps: ["1%", 100]\n'
        'each_step:\n  min: "1s"\n  undecided: "roll_back"\n'
    )
    spec = good(text)
    assert (spec.name, spec.route.text, spec.baseline, spec.steps[0].undecided) == ("mine", "all//x", "a: b", Undecided.ROLL_BACK)


@given(st.text(), st.text(), st.lists(st.text(), max_size=4), st.none() | st.text(), st.none() | st.text())
def test_whatever_is_said_in_short_gives_a_release_or_problems(
    baseline: str, canary: str, steps: list[str], name: str | None, route: str | None
) -> None:
    spec, problems = read(short_release(baseline, canary, steps, name, route))
    assert (spec is None) == any(" error: " in problem for problem in problems)
    if spec is not None:
        assert (spec.baseline, spec.canary) == (baseline, canary)
        assert spec == read(spec.text)[0]


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ("short:3:7: error: no", "STEPS: error: no"),
        ("short:5:3: warning: no", "min: warning: no"),
        ("short:1:1: warning: no", "warning: no"),
        ("it takes the place of x", "it takes the place of x"),
        ("short:9:1: error: no", "short:9:1: error: no"),
    ],
)
def test_nobody_sees_the_text_of_the_short_form(problem: str, said: str) -> None:
    text = short_release("a", "b", ["x"], pace={"min": "1", "max": "2s"})
    assert placed_in_short(problem, "short", text, {"steps": "STEPS"}) == said
    assert placed_in_short(problem, "other", text) == problem


# what is written of it


def test_every_field_is_documented() -> None:
    docs = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("releases.md", "release-webhooks.md"))
    todo: list[type[BaseModel]] = [Release]
    fields: set[str] = set()
    while todo:
        message = todo.pop()
        todo += children_of(message).values()
        if message.__module__.endswith(".release"):
            fields |= names_of(message)
    assert {name for name in fields if name not in docs} == {"enabled", "header_name", "regex_rewrite"}
    # of the first two the short form is told, the last is Envoy's


# whatever stands there


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_give_a_release_or_problems(data: bytes) -> None:
    spec, problems = read_release(data, "r.yaml")
    assert (spec is None) == any(problem.level == "error" for problem in problems)


_WORDS = st.sampled_from([*RELEASE, "weight", "for", "gate", "name", "header", "max", "min", "count", "latency"])
_VALUES = st.recursive(
    st.sampled_from(["1%", "5", "60s", "manual", "$A", "x", "hold", "off", "none", "100"])
    | st.none()
    | st.integers()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_WORDS, _VALUES, max_size=8))
def test_any_values_give_a_release_or_problems(document: dict[str, object]) -> None:
    for text in (json.dumps(document), json.dumps({**RELEASE, **document}), json.dumps({"releases": [{**RELEASE, **document}]})):
        spec, problems = read_release(text.encode(), "r.yaml", Judge(environment=lambda name: None, regex_problem=regex_problem))
        assert (spec is None) == any(problem.level == "error" for problem in problems)


@given(st.lists(st.integers(1, 9999), min_size=1, unique=True).map(sorted), st.sampled_from(["", "%", " %"]))
def test_every_rising_row_of_weights_is_taken_for_what_it_says(hundredths: list[int], sign: str) -> None:
    steps = [f"{one / 100:.2f}{sign}" for one in [*hundredths, 10_000]][-100:]
    spec = good(json.dumps({"baseline": "a", "canary": "b", "steps": steps}))
    assert [step.share for step in spec.steps] == [round(float(one.removesuffix(sign)) * 100) * 100 for one in steps]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "{a: " * 200,
        "x" * (MAX_BYTES + 1),
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n",
        "releases: !!python/object/apply:os.system [ls]",
        "steps: [" + "1," * 20_000 + "1]",
        "baseline: \x00",
        "\ufeff",
        "--- a\n--- b\n",
    ],
)
def test_hostile_texts_are_refused(text: str) -> None:
    spec, problems = read(text)
    assert spec is None
    assert problems


def test_text_that_is_none() -> None:
    assert str(read_release(b"a: \xff", "r")[1][0]) == "r:1:4: error: this is not text in UTF-8"
