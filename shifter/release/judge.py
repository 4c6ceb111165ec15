"""The verdict on a release's canary, second by second.

Rule 1. The evidence is the average of two capitals, one bet on failures and one on latencies (`eprocess`, `latency`). A canary that is no
        worse brings it to ``threshold`` at any time of the release with at most the probability that was asked for.
Rule 2. Failures count only while the canary fails by ``max_error_increase`` more, on average or recently: what is tolerated condemns
        nobody, however sure it is. Where users are the unit, these are points of users.
Rule 3. While a canary is warming up, failures are bet on with a stake of their own, and count only as a catastrophe; latencies do not.
Rule 4. It knows no clock: a tick is a second. It is the same judge after `Verdict.to_state` and back.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from math import ceil, inf, isfinite, log
from operator import add
from typing import Any, Literal

from shifter.model.release import VerdictSettings
from shifter.observe.comparison import Second
from shifter.release.eprocess import RATIO_STAKES, Bets, ratio_logs
from shifter.release.evidence import Evidence
from shifter.release.excess import Excess, Strata
from shifter.release.latency import SLOW_90, SLOW_99, STAKES, Latencies
from shifter.release.proven import SLACK, SLOW_MARGINS, USUAL_SLOW, NotWorse
from shifter.release.sentence import Seen, say
from shifter.release.tiles import FIGURES, QUANTILES, Tiles

CATASTROPHE = 0.10
"""A canary that is warming up may fail by so much more."""
WARM_STAKE = 0.10
"""The part of the capital that is bet on what happens while it does."""
_BEGIN_ANEW = 10
"""Seconds after which some of what was kept back is bet."""
_RECENT_LEAST = 5.0
_DOUBT = 5.0
"""Nothing is proven while the evidence against it is larger."""
_HEARD = 0.5
"""Nothing is proven of a canary that has an outcome less often than that, compared with the baseline: its clients give up."""
_FAR = 10_000_000
_BLOCK = 120
_PROVE = 5
"""Seconds after which it is looked whether something is proven."""
_NONE = (0, 0)
_TURNS = 1 + FIGURES
"""Seconds in which each figure is worked out once, and how many requests are needed."""
_LAST = 10
"""Seconds of which it is told how many requests were late."""
_NOBODY = (0, 0, 0, 0)
_STATE = 1


class Verdict:
    """See the module, and `release.interfaces.Judge`. *state* is what `to_state` returned; another version's is forgotten."""

    def __init__(
        self, settings: VerdictSettings, unit: Literal["request", "user"] = "request", state: Mapping[str, Any] | None = None
    ) -> None:
        self.edges: tuple[Sequence[float], Sequence[float]] = ((), ())
        self._settings = settings
        self._unit = unit
        self._threshold = 1.0 / settings.false_roll_back
        self._window = ceil(settings.tolerate_blips) + 1 if settings.tolerate_blips > 0.0 else 0
        self._begin()
        if state is not None:
            try:
                self._restore(state)
            except (KeyError, TypeError, ValueError, IndexError, AttributeError):
                self._begin()

    def _begin(self) -> None:
        settings = self._settings
        self._errors = Bets(RATIO_STAKES, self._window)
        self._slowness = Bets(STAKES, self._window)
        self._warm = Bets(RATIO_STAKES, self._window, start=1.0)
        self._stakes = [1.0, 0.0]  # of what is bet usually, and on what happens while the canary warms up
        self._latencies = Latencies()
        self._set_edges()
        self._proofs = [NotWorse(margin) for margin in (SLACK * settings.max_error_increase, *SLOW_MARGINS)]
        self._strata = Strata()
        self._total = Excess()
        self._judged = Excess()
        self._recent = Excess(fading=True)
        self._warmed = Excess()
        self._since_brake = Excess()
        self._slow_since_brake = Excess()
        slower = (settings.max_latency_increase, settings.least_latency_increase * 1000.0) if settings.latency else None
        self._tiles = Tiles(settings.max_error_increase, slower)
        self._requests = [0, 0]
        self._failed = [0, 0]
        self._units = [0, 0]  # of both versions, and those that failed
        self._sent = [0, 0]  # in this step
        self._heard = [0, 0]  # likewise: those that were answered, or failed
        self._earned: list[list[float]] = [[0.0] * len(RATIO_STAKES), [0.0] * len(STAKES)]  # in this step
        self._earned_with = 0
        self._blocks = [[0, 0, 0, 0], [0, 0, 0, 0]]  # units and those that failed, of the last minutes
        self._age = 0
        self._age_of_step = 0
        self._warm_left = 0.0
        self._braked = self._by_hand = False
        self._share = 0.0
        self._late: deque[Sequence[int]] = deque(maxlen=_LAST)  # units, and those that took longest, of both versions; of the last seconds
        self._needed: int | None = None
        self._said = ""
        self._was_proven = self._was_sudden = False

    # what happens to the release

    def begin_step(self, warm_up: float) -> None:
        """See `Judge.begin_step`."""
        self._tiles.begin()
        self._sent = [0, 0]
        self._heard = [0, 0]
        self._earned = [[0.0] * len(row) for row in self._earned]
        self._earned_with = 0
        self._blocks = [[0, 0, 0, 0], [0, 0, 0, 0]]
        self._age_of_step = 0
        self._braked = False
        self._warm_left = warm_up
        self._said = ""
        if warm_up > 0.0:
            usual, warm = self._stakes
            self._stakes = [usual * (1.0 - WARM_STAKE), warm * min(1.0, self._warm.value) + usual * WARM_STAKE * min(1.0, self._usual())]
            self._warm = Bets(RATIO_STAKES, self._window, start=1.0)
            self._warmed.clear()

    def brake(self, by_hand: bool) -> None:
        """See `Judge.brake`."""
        self._braked, self._by_hand = True, by_hand
        self._said = ""
        self.look_again()

    def look_again(self) -> None:
        """See `Judge.look_again`."""
        self._since_brake.clear()
        self._slow_since_brake.clear()

    def resume(self) -> None:
        """See `Judge.resume`."""
        self._braked = False
        self._said = ""
        for bets in (self._errors, self._slowness, self._warm):
            bets.forget_fast()

    # seconds

    def tick(self, second: Second, rate: float) -> Evidence:
        """See `Judge.tick`."""
        self._count(second)
        if self._warm_left > 0.0:
            self._warm.tick(ratio_logs(second.failures))
            self._warm_left -= 1.0
        else:
            self._bet(second)
        self._age += 1
        self._age_of_step += 1
        evidence = self._evidence(second, rate)
        if self._latencies.tick(second.histograms[0]):
            self._set_edges()
        return evidence

    def _count(self, second: Second) -> None:
        for version in (0, 1):
            self._requests[version] += second.answered[version]
            self._failed[version] += second.failed[version]
            self._sent[version] += second.sent[version]
            self._heard[version] += second.answered[version]
        if second.sent_under:
            self._share = max(second.sent_under, key=lambda share: sum(second.sent_under[share]))
        requests, failed = self._strata.add(second)
        self._total.add(requests, failed)
        self._since_brake.add(requests, failed)
        units, of_them_failed = self._counted(second)
        if self._warm_left > 0.0:
            self._warmed.add(requests, failed)
        else:
            self._earned_with += units[1]
            if self._unit == "user":
                requests = units[1]
                failed = sum(canary - baseline * share / (1.0 - share) for share, (baseline, canary) in second.failures.items())
            self._judged.add(requests, failed)
            self._recent.add(requests, failed)
        self._late.append(_late_of(second))
        if self._braked:
            for share, (baseline, canary) in second.latencies.items():
                self._slow_since_brake.add(sum(canary), canary[-1] - baseline[-1] * share / (1.0 - share))
        self._units = [self._units[0] + sum(units), self._units[1] + sum(of_them_failed)]
        self._tiles.add(second, units, of_them_failed)
        if turn := self._age_of_step % _TURNS:
            self._tiles.work_out(turn - 1)
        if self._age_of_step % _BLOCK == 0:
            self._blocks = [self._blocks[1], [0, 0, 0, 0]]
        self._blocks[1] = [have + more for have, more in zip(self._blocks[1], (*units, *of_them_failed), strict=True)]

    def _counted(self, second: Second) -> tuple[Sequence[int], Sequence[int]]:
        """Return how many units have an outcome now, and how many have failed."""
        if self._unit == "request":
            return second.answered, second.failed
        units, failed = [0, 0], [0, 0]
        for pair in second.latencies.values():
            for version in (0, 1):
                units[version] += sum(pair[version])
        for numbers in second.failures.values():
            for version in (0, 1):
                failed[version] += numbers[version]
        return units, failed

    def _bet(self, second: Second) -> None:
        earned = ratio_logs(second.failures)
        slower = self._latencies.logs(second.latencies) if self._settings.latency else None
        self._errors.tick(earned)
        self._slowness.tick(slower)
        for sums, more in zip(self._earned, (earned, slower), strict=True):
            if more is not None:
                sums[:] = map(add, sums, more)
        proofs = self._proofs
        for share, (baseline, canary) in second.latencies.items():
            requests = sum(baseline) + sum(canary)
            proofs[0].see(share, requests, second.failures.get(share, _NONE))
            proofs[1].see(share, requests, (sum(baseline[SLOW_90:]), sum(canary[SLOW_90:])))
            proofs[2].see(share, requests, (sum(baseline[SLOW_99:]), sum(canary[SLOW_99:])))
        for share, numbers in second.failures.items():
            if share not in second.latencies:
                proofs[0].see(share, 0, numbers)
        if self._age % _PROVE == _PROVE - 1:
            for proof in proofs:
                proof.settle()
        if self._age % _BEGIN_ANEW == _BEGIN_ANEW - 1:
            for bets in (self._errors, self._slowness, *(proof.bets for proof in self._proofs)):
                bets.begin_anew()

    def _set_edges(self) -> None:
        bounds = self._latencies.bounds
        tolerated, least = 1.0 + self._settings.max_latency_increase, self._settings.least_latency_increase * 1000.0
        self.edges = bounds, tuple(max(bound * tolerated, bound + least) for bound in bounds)

    # what follows

    def _usual(self) -> float:
        return (self._errors.value + self._slowness.value) / 2.0 if self._settings.latency else self._errors.value

    def _evidence(self, second: Second, rate: float) -> Evidence:
        settings = self._settings
        errors, fast_errors = self._errors.value, self._errors.fast_value
        margin = settings.max_error_increase
        if not (self._judged.reaches(margin) or self._recent.reaches(margin, _RECENT_LEAST)):
            errors, fast_errors = min(errors, 1.0), min(fast_errors, 1.0)
        slowness, fast_slowness = self._slowness.value, self._slowness.fast_value
        warm, fast_warm = self._warm.value, self._warm.fast_value
        if not (self._warm_left > 0.0 and self._warmed.surely_reaches(CATASTROPHE)):
            warm, fast_warm = min(warm, 1.0), min(fast_warm, 1.0)
        part = 0.5 if settings.latency else 1.0
        usual_stake, warm_stake = self._stakes
        value = usual_stake * (part * errors + (1.0 - part) * slowness) + warm_stake * warm
        fast = usual_stake * (part * fast_errors + (1.0 - part) * fast_slowness) + warm_stake * fast_warm
        proven = self._warm_left <= 0.0 and value < _DOUBT and self._is_proven()
        if self._age_of_step % _TURNS == 1 or proven:  # it has just been counted
            self._needed = None if proven else self._still_needed()
        needed = self._needed
        sudden = value < self._threshold <= fast
        changed = sudden != self._was_sudden or proven != self._was_proven
        if value >= self._threshold or not self._said or changed or self._age_of_step % _TURNS == 1:
            self._was_proven, self._was_sudden = proven, sudden
            guilty = (fast_errors, fast_slowness) if sudden else (errors, slowness)
            self._said = self._sentence(value, sudden, guilty[1] > guilty[0], proven, needed, rate)
        answered = second.answered[1]
        since = self._since_brake
        return Evidence(
            value=value,
            errors=max(errors, warm) if self._warm_left > 0.0 else errors,
            latency=slowness,
            fast=fast,
            threshold=self._threshold,
            proven=proven,
            needed=needed,
            warming=self._warm_left > 0.0,
            requests=(self._requests[0], self._requests[1]),
            failed=(self._failed[0], self._failed[1]),
            in_flight=second.in_flight,
            excess_failed=self._total.failed,
            recent_requests=int(since.requests),
            recent_excess=self._recent_excess(),
            canary_success_rate=1.0 - second.failed[1] / answered if answered else None,
            metrics=self._tiles.metrics,
            unit=self._unit,
            sentence=self._said,
        )

    def _recent_excess(self) -> float:
        """Return the share of the canary's requests that failed in excess, or were slower than nearly all of the baseline's: what made
        the brake act may be either."""
        shares = [one.failed / one.requests for one in (self._since_brake, self._slow_since_brake) if one.requests]
        return max(shares, default=0.0)

    def _is_proven(self) -> bool:
        sent, heard = self._sent, self._heard
        if heard[1] * sent[0] < _HEARD * heard[0] * sent[1]:
            return False  # of a canary that hardly answers nobody knows what it would have answered
        proofs = self._proofs if self._settings.latency else self._proofs[:1]
        return all(proof.proven for proof in proofs)

    def _still_needed(self) -> int | None:
        if not 0.0 < self._share < 1.0 or self._warm_left > 0.0:
            return None
        units, of_them_failed = self._units
        failed = min(1.0, (of_them_failed + 0.5) / (units + 1.0))
        rates = (failed, *USUAL_SLOW)
        proofs = self._proofs if self._settings.latency else self._proofs[:1]
        least = max(proof.needed(self._share, rate) for proof, rate in zip(proofs, rates, strict=False))
        target = self._threshold / self._stakes[0] * (2.0 if self._settings.latency else 1.0)
        if self._earned_with:
            for bets, sums in zip((self._errors, self._slowness), self._earned, strict=True):
                for capital, earned in zip(bets.capitals, sums, strict=True):
                    if earned > 1.0 and 0.0 < capital < target:
                        least = min(least, log(target / capital) * self._earned_with / earned)
        return ceil(least) if least < _FAR else None

    def _sentence(self, value: float, sudden: bool, by_latency: bool, proven: bool, needed: int | None, rate: float) -> str:
        units, failed, period = self._shown()
        units = max(units[0], failed[0]), max(units[1], failed[1])  # a user may fail before anybody knows of a latency
        settings = self._settings
        quantiles = [metric for name, _ in QUANTILES if (metric := self._tiles.metric(name)) is not None]
        seen = Seen(
            unit=self._unit,
            units=units,
            failed=failed,
            period=period,
            sent=(self._sent[0], self._sent[1]),
            chance=value,
            sudden=sudden,
            threshold=self._threshold,
            by_latency=by_latency and self._warm_left <= 0.0,
            late=self._were_late(),
            bound=self.edges[1][-1] if self.edges[1] else 0.0,
            quantiles=tuple(quantiles),
            margins=(SLACK * settings.max_error_increase, SLOW_MARGINS[0] if settings.latency else 0.0),
            warming=self._warm_left,
            braked=self._braked,
            by_hand=self._by_hand,
            proven=proven,
            needed=needed,
            rate=rate if isfinite(rate) else 0.0,
            shared=0.0 < self._share < 1.0,
        )
        return say(seen)

    def _were_late(self) -> tuple[tuple[int, int], tuple[int, int]]:
        old, new, old_late, new_late = (sum(numbers) for numbers in zip(*self._late, strict=True)) if self._late else _NOBODY
        return (old, new), (old_late, new_late)

    def _shown(self) -> tuple[tuple[int, int], tuple[int, int], str]:
        """Return what to tell of: the whole step, or the last minutes when they differ much more."""
        tiles = self._tiles
        step = (tiles.units[0], tiles.units[1]), (tiles.failed[0], tiles.failed[1])
        old, new = self._blocks
        recent = [before + now for before, now in zip(old, new, strict=True)]
        last = (recent[0], recent[1]), (recent[2], recent[3])
        seconds = self._age_of_step % _BLOCK + _BLOCK
        if self._age_of_step > 2 * _BLOCK and _difference(*last) > 1.5 * _difference(*step) > -inf:
            return *last, f" in the last {seconds} s"
        return *step, ""

    # kept

    def to_state(self) -> Mapping[str, object]:
        """See `Judge.to_state`."""
        return {
            "version": _STATE,
            "bets": [bets.to_state() for bets in self._all_bets()],
            "proofs": [proof.to_state() for proof in self._proofs],
            "stakes": self._stakes,
            "latencies": self._latencies.to_state(),
            "excess": [self._strata.to_state(), *(one.to_state() for one in self._excesses())],
            "tiles": self._tiles.to_state(),
            "requests": self._requests,
            "failed": self._failed,
            "units": self._units,
            "sent": self._sent,
            "heard": self._heard,
            "earned": [*self._earned, [self._earned_with]],
            "blocks": self._blocks,
            "ages": [self._age, self._age_of_step],
            "warm_left": self._warm_left,
            "braked": [self._braked, self._by_hand],
            "share": self._share,
            "late": [list(numbers) for numbers in self._late],
            "needed": self._needed,
            "said": [self._said, self._was_proven, self._was_sudden],
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        if state["version"] != _STATE:
            return
        for bets, had in zip(self._all_bets(), state["bets"], strict=True):
            bets.restore(had)
        for proof, had in zip(self._proofs, state["proofs"], strict=True):
            proof.restore(had)
        self._stakes = list(state["stakes"])
        self._latencies.restore(state["latencies"])
        gathered, *sums = state["excess"]
        self._strata.restore(gathered)
        for one, had in zip(self._excesses(), sums, strict=True):
            one.restore(had)
        self._tiles.restore(state["tiles"])
        self._requests, self._failed, self._units = (list(state[name]) for name in ("requests", "failed", "units"))
        self._sent, self._heard = (list(state[name]) for name in ("sent", "heard"))
        errors, slowness, (self._earned_with,) = state["earned"]
        self._earned = [list(errors), list(slowness)]
        self._blocks = [list(block) for block in state["blocks"]]
        self._age, self._age_of_step = state["ages"]
        self._warm_left, self._share = state["warm_left"], state["share"]
        self._braked, self._by_hand = state["braked"]
        self._late.extend(state.get("late", ()))
        self._needed = state["needed"]
        self._said, self._was_proven, self._was_sudden = state["said"]
        self._set_edges()

    def _all_bets(self) -> Sequence[Bets]:
        return self._errors, self._slowness, self._warm

    def _excesses(self) -> Sequence[Excess]:
        return self._total, self._judged, self._recent, self._warmed, self._since_brake, self._slow_since_brake


def _late_of(second: Second) -> Sequence[int]:
    found = [0, 0, 0, 0]
    for pair in second.latencies.values():
        for version in (0, 1):
            found[version] += sum(pair[version])
            found[version + 2] += pair[version][-1]
    return found


def _difference(units: tuple[int, int], failed: tuple[int, int]) -> float:
    return failed[1] / units[1] - failed[0] / units[0] if units[0] and units[1] else -inf
