"""What a measured row is worth by itself, from what the replay knows. Pure.

The words and limits are those of docs/formats.md, so that `estimate table check` says the same: the
first rule that fits decides. Rows are compared with each other only where a missed target needs it;
`noisy` and `non-monotone` take the estimator's view of the whole table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ERROR_RATIO_LIMIT = 0.01
MIN_DURATION_S = 120.0
FULL_RATIO = 0.9
ACHIEVED_RATIO = 0.97
PLATEAU_RATIO = 0.05


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row states, as far as a verdict needs it; cpu by container, in millicores."""

    rps: float
    rps_target: float | None = None
    replicas: int = 1
    error_ratio: float | None = None
    duration_s: float | None = None
    cpu: Mapping[str, float] = field(default_factory=dict)
    ceilings: Mapping[str, float] = field(default_factory=dict)
    """The most that a container could use, where it is known."""

    @property
    def has_room(self) -> bool:
        """Whether it is known of every container what it could use at most."""
        return self.cpu.keys() <= self.ceilings.keys()

    @property
    def is_missed(self) -> bool:
        if self.rps_target is None:
            return False
        # In a short run at a low rate the ends alone are some per cent.
        return self.rps < self.rps_target - max((1 - ACHIEVED_RATIO) * self.rps_target, 1.0)


def verdict(row: Facts, rows: Sequence[Facts]) -> str:
    """Return the verdict of a row among all rows of its component."""
    if row.error_ratio is not None and row.error_ratio > ERROR_RATIO_LIMIT:
        return "failing"
    if row.duration_s is not None and row.duration_s < MIN_DURATION_S:
        return "too short"
    if any(row.cpu[name] >= FULL_RATIO * row.ceilings.get(name, float("inf")) for name in row.cpu):
        return "saturated"
    if not row.is_missed:
        return "ok"
    is_plateau = not row.has_room and any(_is_same_height(row, other) for other in rows)
    return "saturated" if is_plateau else "generator-bound"


def _is_same_height(row: Facts, other: Facts) -> bool:
    """Whether another target was missed too and brought no other rate."""
    return (
        other.is_missed
        and other.replicas == row.replicas
        and abs((other.rps_target or 0) / (row.rps_target or 1) - 1) > PLATEAU_RATIO
        and abs(other.rps / row.rps - 1 if row.rps else 1.0) <= PLATEAU_RATIO
    )
