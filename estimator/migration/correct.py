"""Corrects a table by what was observed while mirroring, and describes every change.

There are two ways:

    scale   cpu of every used row times 1 / (1 + bias): the load test gives the shape of the curve,
            the observation its level
    refit   rows within the observed loads are replaced by observed rows: the buckets are sorted by
            rps per replica and cut into up to eight groups of equal size, and the means of a group
            are a row; rows outside the observed loads are scaled as above

Memory is never lowered: it becomes the highest value of the table and the observation. Rows that
are not used are kept unchanged, because they show where the component ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from estimator import units
from estimator.migration.verify import ContainerError, Verification
from estimator.table.load_points import Component, LoadPoint, Resources, Table

MOST_GROUPS = 8
"""Largest number of observed rows."""
MIN_GROUP = 10
"""Fewest buckets behind one observed row: ten minutes, if a bucket is a minute."""
OBSERVED = "observed"
"""The `tool` of a row that comes from mirrored traffic."""


class Correction(StrEnum):
    """The way to correct a table."""

    SCALE = "scale"
    REFIT = "refit"


@dataclass(frozen=True, slots=True)
class Corrected:
    """A corrected table, and one sentence for each change."""

    table: Table
    changes: tuple[str, ...]


def correct(table: Table, verification: Verification, how: Correction) -> Corrected:
    """Return the table with every component corrected whose containers were all observed."""
    components: list[Component] = []
    changes: list[str] = []
    for component in table.components:
        errors = {
            error.container: error
            for error in verification.containers
            if error.component == component.name
        }
        if errors.keys() != component.requests.keys():
            components.append(component)
            changes.append(f"{component.name}: unchanged, because not every container was observed")
            continue
        rows = list(_scaled(component, errors))
        for container, error in errors.items():
            changes.append(
                f"{component.name}, {container}: cpu of the used rows multiplied by"
                f" {error.factor:.4g}{_memory_change(error)}"
            )
        if how is Correction.REFIT:
            rows = _refitted(component, rows, errors, changes)
        numbered = (replace(row, row=number) for number, row in enumerate(rows, start=1))
        components.append(replace(component, points=tuple(numbered)))
    return Corrected(Table(table.source, tuple(components)), tuple(changes))


def _scaled(component: Component, errors: Mapping[str, ContainerError]) -> list[LoadPoint]:
    """Return the rows with cpu times 1 / (1 + bias) and the highest memory; unused ones as is."""
    rows = []
    for row in component.points:
        if row.exclusion is not None:
            rows.append(row)
            continue
        usage = {
            name: Resources(
                _to_nanocore(used.cpu_millicores * errors[name].factor),
                max(used.memory_bytes, errors[name].observed_memory_bytes or 0),
            )
            for name, used in row.usage.items()
        }
        highest = {
            name: _to_nanocore(cpu * errors[name].factor)
            for name, cpu in row.cpu_max_millicores.items()
        }
        rows.append(replace(row, usage=usage, cpu_max_millicores=highest))
    return rows


def _refitted(
    component: Component,
    rows: list[LoadPoint],
    errors: Mapping[str, ContainerError],
    changes: list[str],
) -> list[LoadPoint]:
    loads = np.concatenate([error.buckets.rps_per_replica for error in errors.values()])
    low, high = float(loads.min()), float(loads.max())
    observed = observed_rows(errors)
    if not observed:
        changes.append(f"{component.name}: too few minutes for observed rows; only scaled")
        return rows
    kept = [
        row for row in rows if row.exclusion is not None or not low <= row.rps_per_replica <= high
    ]
    changes.append(
        f"{component.name}: {len(rows) - len(kept)} row(s) from {low:.4g} to {high:.4g} rps per"
        f" replica replaced by {len(observed)} observed rows"
    )
    return [*kept, *observed]


def observed_rows(errors: Mapping[str, ContainerError]) -> list[LoadPoint]:
    """Return rows of means of the observed buckets, by rising load; empty for too few buckets.

    `errors` has every container of one component, by name. Each row describes one replica, because
    their number changed during the observation.
    """
    fewest = min(len(error.buckets.rps_per_replica) for error in errors.values())
    groups = min(MOST_GROUPS, fewest // MIN_GROUP)
    rows = []
    for number in range(groups):
        usage, loads, width_s, count = {}, [], 0, 0
        for container, error in errors.items():
            order = np.argsort(error.buckets.rps_per_replica, kind="stable")
            chosen = np.array_split(order, groups)[number]
            loads.append(float(error.buckets.rps_per_replica[chosen].mean()))
            cpu = float(error.buckets.observed_millicores[chosen].mean())
            memory = max(error.observed_memory_bytes or 0, error.predicted_memory_bytes)
            usage[container] = Resources(_to_nanocore(cpu), memory)
            width_s, count = error.buckets.width_s, len(chosen)
        rows.append(
            LoadPoint(
                row=number + 1,
                replicas=1,
                rps=round(float(np.mean(loads)), 6),
                usage=usage,
                duration_s=float(width_s * count),
                tool=OBSERVED,
            )
        )
    return rows


def _memory_change(error: ContainerError) -> str:
    observed = error.observed_memory_bytes
    if observed is None or observed <= error.predicted_memory_bytes:
        return ""
    return f"; memory raised to {units.format_memory(observed)}"


def _to_nanocore(millicores: float) -> float:
    """Round to a nanocore, which is as fine as Kubernetes measures."""
    return round(millicores, 6)
