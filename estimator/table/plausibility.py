"""Values of a table that are well formed and cannot be true: the likely slip of whoever wrote them.

A slip of a unit moves every figure by a factor of a thousand and more, and nothing else shows it.
A value that nobody's container can have is refused where the file is read (document.py). One that
is merely unlikely is doubted here. Pure.
"""

from collections.abc import Iterator

from estimator import units
from estimator.table.load_points import Component
from estimator.table.rows import LoadPoint

MOST_CORES = 128
"""Most cores of one container. The largest nodes have more, and nobody gives most of one to one
container."""
MANY_CORES = 16
"""A container with more is rare: a count of millicores without its unit is likelier."""
LEAST_MEMORY_BYTES = 64 * 1024
"""Less is no process. What somebody meant as MiB is a number below it."""
LEAST_P99_MS = 0.1
"""A request and its answer through a proxy take longer, even on one machine."""
MEMORY_FALL_RATIO = 0.5
"""Memory at more rps over memory at the least rps; a process keeps what it has at the start."""


def slips(component: Component) -> Iterator[str]:
    """Yield a sentence for each kind of value that is unlikely, naming the likely slip."""
    used = component.used_points
    fast = [p for p in used if p.p99_ms is not None and p.p99_ms < LEAST_P99_MS]
    if fast:
        yield (
            f"p99_ms is {fast[0].p99_ms:g} in {_rows(fast)}, below {LEAST_P99_MS:g} ms, which no"
            " answer through a proxy takes: is it in seconds?"
        )
    for container, request in component.requests.items():
        cores = [p for p in used if p.usage[container].cpu_millicores > MANY_CORES * 1000]
        if cores:
            count = cores[0].usage[container].cpu_millicores / 1000
            yield (
                f"{container} used {count:g} cores in {_rows(cores)}: if millicores were meant,"
                f" write {count:g}m"
            )
        limited = [
            p
            for p in used
            if p.cpu_limit_millicores.get(container, request.cpu_millicores)
            < request.cpu_millicores
        ]
        if limited:
            limit = units.format_cpu(limited[0].cpu_limit_millicores[container])
            yield (
                f"the cpu_limit of {container} is {limit} in {_rows(limited)}, below its request of"
                f" {units.format_cpu(request.cpu_millicores)}: Kubernetes accepts no such container"
            )
        yield from _memory_slips(container, request.memory_bytes, used)


def _memory_slips(container: str, request: int, used: tuple[LoadPoint, ...]) -> Iterator[str]:
    if not used:
        return
    first = min(used, key=lambda point: (point.rps_per_replica, point.row))
    idle = first.usage[container].memory_bytes
    if request < idle:
        yield (
            f"the memory request of {container}, {units.format_memory(request)}, is below the"
            f" {units.format_memory(idle)} that it takes at the least rps (row {first.row}): is its"
            " unit right?"
        )
    lower = [p for p in used if p.usage[container].memory_bytes < MEMORY_FALL_RATIO * idle]
    if lower:
        least = units.format_memory(lower[0].usage[container].memory_bytes)
        yield (
            f"{container} used {least} of memory in {_rows(lower)}, less than half of the"
            f" {units.format_memory(idle)} at the least rps (row {first.row}): is its unit right?"
        )


def _rows(points: list[LoadPoint]) -> str:
    if len(points) == 1:
        return f"row {points[0].row}"
    return f"{len(points)} rows from row {points[0].row} on"
