"""How sure a share of new errors is: its bounds, and the pairs that a threshold needs.

Symbols: k new errors among n pairs; each bound holds with 95 % confidence, on its side alone.

    k = 0:  upper = -ln(0.05) / n, about 3 / n (the "rule of three"), and lower = 0
    k > 0:  upper = (k + 1) (1 - 1 / (9 (k + 1)) + z / (3 sqrt(k + 1)))^3 / n, with z = 1.6449
            lower = k (1 - 1 / (9 k) - z / (3 sqrt(k)))^3 / n

Those for k > 0 are Byar's approximation of the exact limit of a Poisson count (Rothman and Boice,
Epidemiologic Analysis with a Programmable Calculator, 1979), at most 0.4 % below it (the lower one
1.5 % from three errors on). A Poisson
count bounds a binomial one from above, so the bound is never too low for a small n by more than
that. Example: 0 of 3,000 pairs give 0.1 %, and 1 of 3,000 gives 0.158 %.

The bound assumes independent pairs. Errors come in bursts, so a longer time is worth more than the
same number of pairs in a minute; this module does not know the time.
"""

import math

Z = 1.6449
"""Quantile of the normal distribution for 95 % on one side."""
_NONE = -math.log(0.05)


def upper_bound(errors: int, pairs: int) -> float:
    """Return the share that the true share of errors does not exceed, with 95 % confidence."""
    return min(1.0, _most(errors) / pairs) if pairs else 1.0


def lower_bound(errors: int, pairs: int) -> float:
    """Return the share that the true share of errors reaches at least, with 95 % confidence."""
    if not errors or not pairs:
        return 0.0
    least = errors * max(0.0, 1 - 1 / (9 * errors) - Z / (3 * math.sqrt(errors))) ** 3
    return min(1.0, least / pairs)


def pairs_needed(errors: int, threshold: float) -> int:
    """Return how many pairs in all prove a share (above 0) if no further error comes."""
    return math.ceil(_most(errors) / threshold)


def _most(errors: int) -> float:
    """Return the upper bound of the expected number of errors where this many were counted."""
    if errors == 0:
        return _NONE
    number = errors + 1
    return float(number * (1 - 1 / (9 * number) + Z / (3 * math.sqrt(number))) ** 3)
