"""The one type in which every source tells what a container used, and how samples become it.

Values only: no file, socket or clock. A window is the steady part of a step, in Unix time; what one
replica used is averaged over the replicas (cpu) or is the highest of them (memory), as the
correspondence table asks.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from mirror.errors import SamplingError


class Part(NamedTuple):
    """A container of a component."""

    component: str
    container: str

    def __str__(self) -> str:
        return f"{self.component}/{self.container}"


def read_part(text: str) -> Part:
    """Read `COMPONENT/CONTAINER`; a bare name is both. Raises ValueError."""
    component, slash, container = text.partition("/")
    if not component or (slash and not container) or "/" in container:
        raise ValueError(f"expected COMPONENT or COMPONENT/CONTAINER, got {text!r}")
    return Part(component, container or component)


class Window(NamedTuple):
    """From `start_s` to `end_s`, Unix time."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Usage:
    """What one replica of a container used in a window."""

    cpu_millicores: float
    """Mean over window and replicas."""
    memory_bytes: int
    """Highest of any replica."""
    replicas: int
    cpu_max_millicores: float | None = None
    """Highest sample of any replica; None where the source has only a mean."""
    cpu_limit_millicores: float | None = None
    """What the kernel allows a replica; None where the source does not know."""
    is_exact: bool = False
    """Cpu is a difference of the kernel's own account, not a mean of samples."""


class Sampler(Protocol):
    """A source of usage; one that reads meanwhile begins when it is made."""

    def usage(self, window: Window) -> Mapping[Part, Usage]:
        """Return what was used in a window that has ended. Raises SamplingError."""

    def close(self) -> None:
        """Read no more; what was read stays."""


@dataclass(slots=True)
class _Replica:
    cpu_millicores: list[float] = field(default_factory=list)
    memory_bytes: list[int] = field(default_factory=list)


class Samples:
    """Samples of one window, by container and replica."""

    def __init__(self) -> None:
        self._replicas: dict[Part, dict[str, _Replica]] = {}

    def add_cpu(self, part: Part, replica: str, millicores: float) -> None:
        self._of(part, replica).cpu_millicores.append(millicores)

    def add_memory(self, part: Part, replica: str, amount_bytes: float) -> None:
        self._of(part, replica).memory_bytes.append(int(amount_bytes))

    def _of(self, part: Part, replica: str) -> _Replica:
        return self._replicas.setdefault(part, {}).setdefault(replica, _Replica())

    def usage(self, wanted: Iterable[str], source: str) -> dict[Part, Usage]:
        """Return the usage of every container; SamplingError names a wanted component without."""
        found = dict(self._usages())
        missing = sorted(set(wanted) - {part.component for part in found})
        if missing:
            raise SamplingError(
                f"{source} has no sample of cpu and memory of {', '.join(missing)} in the steady"
                " part of this step"
            )
        return found

    def _usages(self) -> Iterator[tuple[Part, Usage]]:
        for part, replicas in self._replicas.items():
            cpu = [each.cpu_millicores for each in replicas.values() if each.cpu_millicores]
            memory = [amount for each in replicas.values() for amount in each.memory_bytes]
            if cpu and memory:
                mean = sum(sum(each) / len(each) for each in cpu) / len(cpu)
                # One sample is the mean; a highest one beside it would say more than is known.
                highest = max(max(each) for each in cpu) if max(map(len, cpu)) > 1 else None
                yield part, Usage(mean, max(memory), len(cpu), cpu_max_millicores=highest)
