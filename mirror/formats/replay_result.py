"""The result of a replay as a document: its types, its format id and version, reading and writing.

`mirror replay` builds it, `mirror replay-merge` adds several up, `estimate table import` makes rows
of it. docs/formats.md describes every key. Keys may be added within a version; none is renamed.

Invariant: this module computes nothing. Percentiles and histograms are what their owner,
mirror/replay/result.py, has put here.
"""

from pathlib import Path
from typing import Annotated

import msgspec

from mirror.errors import InputError
from mirror.formats import bounded_files
from mirror.formats.bounded_files import Limit
from mirror.formats.json_documents import decode_document

LIMIT = Limit(16 << 20)
"""Most bytes of a result; a step has about 20 kB."""
FORMAT = "kagami-replay"
VERSION = 1

MOST_STEPS = 500
"""A result with more takes too long to add up: each histogram of each step is unpacked."""

SERVED = ("2xx", "3xx")
"""The outcomes of served requests: a 404 of a gateway is no work that it will do in production."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
ShardName = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}/[0-9]{1,6}\Z")]


class Percentiles(msgspec.Struct, frozen=True):
    """One kind of time in milliseconds; null where nothing was measured."""

    p50: float | None
    p90: float | None
    p99: float | None
    p99_9: float | None
    max: float | None


class Histograms(msgspec.Struct, frozen=True):
    """Histograms in microseconds, in HdrHistogram's V2 encoding (base64, compressed)."""

    from_intended_us: str
    from_send_us: str
    schedule_lag_us: str


class PartResult(msgspec.Struct, kw_only=True):
    """What was counted in a whole replay, or in one step of it."""

    is_valid: bool
    invalid_reason: str | None
    window_s: Amount
    due: Count
    late: Count
    shed: dict[str, Count]
    sent: Count
    outcomes: dict[str, Count]
    statuses: dict[int, Count] = {}
    """Answers by status, of 400 and above; empty in results of versions that did not keep it."""
    answered: Count
    offered_rps: Amount
    achieved_rps: Amount
    from_intended_ms: Percentiles
    from_send_ms: Percentiles
    schedule_lag_ms: Percentiles
    histograms: Histograms


class StepResult(PartResult, kw_only=True):
    """The steady part of a step, or the whole step where it ended before its steady part."""

    rate_rps: float | None
    """The scheduled rate; null for the recorded timing."""
    steady_from: float | None
    """Unix time at which the steady part began; null where it was not reached."""
    generator_cpu_ratio: float


class SaturationResult(msgspec.Struct, frozen=True):
    """What the search for the saturation found."""

    held_rps: float | None
    """Highest rate held; null where none was."""
    broken_rps: float | None
    """Lowest rate not held; null where the search ended before it met one."""
    broken_by: str | None
    """The limit that this rate broke, in words."""


class ProcessReading(msgspec.Struct, frozen=True, array_like=True):
    """The accounts of a process and its descendants at an instant."""

    time: float
    """Unix time."""
    cpu_s: float
    """User and system time since the process began; it never falls."""
    memory_bytes: int
    """Sum of the resident sets."""


class ProcessUsage(msgspec.Struct, frozen=True):
    """What one sampled process used while the replay ran."""

    component: str
    container: str
    replica: str
    """HOST/PID; a container with several is one with several replicas."""
    cpu_limit_millicores: float | None
    """The most that the kernel lets the process use; null where that is unknown."""
    readings: list[ProcessReading]
    """In the order of time, about one a second."""


class ReplayResult(PartResult, kw_only=True):
    """What `mirror replay --format json` prints."""

    format: str
    version: int
    to: str
    schedule: str
    """A digest of the list and of all settings that decide what is due: equal for all shards."""
    shard: ShardName | None
    """INDEX/N; null for a whole schedule, also for a merged one."""
    rate_rps: float | None
    speed: float | None
    lag_limit_ms: float
    is_interrupted: bool
    elapsed_s: Amount
    skipped: dict[str, Count]
    filtered: Count
    steps: Annotated[list[StepResult], msgspec.Meta(max_length=MOST_STEPS)]
    saturation: SaturationResult | None
    usage: list[ProcessUsage] = []


def decode(data: bytes | str) -> ReplayResult:
    """Return the result in this JSON. Raises ValueError that says what was expected."""
    return decode_document(data, ReplayResult, FORMAT, VERSION, "of mirror replay --format json")


def read(path: Path) -> ReplayResult:
    """Return the result in a file. Raises InputError that names the file."""
    try:
        return decode(bounded_files.read_bytes(path, LIMIT))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def to_json(result: ReplayResult) -> str:
    """Return the indented JSON of a result."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode()
