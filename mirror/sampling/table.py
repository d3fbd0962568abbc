"""Writes the correspondence table (docs/formats.md) of a replay in steps.

Owns the file: one row for each step and component, its verdict behind it as a comment, written as a
whole or not at all. A file that exists is added to: what it says of a component (kind, routes,
requests) is a person's, and its rows stay. Of a component that is new, `requests` are the highest
measured amounts, and the file says so.
Keeps: a row names exactly the containers of the requests. A step that lacks one is left out and
told: with less, the component would look as if it needed less.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from mirror.errors import InputError, SamplingError
from mirror.sampling.quantities import read_cpu, write_cpu, write_memory
from mirror.sampling.usage import Part, Sampler, Usage, Window
from mirror.sampling.verdicts import Facts, verdict

REQUEST_STEP_MILLICORES = 10

_MALFORMED = (AttributeError, KeyError, TypeError, ValueError)
"""What reading a row of somebody else's may raise."""

Row = dict[str, Any]
"""One entry of `points`, as YAML has it."""


@dataclass(frozen=True, slots=True)
class Step:
    """What the replay measured in the steady part of a step."""

    rps_target: float
    rps: float
    window: Window
    error_ratio: float
    p50_ms: float | None
    """From the intended start; both None where the generator itself was late."""
    p99_ms: float | None

    def __str__(self) -> str:
        return f"step of {self.rps_target:g} rps"


class _Component(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    kind: str
    routes: list[str]
    requests: dict[str, dict[str, Any]]
    points: list[Row]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    components: list[_Component]


class Table:
    """A correspondence table, to which replays add rows."""

    def __init__(self, path: Path) -> None:
        """Read what is there. Raises InputError, so that nothing is sent for it in vain."""
        self._path = path
        self._assumed: set[str] = set()
        """Components whose requests are no person's."""
        self._components: dict[str, _Component] = {}
        if not path.exists():
            if not path.parent.is_dir():
                raise InputError(f"{path}: there is no directory {path.parent}")
            return
        try:
            found = msgspec.convert(yaml.safe_load(path.read_text()), _File)
            self._components = {each.name: each for each in found.components}
            self._text()
        except (OSError, yaml.YAMLError, msgspec.MsgspecError, *_MALFORMED) as error:
            raise InputError(f"{path}: is no correspondence table: {error}") from error

    def add(self, steps: Sequence[Step], samplers: Sequence[Sampler]) -> list[str]:
        """Add a row for each step and component; return what could not be had, a line each."""
        troubles: list[str] = []
        found: list[tuple[Step, dict[Part, Usage]]] = []
        for step in steps:
            usage: dict[Part, Usage] = {}
            for sampler in samplers:
                try:
                    usage |= sampler.usage(step.window)
                except SamplingError as error:
                    troubles.append(f"{step}: {error}")
            found.append((step, usage))
        for name in dict.fromkeys(part.component for _, usage in found for part in usage):
            rows = [(step, _of_component(name, usage)) for step, usage in found]
            component = self._components.get(name) or self._new(name, [used for _, used in rows])
            for step, used in rows:
                if missing := component.requests.keys() - used.keys():
                    troubles.append(f"{step}: no row of {name}, for want of {_listed(missing)}")
                elif unknown := used.keys() - component.requests.keys():
                    troubles.append(
                        f"{step}: no row of {name}, whose requests in {self._path} lack"
                        f" {_listed(unknown)}"
                    )
                elif len({each.replicas for each in used.values()}) > 1:
                    troubles.append(
                        f"{step}: no row of {name}, whose containers were seen in different numbers"
                    )
                else:
                    component.points.append(_row(step, used))
        return troubles

    def write(self) -> None:
        """Replace the file by the table as it is now. Raises OSError."""
        unfinished = self._path.with_name(f".{self._path.name}.partial")
        unfinished.write_text(self._text())
        unfinished.replace(self._path)

    def _new(self, name: str, rows: Sequence[Mapping[str, Usage]]) -> _Component:
        containers = sorted({container for used in rows for container in used})
        highest = {
            container: [used[container] for used in rows if container in used]
            for container in containers
        }
        requests = {
            container: {
                "cpu": write_cpu(_request_millicores(each.cpu_millicores for each in usages)),
                "memory": write_memory(max(each.memory_bytes for each in usages)),
            }
            for container, usages in highest.items()
        }
        kind = "gateway" if "gateway" in name else "pod"
        component = _Component(name, kind, ["*"], requests, [])
        self._components[name] = component
        self._assumed.add(name)
        return component

    def _text(self) -> str:
        lines = ["components:"]
        for component in self._components.values():
            lines += [
                f"  - name: {_flow(component.name)}",
                f"    kind: {_flow(component.kind)}",
                f"    routes: {_flow(component.routes)}",
            ]
            if component.name in self._assumed:
                lines.append("    # the highest that was measured: put the Pod's own requests here")
            lines.append(f"    requests: {_flow(component.requests)}")
            lines.append("    points:" if component.points else "    points: []")
            facts = [_facts(row) for row in component.points]
            lines += [
                f"      - {_flow(row)}  # {verdict(own, facts)}"
                for row, own in zip(component.points, facts, strict=True)
            ]
        return "\n".join(lines) + "\n"


def _of_component(name: str, usage: Mapping[Part, Usage]) -> dict[str, Usage]:
    return {part.container: used for part, used in usage.items() if part.component == name}


def _request_millicores(used: Iterable[float]) -> float:
    steps = math.ceil(max(used) / REQUEST_STEP_MILLICORES)
    return max(1, steps) * REQUEST_STEP_MILLICORES


def _row(step: Step, used: Mapping[str, Usage]) -> Row:
    row: Row = {
        "replicas": next(iter(used.values())).replicas,
        "rps": round(step.rps, 3),
        "rps_target": round(step.rps_target, 3),
        # The shortest time is a rule for samples; an exact account needs none.
        "duration_s": None
        if all(each.is_exact for each in used.values())
        else round(step.window.length_s, 3),
        "tool": "mirror replay",
        "loop": "open",
        "p50_ms": step.p50_ms,
        "p99_ms": step.p99_ms,
        "error_ratio": round(step.error_ratio, 6),
        "usage": {
            name: {"cpu": write_cpu(each.cpu_millicores), "memory": write_memory(each.memory_bytes)}
            for name, each in used.items()
        },
    }
    row["cpu_max"] = _cpus({name: each.cpu_max_millicores for name, each in used.items()})
    row["cpu_limit"] = _cpus({name: each.cpu_limit_millicores for name, each in used.items()})
    return {key: value for key, value in row.items() if value is not None}


def _cpus(millicores: Mapping[str, float | None]) -> dict[str, str] | None:
    known = {name: write_cpu(cpu) for name, cpu in millicores.items() if cpu is not None}
    return known or None


def _facts(row: Row) -> Facts:
    ceilings = {name: read_cpu(cpu) for name, cpu in row.get("cpu_limit", {}).items()}
    for name, workers in row.get("workers", {}).items():
        ceilings[name] = min(ceilings.get(name, math.inf), 1000.0 * workers)
    return Facts(
        rps=row["rps"],
        rps_target=row.get("rps_target"),
        replicas=row["replicas"],
        error_ratio=row.get("error_ratio"),
        duration_s=row.get("duration_s"),
        cpu={name: read_cpu(each["cpu"]) for name, each in row["usage"].items()},
        ceilings=ceilings,
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _flow(value: object) -> str:
    """Return YAML in one line, however long."""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=math.inf, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")
