"""Which assumptions move the answer most: the factor by which each multiplies the cpu requested.

    W(a) = sum of cpu_i / sum of (cpu_i / f_i(a))        over the components i

| symbol | meaning |
|---|---|
| cpu_i | cpu requested by all replicas of a component |
| f_i(a) | the factor of the assumption in the sizing of the component; 1 where it has none |

The factors are those of the sizing itself: 1 / target utilisation, the imbalance, replicas over the
fewest that serve the peak (the reserve for a failure, a minimum or an update), growth, an event,
the correction for averages, and the margin where there is no interval. W is what the answer would
be divided by without the assumption, apart from rounding to whole replicas. That replicas scale
linearly, and that a curve goes on beyond its last row, has no factor that anybody knows: such an
assumption comes first.

Worked: two components request 6,000 and 3,000 millicores, and one of three zones may be lost: 9
replicas instead of 6, and 4 instead of 3. W = 9000 / (6000 / 1.5 + 3000 / 1.333) = 1.44.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from estimator.model.component import ComponentProjection
from estimator.model.figure import Assumption, Figure, Flag
from estimator.model.policy import Policy
from estimator.model.sizing.amounts import Amounts

SHOWN = 3
"""More are in the complete list; a reader who changes three has changed most of the answer."""

_RESERVES = {
    "loss of a pod": "lose pods",
    "loss of a zone": "zones",
    "rolling update": "max unavailable ratio",
    "min replicas": "min replicas",
}
"""The policy's option behind each constraint that adds replicas to those that serve the peak."""
_UNKNOWN = {
    Flag.SCALED_LINEARLY: (
        "linear scaling",
        "no row has so much load over all replicas",
    ),
    Flag.EXTRAPOLATED: (
        "extrapolation",
        "no row has so much load on one replica",
    ),
}


@dataclass(frozen=True, slots=True)
class Weight:
    """An assumption and what it does to the answer."""

    assumption: Assumption
    factor: Figure | None
    """A ratio, of the cpu requested; None if nobody knows it."""


def heaviest(
    components: Sequence[ComponentProjection], policy: Policy, listed: Sequence[Assumption]
) -> tuple[Weight, ...]:
    """Return the assumptions that move the answer most: first those of unknown weight."""
    unknown = list(_unknown(components))
    known = []
    by_name = {assumption.name: assumption for assumption in reversed(listed)}
    for name, factor_of in _factors(policy).items():
        factor = _over_all(components, factor_of)
        if name in by_name and factor > 1:
            reason = "cpu requested, over the cpu requested without it, apart from rounding"
            known.append(Weight(by_name[name], Figure(factor, "ratio", reason)))
    # The sort is stable, so equal factors keep the order of the calculation.
    known.sort(key=lambda weight: -(weight.factor.value if weight.factor else 0.0))
    return tuple((*unknown, *known)[:SHOWN])


def whole_reserve(total: Amounts, policy: Policy) -> Figure:
    """Return the product of all reserves: cpu requested over cpu used at the peak."""
    target, phi = policy.target_utilisation, policy.imbalance
    return Figure(
        total.cpu_request.value / total.cpu_used.value,
        "ratio",
        f"cpu requested over used: target 1 / {target:g}, imbalance {phi:g}, upper bound of cpu,"
        f" lost pods or a zone, whole replicas (--reserve {policy.reserve})",
    )


def _unknown(components: Sequence[ComponentProjection]) -> Iterator[Weight]:
    for flag, (name, reason) in _UNKNOWN.items():
        flagged = [part.name for part in components if flag in part.replicas.flags]
        if flagged:
            yield Weight(Assumption(name, ", ".join(flagged), reason, True), None)


def _over_all(
    components: Sequence[ComponentProjection], factor_of: Callable[[ComponentProjection], float]
) -> float:
    requested = [component.total.cpu_request.value for component in components]
    without = [cpu / factor_of(part) for cpu, part in zip(requested, components, strict=True)]
    return sum(requested) / sum(without)


def _factors(policy: Policy) -> dict[str, Callable[[ComponentProjection], float]]:
    """Return the factor of each assumption, by its name, in the order of the calculation."""

    def reserve(option: str) -> Callable[[ComponentProjection], float]:
        return lambda part: _reserve(part) if _reserved_by(part) == option else 1.0

    return {
        "peak window s": _correction,
        "growth per month": lambda part: part.demand.growth.value if part.demand else 1.0,
        "event factor": lambda part: part.demand.event.value if part.demand else 1.0,
        "imbalance": lambda part: policy.imbalance,
        "target utilisation": lambda part: 1 / policy.target_utilisation,
        "assumed margin": lambda part: (
            1 + policy.assumed_margin if Flag.NO_INTERVAL in part.total.cpu_used.flags else 1.0
        ),
        **{option: reserve(option) for option in _RESERVES.values()},
    }


def _correction(part: ComponentProjection) -> float:
    return part.demand.window_correction.value if part.demand else 1.0


def _reserve(part: ComponentProjection) -> float:
    """Return replicas over the fewest that serve the peak."""
    serving = 0.0 if part.rollout is None else part.rollout.serving.value
    return part.replicas.value / serving if serving else 1.0


def _reserved_by(part: ComponentProjection) -> str:
    """Return the option behind the last constraint that asks for as many replicas as there are."""
    names = [limit.name for limit in part.constraints if limit.replicas == part.replicas.value]
    return next((_RESERVES[name] for name in reversed(names) if name in _RESERVES), "")
