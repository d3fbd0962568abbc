"""What mirroring has shown of a path: did the new side fail where production did not?

    new errors = errors of the shadow / its answers - errors of production / its answers

| symbol | meaning |
|---|---|
| answers | legs that ended, except for those that the sidecar itself cut or lost |
| errors | answers 4xx or 5xx, and legs without an answer |

Production's answers are the primary's legs in mode inline, or the statuses of an access log. Where
neither is known, only 5xx and legs without an answer count as errors of the shadow, because
production answers 4xx, too. Copies are reads, and production's answers include writes; so a
difference within two standard errors of two shares is no finding:

    s = sqrt(p (1 - p) (1 / n + 1 / m)),  p = all errors / (n + m)

Worked example: 30 errors of 1,000 copies and 10 of 1,000 requests are 2 % new errors; p = 0.02,
s = 0.0063, and 0.02 > 0.0125.

Where the sidecar compared each copy with production's answer, its pairs say more: n = m are the
pairs, and errors are those of one side alone (the new errors, and where only production failed).
The rule is then McNemar's test (1947): with b and c such pairs, (b - c) / n against
1.645 sqrt(b + c) / n, one side of 95 %. So what `mirror compare` calls not safe is a finding here,
unless production failed alone about as often.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mirror.formats.comparison import is_new_error

NEW_ERRORS_RATIO = 0.001
"""Most new errors that are no reason to wait: one request of a thousand. A gateway that is right
answers as the old one did, so whatever is above noise has a cause that someone can name."""
LEAST_COPIES = 1000
"""With fewer copies, an error of one request of a thousand may not have occurred at all."""
_STANDARD_ERRORS = 2
"""Chance alone exceeds them once in forty: a false alarm costs a look, and a miss an outage."""
_STANDARD_ERRORS_OF_PAIRS = 1.645
"""Chance alone exceeds them once in twenty, as in `mirror compare`."""
_OWN = frozenset({"aborted", "worker_lost"})
"""Outcomes that say something of the sidecar or the client, and nothing of the server."""
_SERVED = frozenset({"1xx", "2xx", "3xx"})
_REFUSED = "4xx"
_ONLY_PRODUCTION = "better"
"""The result of a pair that production failed and the shadow did not."""


@dataclass(frozen=True, slots=True)
class Answers:
    """How often a side answered, and how often that was an error."""

    count: int
    errors: int

    @property
    def error_ratio(self) -> float:
        """The share of errors; 0 without an answer."""
        return self.errors / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the copies of a path's requests met on the new side."""

    copies: Answers
    production: Answers | None
    """None where production's own answers are not known."""
    kinds: tuple[tuple[str, int], ...]
    """The errors of the copies by outcome, of pairs by result; the most frequent first."""
    is_paired: bool = False
    """Each copy was compared with production's answer: errors are those of one side alone."""

    @property
    def new_error_ratio(self) -> float:
        """The share of new errors, 0 where it is within the noise or NEW_ERRORS_RATIO."""
        copies, other = self.copies, self.production
        difference = copies.error_ratio - (other.error_ratio if other else 0.0)
        noise = 0.0
        if other is not None and other.count and copies.count:
            together = (copies.errors + other.errors) / (copies.count + other.count)
            spread = together * (1 - together) * (1 / copies.count + 1 / other.count)
            most = _STANDARD_ERRORS_OF_PAIRS if self.is_paired else _STANDARD_ERRORS
            noise = most * math.sqrt(spread)
        return difference if difference > max(NEW_ERRORS_RATIO, noise) else 0.0


def rehearsal_of(shadow: Mapping[str, int], production: Answers | None) -> Rehearsal | None:
    """Return what the outcomes of the shadow's legs say; None where no copy was answered."""
    ended = {outcome: number for outcome, number in shadow.items() if outcome not in _OWN}
    if not sum(ended.values()):
        return None
    fine = _SERVED if production is not None else _SERVED | {_REFUSED}
    errors = {outcome: number for outcome, number in ended.items() if outcome not in fine}
    copies = Answers(sum(ended.values()), sum(errors.values()))
    return Rehearsal(copies, production, _kinds(errors))


def rehearsal_of_pairs(compared: Mapping[str, int]) -> Rehearsal | None:
    """Return what the results of pairs say; None without a pair."""
    count = sum(compared.values())
    if not count:
        return None
    errors = {result: number for result, number in compared.items() if is_new_error(result)}
    production = Answers(count, compared.get(_ONLY_PRODUCTION, 0))
    return Rehearsal(Answers(count, sum(errors.values())), production, _kinds(errors), True)


def _kinds(errors: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    ordered = sorted(errors.items(), key=lambda kind: (-kind[1], kind[0]))
    return tuple((name, number) for name, number in ordered if number)


def answers_of(primary: Mapping[str, int]) -> Answers | None:
    """Return production's answers by the outcomes of the primary's legs; None without any."""
    ended = {outcome: number for outcome, number in primary.items() if outcome not in _OWN}
    count = sum(ended.values())
    if not count:
        return None
    return Answers(count, sum(n for outcome, n in ended.items() if outcome not in _SERVED))
