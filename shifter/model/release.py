"""Releases: what one consists of, how far it is, and what it wants of the data path.

Rule 1. A `ReleaseSpec` says everything that its author wrote, checked and with every default filled in; it never changes.
Rule 2. A `Progress` says how far a release is. Each `Transition` leads from one to the next, and is written down before it holds.
Rule 3. Shares are whole numbers of `MILLION`: 10,000 is one per cent, 100 is the finest that can be asked for (0.01 %).
        Times are seconds. Times of the wall clock are called ``at``; what has passed is measured by a clock that nobody sets.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum

from shifter.model.change import Actor
from shifter.model.route import HashPolicy, HeaderMatcher, StringMatchKind

MILLION = 1_000_000
"""What a share is a share of."""
FINEST = 100
"""The smallest share, 0.01 %; every share is a multiple of it."""


# what its author wrote


@dataclass(frozen=True, slots=True)
class RouteReference:
    """Which route a release is of, as it was written: its ``virtual_host`` and what it matches (``kind`` and ``text``) or its ``name``;
    ``listener`` where the same route stands in several. A reference with ``text`` alone (``kind`` ``None``) is the name that
    ``shifter weight`` shows, ``backend//service/1``."""

    virtual_host: str = ""
    name: str = ""
    kind: str | None = None
    """``prefix``, ``path``, ``safe_regex``, ``path_separated_prefix``, or ``None``."""
    text: str = ""
    listener: str = ""


class GateKind(Enum):
    """Who opens a gate."""

    MANUAL = "manual"
    WEBHOOK = "webhook"


class OnTimeout(Enum):
    """What follows when a gate was not answered in its time."""

    HOLD = "hold"
    APPROVE = "approve"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True)
class Gate:
    """What a step waits for before the next one begins. ``url`` is asked every ``every`` seconds, each time with up to ``retries``
    further tries of ``timeout`` seconds; ``secret`` signs what is sent. After ``deadline`` seconds without an answer (0: never)
    ``on_timeout`` follows. ``name`` is how people call it: what was written, or ``step-3``."""

    kind: GateKind
    name: str
    url: str = ""
    secret: str = ""
    timeout: float = 10.0
    retries: int = 3
    every: float = 30.0
    deadline: float = 0.0
    on_timeout: OnTimeout = OnTimeout.HOLD


class Undecided(Enum):
    """What follows when a step's ``max`` has passed without a verdict."""

    HOLD = "hold"
    ADVANCE = "advance"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True)
class MirrorStep:
    """Copies of ``share`` of the requests with one of ``methods`` go to the canary. With ``diff`` their answers are compared, and a
    second copy goes to the baseline to know what differs by itself; at most ``max_body`` bytes of each answer are kept."""

    share: int
    diff: bool = False
    methods: tuple[bytes, ...] = (b"GET", b"HEAD")
    max_body: int = 65_536


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``share`` is what the canary gets of the requests that no header sends there; 0 for steps that are about a ``header``
    (from this step on, requests that it fits go to the canary) or a ``mirror`` only.

    ``hold_back`` stays on the baseline in a step at 100 %, to have something to compare with. A step with a ``length`` takes exactly
    that long (the YAML field ``for``); others take at least ``min``, end when the canary is proven not worse, and at ``max`` follow
    ``undecided``. In the first ``warm_up`` seconds only a catastrophe counts.
    """

    number: int
    """From 1."""
    share: int = 0
    header: HeaderMatcher | None = None
    mirror: MirrorStep | None = None
    hold_back: int = 0
    length: float | None = None
    warm_up: float = 0.0
    min: float = 60.0
    max: float = 600.0
    undecided: Undecided = Undecided.HOLD
    gate: Gate | None = None

    @property
    def served(self) -> int:
        """The share that the canary really gets."""
        return min(self.share, MILLION - self.hold_back)

    @property
    def title(self) -> str:
        """How people call it: ``5 %``, ``header x-canary``, ``mirror 5 %``."""
        if self.header is not None:
            return f"header {self.header.name.decode('utf-8', 'replace')}"
        if self.mirror is not None:
            return f"mirror {percent(self.mirror.share)}"
        return percent(self.share)


ERROR_KINDS = ("5xx", "reset", "timeout", "grpc", "connect_failure", "4xx")
"""What ``verdict.errors.count`` may list. ``grpc`` are codes that stand for a 5xx; ``reset``: the answer broke off, or there was none."""


@dataclass(frozen=True, slots=True)
class Floor:
    """An absolute rule: the release is rolled back when for ``seconds`` less than ``success_rate`` (0 to 1) of the canary's requests
    succeeded."""

    success_rate: float
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class PrometheusCheck:
    """A query whose value must not be above ``max`` nor below ``min``; asked every ``every`` seconds of the server at ``url``. After
    ``failures`` bad answers in a row the release is rolled back. No answer is no bad answer."""

    url: str
    query: str
    max: float | None = None
    min: float | None = None
    every: float = 60.0
    failures: int = 3
    timeout: float = 10.0
    name: str = ""


@dataclass(frozen=True, slots=True)
class VerdictSettings:
    """How a canary is judged. ``false_roll_back`` is the probability, over the whole release, that one that is no worse is rolled back.

    ``max_error_increase`` and ``max_latency_increase`` are what it may be worse by: 0.0025 is a quarter of a point, 0.1 ten per cent.
    Latencies that differ by less than ``least_latency_increase`` seconds are alike, whatever that is of them.
    Evidence grows at most twentyfold in ``tolerate_blips`` seconds. ``exposure_budget`` bounds the failed requests that the baseline would
    not have failed; ``None``: no bound. ``latency`` ``False`` leaves latency out of it.
    """

    false_roll_back: float = 0.01
    errors: frozenset[str] = frozenset(("5xx", "reset", "timeout", "grpc", "connect_failure"))
    max_error_increase: float = 0.0025
    latency: bool = True
    max_latency_increase: float = 0.10
    least_latency_increase: float = 0.001
    tolerate_blips: float = 5.0
    brake: bool = True
    exposure_budget: int | None = None
    floor: Floor | None = None
    also: tuple[PrometheusCheck, ...] = ()


EVENTS = (
    *("started", "step", "braked", "resumed", "undecided", "gate_waiting", "gate_approved", "gate_rejected", "paused", "baking"),
    *("promoted", "succeeded", "rolling_back", "rolled_back", "aborted", "superseded", "retried", "finished", "warmed_up", "undone"),
)
"""What happens to a release; ``notify.on`` lists some of them."""


@dataclass(frozen=True, slots=True)
class Notification:
    """Who is told of what. ``slack`` is a Slack-compatible incoming webhook, ``webhook`` gets JSON; one of them is a URL.
    ``secret`` signs. ``on`` are `EVENTS`; empty: all."""

    webhook: str = ""
    slack: str = ""
    secret: str = ""
    on: frozenset[str] = frozenset()
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class ReleaseSpec:
    """A release as it was written. ``stick_to`` makes users stay with a version; ``None`` leaves that to the route.
    ``text`` is the document that it was read from, ``source`` its name. After more than ``resume_within`` seconds without a process
    it comes back paused."""

    name: str
    route: RouteReference
    baseline: str
    canary: str
    steps: tuple[Step, ...]
    stick_to: HashPolicy | None = None
    verdict: VerdictSettings = VerdictSettings()
    notify: tuple[Notification, ...] = ()
    resume_within: float = 600.0
    source: str = ""
    text: str = ""

    @property
    def header(self) -> HeaderMatcher | None:
        """The header that sends a request to the canary, if some step has one."""
        return next((step.header for step in self.steps if step.header is not None), None)

    @property
    def mirror(self) -> MirrorStep | None:
        """How requests are copied, if some step does that; there is at most one."""
        return next((step.mirror for step in self.steps if step.mirror is not None), None)


# what it wants of the data path


@dataclass(frozen=True, slots=True)
class RouteHold:
    """What makes a route one that a release holds: everything about it that stays the same for the whole release. How its requests are
    shared at the moment says `routing.release_split.ReleaseSplit`, which is changed while they go on."""

    release: str
    route: RouteReference
    baseline: str
    canary: str
    header: HeaderMatcher | None = None
    stick_to: HashPolicy | None = None
    mirror: MirrorStep | None = None
    errors: frozenset[str] = VerdictSettings().errors


# how far it is


class State(Enum):
    """Where a release is. See docs/releases.md for which verb fits where."""

    PENDING = "pending"
    PREFLIGHT = "preflight"
    WARMING = "warming"
    OBSERVING = "observing"
    GATED = "gated"
    BRAKED = "braked"
    PAUSED = "paused"
    BAKING = "baking"
    SUCCEEDED = "succeeded"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    ABORTED = "aborted"
    SUPERSEDED = "superseded"

    @property
    def over(self) -> bool:
        """Whether nothing happens any more by itself."""
        return self in _OVER


_OVER = frozenset((State.SUCCEEDED, State.ROLLED_BACK, State.ABORTED, State.SUPERSEDED))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a release is, and what the data path is to do: give the canary ``share`` of the requests, and those with the header
    (``forced``), and copies of ``mirror`` of them.

    ``step`` is the number of the current one, 0 before the first. ``in_step`` and ``in_state`` are seconds, as of the last time this
    was written down; what is spent braked, paused, or before a gate is no part of ``in_step``. ``aim`` is the share of the step, which
    a brake goes below. ``before_pause`` is the state that a pause goes back to; a release that was paused when it was braked is paused
    again afterwards, and has it, too. ``brakes`` is how often it was braked by what was seen, ``by_hand`` whether a person braked it.
    ``gate`` is what the answer to the current gate was (empty, ``approved``, ``rejected``), and ``question`` is a number that is
    another one each time that the release comes to a gate. ``version`` counts transitions, and ``attempt`` how often it was begun.
    ``held`` is whether the release still holds its route: one that is over does, until it is finished. ``undecided`` is whether it was
    told that the step has no verdict after its ``max``.
    """

    state: State = State.PENDING
    step: int = 0
    share: int = 0
    forced: bool = False
    mirror: int = 0
    in_step: float = 0.0
    in_state: float = 0.0
    before_pause: State | None = None
    brakes: int = 0
    gate: str = ""
    reason: str = ""
    version: int = 0
    held: bool = False
    aim: int = 0
    by_hand: bool = False
    attempt: int = 1
    question: int = 0
    undecided: bool = False

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        before = self.before_pause
        return {**asdict(self), "state": self.state.value, "before_pause": before.value if before is not None else None}


@dataclass(frozen=True, slots=True)
class Transition:
    """One thing that happened to a release. ``event`` is one of `EVENTS`, ``reason`` a sentence with the numbers in it, ``at`` the wall
    clock, ``evidence`` what the verdict was based on (`release.evidence.Evidence.to_dict`), as JSON has it. ``number`` counts the
    events of all releases in the order in which they were written down; 0 before that.
    """

    release: str
    event: str
    before: Progress
    after: Progress
    actor: Actor
    reason: str
    at: float
    evidence: Mapping[str, object] = field(default_factory=dict)
    number: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        after = self.after
        who = {"by": self.actor.by, "why": self.actor.why, "origin": self.actor.origin}
        what = {"number": self.number, "at": self.at, "release": self.release, "event": self.event, "reason": self.reason}
        shares = {"weight_before": self.before.share / 1e4, "weight": after.share / 1e4}
        states = {"state_before": self.before.state.value, "state": after.state.value, "step": after.step, "version": after.version}
        return {**what, **states, **shares, **who, "evidence": dict(self.evidence)}


def percent(share: int) -> str:
    """Return *share* as people write it: ``5 %``, ``0.01 %``."""
    return f"{share / 1e4:g} %"


def header_text(header: HeaderMatcher) -> str:
    """Return what *header* asks for, in one line."""
    said = header.string
    unwanted = header.invert if said is not None or header.present is not False else not header.invert
    name = f"{'not ' if unwanted else ''}{header.name.decode('utf-8', 'replace')}"
    if said is None:
        return name
    text = said.text.decode("utf-8", "replace")
    return f"{name}: {text}" if said.kind is StringMatchKind.EXACT else f"{name} ({said.kind.value} {text})"
