"""What a release will take, told before it begins: how long each step, and what it can see in that time.                 (pure)

Rule 1. What a verdict costs is canary requests (`power`), nearly whatever the share is. So a step's requests a second say how long it
        takes to see a difference; a step that ends before does not see it.
Rule 2. Differences are those from the service's own error rate. That rate, and that of its requests, are what they are now or what
        somebody says; whoever knows neither is told in requests.
Rule 3. Each step is taken by itself: what an earlier one has seen makes it faster, and nobody should count on that. Only the proof that
        a canary is not worse is carried on, as the judge does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil, inf

from shifter.model.release import MILLION, GateKind, ReleaseSpec, Step, Undecided, VerdictSettings
from shifter.release.plan_text import listed, number, rate_of, time
from shifter.release.power import least_seconds, requests_to_prove, requests_to_see_errors, requests_to_see_latency

USUAL_ERRORS = 0.01
"""The error rate of a service of which nobody knows it."""
SLOWER = 1.3
POINTS = (0.01, 0.04)
"""Points of errors more than the service has: from 1 % to 2 % and to 5 %."""
_JUST_ABOVE = 1.000001
_ALMOST_ALL = 0.999999
_THEN = {
    Undecided.HOLD: "the release waits until it is, or for somebody",
    Undecided.ADVANCE: "the release goes on without a verdict",
    Undecided.ROLL_BACK: "the release is rolled back",
}
_ROUND = (1, 2, 5, 10, 20, 25, 50)
"""Weights in per cent that are suggested."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that may be wrong with a canary: how many of its requests it takes to see that (``None``: it is never seen), how many
    ``seconds`` that is in the step (``None`` also when nobody knows the rate), and whether the step is ``seen`` through until then."""

    name: str
    requests: int | None
    seconds: float | None
    seen: bool | None


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """What there is to say of one step. ``errors`` is the error rate that it begins with, ``rate`` are the canary's
    requests a second. ``least`` and ``most`` are the seconds that it takes,
    gates left out; ``most`` is ``None`` where it may wait for a person. ``healthy`` is how long a canary without fault stays in it.
    ``proof`` is how many canary requests it takes to prove that one is not worse, if nothing was seen before."""

    number: int
    title: str
    kind: str
    share: float
    errors: float
    rate: float | None
    least: float
    most: float | None
    healthy: float | None
    gate: str
    proof: int | None
    differences: tuple[Difference, ...]
    suffices: bool | None
    """Whether a canary without fault is proven to be that before the step is over; ``None`` where nothing is to be proven, or the rate is
    not known."""


@dataclass(frozen=True, slots=True)
class Plan:
    """See the module. ``earliest``, ``healthy`` and ``latest`` are seconds until the release is over, gates left out: at least, as a rule
    for a canary without fault, and at most; ``None``: nobody knows, or it may wait for a person. ``advice`` are sentences."""

    name: str
    baseline: str
    canary: str
    unit: str
    rate: float | None
    error_rate: float
    assumed: bool
    """Whether the error rate is nothing but usual."""
    steps: tuple[PlannedStep, ...]
    earliest: float
    healthy: float | None
    latest: float | None
    advice: tuple[str, ...]
    whole: bool = False
    """Whether the rate is that of both clusters, from whatever route, and not that of the release's own."""

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return asdict(self)


def plan(spec: ReleaseSpec, rate: float | None = None, error_rate: float | None = None, *, whole: bool = True) -> Plan:
    """Return what *spec* will take.

    :param rate: requests a second; ``None``: nobody knows
    :param error_rate: which share of them fails today (0 to 1)
    :param whole: whether they are all that both clusters get, which is what a proxy knows before a release
    """
    rate = rate if rate is not None and 0.0 < rate < inf else None
    errors = USUAL_ERRORS if error_rate is None else min(max(error_rate, 0.0), 1.0)
    steps: list[PlannedStep] = []
    advice: list[str] = []
    proven = 0.0
    for step in spec.steps:
        made, proven = _step(spec, step, rate, errors, proven)
        steps.append(made)
        advice += _advice(spec.verdict, step, made, rate)
    advice += [*_unproven(list(zip(spec.steps, steps, strict=True))), *_general(spec, rate)]
    most = [step.most for step in steps]
    healthy = [step.healthy for step in steps]
    return Plan(
        spec.name,
        spec.baseline,
        spec.canary,
        "user" if spec.stick_to is not None else "request",
        rate,
        errors,
        error_rate is None,
        tuple(steps),
        sum(step.least for step in steps),
        sum(one for one in healthy if one is not None) if None not in healthy else None,
        sum(one for one in most if one is not None) if None not in most else None,
        tuple(dict.fromkeys(advice)),
        whole and rate is not None,
    )


def needs(spec: ReleaseSpec, rate: float, error_rate: float | None = None) -> Sequence[Mapping[str, object] | None]:
    """Return for each step of *spec* what `plan` says of it, as JSON has it; ``None`` for those in which nothing is compared."""
    return [asdict(step) if step.differences else None for step in plan(spec, rate, error_rate).steps]


def _step(spec: ReleaseSpec, step: Step, rate: float | None, errors: float, proven: float) -> tuple[PlannedStep, float]:
    """Return what there is to say of *step*, and which part of the proof (1 is all of it) there is behind it, *proven* being before."""
    share = step.served / MILLION
    kind = "header" if step.header is not None else "mirror" if step.mirror is not None else "weight"
    canary = rate * share if rate is not None else None
    judged = 0.0 < share < 1.0
    limit = _limit(step)
    differences = tuple(_difference(spec.verdict, step, one, canary, limit) for one in kinds(spec.verdict, errors)) if judged else ()
    proof = requests_to_prove(spec.verdict, share, errors) if judged else inf
    least = step.length if step.length is not None else max(step.min, step.warm_up) if step.served else 0.0
    most: float | None = limit
    healthy: float | None = least
    suffices = None
    if not step.served:
        # without a length it waits for its gate, which is left out here
        most = least
    elif step.length is not None:
        proven += _part(step.length - step.warm_up, canary, proof)
    elif not judged:
        most = least
    elif canary is None:
        healthy = None
        most = None if step.undecided is Undecided.HOLD else step.max
    else:
        needed = step.warm_up + max(0.0, 1.0 - proven) * proof / canary
        suffices = needed <= step.max
        hold = step.undecided is Undecided.HOLD
        healthy = max(least, needed) if suffices or hold else step.max if step.undecided is Undecided.ADVANCE else None
        most = None if hold else step.max
        proven += _part((healthy if healthy is not None else step.max) - step.warm_up, canary, proof)
        if healthy is not None and healthy == inf:
            healthy = None
    gate = step.gate.name if step.gate is not None else ""
    made = PlannedStep(
        step.number, step.title, kind, share, errors, canary, least, most, healthy, gate, _count(proof), differences, suffices
    )
    return made, min(proven, 1.0)


def _part(seconds: float, canary: float | None, proof: float) -> float:
    return max(0.0, seconds) * canary / proof if canary is not None and proof < inf else 0.0


Seen = Callable[[VerdictSettings, float], float]
"""How many canary requests it takes to see something under a share."""


def kinds(settings: VerdictSettings, errors: float) -> Sequence[tuple[str, Seen]]:
    """Return what may be wrong with a canary beside a service that fails at the rate *errors*, the hardest to see first."""
    points = (settings.max_error_increase, *(one for one in POINTS if one > settings.max_error_increase))
    found = [(f"errors {rate_of(errors)} -> {rate_of(errors + more)}", _by(errors, more)) for more in points if errors + more < 1.0]
    found.append((f"latency +{rate_of(SLOWER - 1.0)}", lambda settings, share: requests_to_see_latency(settings, share, SLOWER)))
    found.append(("broken", _by(errors, 1.0)))
    return found


def _by(errors: float, more: float) -> Seen:
    canary = min(_ALMOST_ALL, errors + more * _JUST_ABOVE)
    return lambda settings, share: requests_to_see_errors(settings, share, errors, canary)


def _difference(settings: VerdictSettings, step: Step, what: tuple[str, Seen], canary: float | None, limit: float) -> Difference:
    name, seen = what
    requests = seen(settings, step.served / MILLION)
    if requests == inf:
        return Difference(name, None, None, False)
    if canary is None:
        return Difference(name, _count(requests), None, None)
    seconds = step.warm_up + max(requests / canary, least_seconds(settings))
    return Difference(name, _count(requests), seconds, seconds <= limit)


def _count(requests: float) -> int | None:
    return max(1, ceil(requests)) if requests < inf else None


# what to think about


def _advice(settings: VerdictSettings, step: Step, made: PlannedStep, rate: float | None) -> list[str]:
    """Say what *made* should see, and does not."""
    told = [one for one in made.differences if one.requests is not None]
    if rate is None or made.rate is None or not told:
        return []
    limit = _limit(step)
    wanted = [one for one in told if one.name in {name for name, _ in kinds(settings, made.errors)[2:]}]
    if all(one.seen for one in wanted):
        return []
    seen = [one.name for one in told if one.seen]
    what = f"nothing but {listed(seen)}" if seen else "nothing, not even that it is broken"
    needed = max(one.requests or 0 for one in wanted)
    enough = [weight for weight in _ROUND if weight / 100 > made.share and _is_enough(settings, step, made.errors, rate, weight / 100)]
    longer = time(ceil((step.warm_up + max(needed / made.rate, least_seconds(settings))) / 60) * 60)
    better = f"begin with {enough[0]} %, or give it {longer}" if enough else f"give it {longer}"
    return [f"at {number(rate)} requests a second {made.title} sees {what} in {time(limit)}: {better}"]


def _is_enough(settings: VerdictSettings, step: Step, errors: float, rate: float, share: float) -> bool:
    """Say whether *step* would see what it should with this *share*: with a larger one it takes more requests, too."""
    seen = [
        _difference(settings, replace(step, share=round(share * MILLION)), what, share * rate, _limit(step))
        for what in kinds(settings, errors)[2:]
    ]
    return all(one.seen for one in seen if one.requests is not None)


def _limit(step: Step) -> float:
    return step.length if step.length is not None else step.max


def _unproven(steps: Sequence[tuple[Step, PlannedStep]]) -> list[str]:
    """Say in which steps a good canary is not proven to be one, by what follows from that."""
    said = []
    for policy, then in _THEN.items():
        titles = [made.title for step, made in steps if made.suffices is False and step.undecided is policy]
        if titles:
            said.append(f"a canary without fault is not proven to be one before `max` at {', '.join(titles)}: {then}")
    return said


def _general(spec: ReleaseSpec, rate: float | None) -> list[str]:
    said = []
    if rate is None:
        said.append("how many requests the route gets is not known: times are not told")
    last = spec.steps[-1]
    if last.share == MILLION and not last.hold_back and last.length is not None:
        said.append("the last step holds nothing back: while it bakes there is nothing to compare the canary with")
    if spec.stick_to is not None:
        said.append("users stay with a version, so users are counted, each until it fails first: read users for requests")
    manual = [step.gate.name for step in spec.steps if step.gate is not None and step.gate.kind is GateKind.MANUAL]
    if manual:
        said.append(f"somebody has to open {listed(manual)}")
    return said
