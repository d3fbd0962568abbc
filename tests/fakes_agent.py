"""A model of the Datadog Agent: how it parses DogStatsD and which points it stores.

It follows comp/dogstatsd/server and pkg/aggregator of datadog-agent at 8c2e260c. Tests check the
parser against the documented protocol and the Python client (tests/contract/test_dogstatsd.py),
and against the Agent's own test vectors where they are available.
"""

import math
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

FLUSH_S = 10
TYPES = ("g", "c", "h", "ms", "s", "d")
BUFFER_BYTES = 8192
"""dogstatsd_buffer_size; the Agent truncates longer datagrams."""


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    kind: str
    values: tuple[float, ...]
    """The values of the point; empty for a set."""
    set_value: str | None = None
    tags: tuple[str, ...] = ()
    sample_rate: float = 1.0
    timestamp: int | None = None


class Rejected(ValueError):
    """Raised for a line that the Agent drops."""


def parse(text: str) -> Line:
    """Parse one line of a packet, without its line feed; raise Rejected if it is invalid."""
    head, *fields = text.split("|")
    name, colon, value = head.partition(":")
    if not (colon and name and value and fields and fields[0] in TYPES):
        raise Rejected(text)
    kind = fields.pop(0)
    tags: tuple[str, ...] = ()
    sample_rate, timestamp = 1.0, None
    for field in fields:
        if field.startswith("#"):
            tags = tuple(tag for tag in field[1:].split(",") if tag)
        elif field.startswith("@"):
            sample_rate = _number(field[1:], text)
        elif field.startswith("T"):
            timestamp = _timestamp(field[1:], text)
    if kind == "s":
        return Line(name, kind, (), value, tags, sample_rate, timestamp)
    values = tuple(_number(part, text) for part in value.split(":") if part)
    return Line(name, kind, values, None, tags, sample_rate, timestamp)


def _number(text: str, line: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Rejected(line) from None


def _timestamp(text: str, line: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise Rejected(line)
    return int(text)


Series = tuple[str, tuple[str, ...]]


def stored(lines: Sequence[tuple[int, Line]]) -> dict[Series, dict[int, float]]:
    """Return the stored points of lines with their second of arrival.

    The result maps name and tags to second to value. A count becomes a rate per second over ten
    seconds, with or without a timestamp. A gauge without a timestamp keeps the last value of ten
    seconds. A later point for the same second replaces an earlier one.
    """
    points: dict[Series, dict[int, float]] = {}
    for arrived_at, line in lines:
        assert line.kind in ("g", "c")
        series = points.setdefault((line.name, tuple(sorted(line.tags))), {})
        (value,) = line.values
        value = value / FLUSH_S if line.kind == "c" else value
        if line.timestamp is not None:
            series[line.timestamp] = value
            continue
        bucket = arrived_at // FLUSH_S * FLUSH_S
        series[bucket] = value + (series.get(bucket, 0.0) if line.kind == "c" else 0.0)
    return points


def received(receiver: socket.socket) -> tuple[list[str], list[Line]]:
    """Read the socket empty; return its packets, and the lines without client telemetry."""
    receiver.setblocking(False)
    packets: list[str] = []
    with suppress(BlockingIOError):
        while True:
            packets.append(receiver.recv(1 << 16).decode())
    texts = [text for packet in packets for text in packet.split("\n") if text]
    mine = [text for text in texts if not text.startswith("datadog.dogstatsd.client.")]
    lines = [parse(text) for text in mine]
    assert all(math.isfinite(value) for line in lines for value in line.values)
    return packets, lines
