"""Cpu and memory: of a container, of a component, of everything; their sums and their bounds.

A sum has bounds where one of its parts has, the others counting as exact; it has a limit only where
every part has one. Flags of the parts are flags of the sum.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from estimator import units
from estimator.model.evidence.evidence import Evidence
from estimator.model.figure import Figure, Flag
from estimator.model.policy import Policy
from estimator.model.sizing import requests
from estimator.model.sizing.replicas import Sizing


@dataclass(frozen=True, slots=True)
class Amounts:
    """Cpu and memory, of a container, a component or all components."""

    cpu_request: Figure
    """Recommended."""
    memory_request: Figure
    cpu_used: Figure
    """At the peak; low and high where the curve has an interval."""
    memory_used: Figure
    cpu_limit: Figure | None = None
    """Recommended; None: no cpu limit is recommended (or, in a sum, some container has none)."""
    memory_limit: Figure | None = None


def container_amounts(
    name: str, evidence: Evidence, sizing: Sizing, policy: Policy, workers: Figure | None
) -> Amounts:
    """Return what one container of one replica uses at the peak, and what it should request."""
    curve = evidence.cpu[name]
    # All replicas are up here, and each serves at the efficiency that it has among so many.
    rps = sizing.rps_per_replica / evidence.efficiency(sizing.replicas)
    used = curve.at(min(rps, curve.limit_rps))
    rows = evidence.nearest_rows(rps)
    at = units.format_rps(sizing.rps_per_replica)
    if Flag.BELOW_RANGE in sizing.flags:
        reason = f"smallest row ({name_rows(rows)}), an upper bound below it"
    elif used.is_extrapolated:
        reason = f"extrapolated to {at} rps per replica, beyond {name_rows(rows)}"
    else:
        reason = f"load curve at {at} rps per replica, next to {name_rows(rows)}"
    cpu_limit = requests.cpu_limit(name, workers)
    memory = requests.memory_request(name, evidence)
    measured = evidence.memory[name]
    return Amounts(
        cpu_request=requests.cpu_request(name, evidence, sizing, policy),
        memory_request=memory,
        cpu_used=Figure(
            used.value,
            "millicores",
            reason,
            low=used.low if curve.has_interval else None,
            high=used.high if curve.has_interval else None,
            rows=rows,
            flags=sizing.flags,
        ),
        memory_used=Figure(
            int(measured.highest_bytes),
            "bytes",
            "maximum over the rows used: memory "
            + ("rises with rps" if measured.rises else "does not follow rps"),
        ),
        cpu_limit=cpu_limit,
        memory_limit=requests.memory_limit(name, memory, evidence),
    )


def name_rows(rows: tuple[int, ...]) -> str:
    """Return `row 3` or `rows 1, 2`."""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(str(row) for row in rows)}"


def add(parts: Iterable[Amounts], reason: str) -> Amounts:
    """Return the sums, with their bounds; a limit only where every part has one."""
    listed = list(parts)
    return Amounts(
        _sum([part.cpu_request for part in listed], reason),
        _sum([part.memory_request for part in listed], reason),
        _sum([part.cpu_used for part in listed], reason),
        _sum([part.memory_used for part in listed], reason),
        _sum_of_all([part.cpu_limit for part in listed], reason),
        _sum_of_all([part.memory_limit for part in listed], reason),
    )


def _sum_of_all(figures: list[Figure | None], reason: str) -> Figure | None:
    present = [figure for figure in figures if figure is not None]
    return _sum(present, reason) if present and len(present) == len(figures) else None


def _sum(figures: list[Figure], reason: str) -> Figure:
    has_bounds = any(figure.low is not None for figure in figures)
    return Figure(
        sum(figure.value for figure in figures),
        figures[0].unit,
        reason,
        low=sum(f.value if f.low is None else f.low for f in figures) if has_bounds else None,
        high=sum(f.value if f.high is None else f.high for f in figures) if has_bounds else None,
        flags=tuple(dict.fromkeys(flag for figure in figures for flag in figure.flags)),
    )


def times(pod: Amounts, replicas: int, most: int | None = None) -> Amounts:
    """Return the amounts of so many replicas.

    `most`: of as many requests as there may be at worst; what is used at the peak is shared by all
    of them and does not grow.
    """
    reason = f"{replicas} replicas, all containers"
    most = replicas if most is None else most

    def scaled(figure: Figure, at_most: int) -> Figure:
        low, high = figure.low, figure.high
        if high is None and at_most > replicas:
            low = high = figure.value
        return Figure(
            figure.value * replicas,
            figure.unit,
            reason,
            low=None if low is None else low * replicas,
            high=None if high is None else high * at_most,
            flags=figure.flags,
        )

    return Amounts(
        scaled(pod.cpu_request, most),
        scaled(pod.memory_request, most),
        scaled(pod.cpu_used, replicas),
        scaled(pod.memory_used, replicas),
        None if pod.cpu_limit is None else scaled(pod.cpu_limit, most),
        None if pod.memory_limit is None else scaled(pod.memory_limit, most),
    )
