"""Checks how the Agent reads and stores what we send. Each trap has a test named after it.

The traps come from DogStatsD's protocol, its Python client and Datadog's storage. test_traps.py
lists the traps in reading back.
"""

import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mirror.addresses import TcpAddress, UnixAddress
from mirror.config_sections import DatadogSection
from mirror.core.ledger import REQUESTS, SHADOW_SENT, Settled
from mirror.core.worker_ledger import Ledger
from mirror.formats.routes import RouteTable, route_tag
from mirror.metrics.catalogue import METRICS, RPS, Readings
from mirror.metrics.datadog import DogStatsdSink
from mirror.process.merger import Merger
from tests.fakes_agent import BUFFER_BYTES, Line, Rejected, parse, received, stored

START = 1_700_000_000
BURST = [100, 100, 100, 1000, 100, 100, 100, 100, 100, 100]


@contextmanager
def agent() -> Iterator[tuple[socket.socket, TcpAddress]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.bind(("127.0.0.1", 0))
        yield receiver, TcpAddress("127.0.0.1", receiver.getsockname()[1])


def second(number: int, rps: int, route: str = "other") -> Settled:
    counts = {(REQUESTS, route, "safe"): rps, (SHADOW_SENT, route, ""): rps}
    latencies = {("shadow.latency", route): {700: rps}}
    return Settled(number, counts, {route: rps}, {route: rps}, False, True, latencies)


def emitted(
    seconds: list[Settled], instance: str = "a", **section: Any
) -> tuple[list[str], list[Line]]:
    with agent() as (receiver, address):
        sink = DogStatsdSink(DatadogSection(address, **section), instance, ["other"])
        for number, settled in enumerate(seconds):
            sink.emit(settled)
            readings: Readings = {
                (name, metric.labels[0]): number
                for name, metric in METRICS.items()
                if not metric.is_by_route
            }
            sink.observe(settled.second, readings)
        sink.stop(2.0)
        return received(receiver)


def a_burst(**section: Any) -> list[Line]:
    return emitted([second(START + i, rps) for i, rps in enumerate(BURST)], **section)[1]


def named(lines: list[Line], name: str) -> list[Line]:
    return [line for line in lines if line.name == f"mirror.{name}"]


# --- traps of the protocol ---


def test_every_line_is_one_the_agent_takes() -> None:
    lines = a_burst()
    names = {name for metric in METRICS.values() for name in metric.names}
    assert {line.name.removeprefix("mirror.") for line in lines} <= names
    for line in lines:
        assert line.sample_rate == 1.0
        assert len(line.values) == 1


def test_trap_a_float_timestamp_drops_the_line() -> None:
    with pytest.raises(Rejected):
        parse("mirror.rps:1|g|T1700000000.5")
    stamped = [line for line in a_burst() if line.timestamp]
    assert {line.timestamp for line in stamped} == {START + i for i in range(len(BURST))}


def test_trap_only_gauges_and_counts_take_timestamps() -> None:
    for line in a_burst(timestamps=False):
        assert line.timestamp is None
    kinds = {line.kind for line in a_burst() if line.timestamp is not None}
    assert kinds == {"g"}


def test_trap_a_count_with_a_timestamp_reads_a_tenth() -> None:
    (points,) = stored([(START, parse(f"mirror.requests:1000|c|T{START}"))]).values()
    assert points[START] == 100
    assert all(line.timestamp is None for line in a_burst() if line.kind == "c")


def test_trap_a_packet_beyond_the_agents_buffer_is_cut() -> None:
    routes = [f"/a-rather-long-route-tag-{number}/_id_/_name_/details" for number in range(200)]
    counts = {(REQUESTS, route, "safe"): 1 for route in routes}
    rps = dict.fromkeys(routes, 1)
    packets, lines = emitted([Settled(START, counts, rps, rps, False, False)])
    assert len(named(lines, RPS)) == 200
    assert max(len(packet.encode()) for packet in packets) <= 1472 < BUFFER_BYTES


def test_trap_tags_split_on_commas_and_pipes() -> None:
    templates = ["/a,b/{id}", "/c;d=1", "/e%7Cf", "/G/*"]
    tags = RouteTable(templates).tags
    for tag in tags:
        assert re.fullmatch(r"[a-z0-9_\-:./]+", tag)
    assert route_tag("/a,b/{id}") == "/a_b/_id_"
    _, lines = emitted([second(START, 1, tags[0])])
    assert "route:/a_b/_id_" in named(lines, "requests")[0].tags


# --- traps of the client ---


def test_trap_client_aggregation_folds_seconds_into_one() -> None:
    points = named(a_burst(), RPS)
    assert [line.values[0] for line in points] == BURST


def test_trap_without_telemetry_drops_are_not_counted() -> None:
    with agent() as (_, address):
        pass
    sink = DogStatsdSink(DatadogSection(address), "a", ["other"])
    for number in range(20):
        sink.emit(second(START + number, 1))
        sink._client.flush()
    sink.stop(2.0)
    assert sink.dropped > 0


def test_trap_the_environment_redirects_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DD_DOGSTATSD_URL", "udp://127.0.0.1:9")
    monkeypatch.setenv("DD_AGENT_HOST", "127.0.0.2")
    monkeypatch.setenv("DD_DOGSTATSD_PORT", "9")
    assert len(named(a_burst(), RPS)) == len(BURST)


def test_trap_the_environment_adds_tags_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DD_ENV", "DD_SERVICE", "DD_VERSION", "DATADOG_TAGS"):
        monkeypatch.setenv(name, "x:y")
    assert {line.tags for line in named(a_burst(tags=("env:test",)), RPS)} == {
        ("route:other", "env:test", "instance:a")
    }


def wedged(path: Path) -> tuple[socket.socket, Callable[[], DogStatsdSink]]:
    """Return an Agent that never reads its unix socket, and a function that makes sinks for it."""
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(path))
    return receiver, lambda: DogStatsdSink(DatadogSection(UnixAddress(str(path))), "a", ["other"])


def test_trap_the_senders_queue_is_unlimited(tmp_path: Path) -> None:
    receiver, make = wedged(tmp_path / "dsd.socket")
    with receiver:
        sink = make()
        with sink._client._socket_lock:  # the sender hangs in a send
            for number in range(1200):
                sink.emit(second(START + number, 1))
                sink._client.flush()
            assert sink.dropped >= 100
        sink.stop(1.0)


def test_trap_a_wedged_agent_stalls_emit_and_stop(tmp_path: Path) -> None:
    receiver, make = wedged(tmp_path / "dsd.socket")
    with receiver:
        sink = make()
        for number in range(2000):
            sink.emit(second(START + number, 1))

        def end() -> None:
            sink.stop(0.2)

        ending = threading.Thread(target=end)
        ending.start()
        ending.join(20)
        assert not ending.is_alive()
        assert sink.dropped > 0


def test_trap_an_absent_agent_floods_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with agent() as (_, address):
        pass
    sink = DogStatsdSink(DatadogSection(address), "a", ["other"])
    with caplog.at_level(logging.WARNING, "datadog.dogstatsd"):
        for number in range(200):
            sink.emit(second(START + number, 1))
            sink._client.flush()
        sink.stop(2.0)
    assert len([record for record in caplog.records if "datadog" in record.name]) <= 1


# --- traps of storage ---


def test_trap_a_plain_count_hides_the_peak() -> None:
    lines = a_burst()
    counts = [(START + i, line) for i, line in enumerate(named(lines, "requests"))]
    (hidden,) = stored(counts).values()
    assert max(hidden.values()) == 190
    (shown,) = stored([(START, line) for line in named(lines, RPS)]).values()
    assert max(shown.values()) == 1000
    assert shown[START + 3] == 1000


def test_trap_a_plain_gauge_keeps_the_last_of_ten() -> None:
    gauges = [line for line in a_burst() if line.kind == "g"]
    assert gauges and all(line.timestamp is not None for line in gauges)


def test_trap_an_old_agent_still_sees_the_peak() -> None:
    samples = named(a_burst(timestamps=False), "rps.distribution")
    assert {line.kind for line in samples} == {"d"}
    assert max(line.values[0] for line in samples) == 1000


def test_trap_two_writers_overwrite_each_other() -> None:
    from_a = emitted([second(START, 5)], instance="a")[1]
    from_b = emitted([second(START, 7)], instance="b")[1]
    points = stored([(START, line) for line in named(from_a, RPS) + named(from_b, RPS)])
    assert sorted(value for series in points.values() for value in series.values()) == [5, 7]


def test_trap_a_late_part_overwrites_the_second() -> None:
    merger = Merger(START)
    workers = {number: Ledger(START) for number in (1, 2)}
    for number, ledger in workers.items():
        merger.worker_started(number)
        ledger.count(REQUESTS, "other", "safe", number * 10)
        ledger.roll(START + 3)
    merger.worker_reported(1, workers[1].report(0, 0))
    seconds = merger.settle(START + 4.0)  # without worker 2, which stalls
    merger.worker_reported(2, workers[2].report(0, 0))
    seconds += merger.settle(START + 4.2)
    _, lines = emitted(seconds)
    points = {line.timestamp: line.values[0] for line in named(lines, RPS)}
    assert points[START] == 30
    assert sum(line.values[0] for line in named(lines, "requests")) == 30


def test_trap_points_older_than_an_hour_are_refused() -> None:
    merger = Merger(START)
    merger.worker_started(1)
    stalled = Ledger(START)
    stalled.count(REQUESTS, "other", "safe")
    stalled.roll(START + 4000)
    merger.settle(START + 4000.0)
    merger.worker_reported(1, stalled.report(0, 0))
    late = [item for item in merger.settle(START + 4000.2) if item.second == START]
    _, lines = emitted(late)
    assert named(lines, RPS) == []
    assert [line.values[0] for line in named(lines, "requests")] == [1]


def test_trap_a_gap_is_read_as_a_zero() -> None:
    unobserved = Settled(START, {}, {}, {}, False, is_complete=False)
    idle = Settled(START + 1, {}, {}, {}, False, is_complete=True)
    _, lines = emitted([unobserved, idle])
    points = {line.timestamp: line.values[0] for line in named(lines, RPS)}
    assert points == {START + 1: 0}


def test_trap_names_and_tags_are_rewritten_when_stored() -> None:
    for line in a_burst(tags=("env:test", "team:video.infra")):
        assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.]{0,199}", line.name)
        for tag in line.tags:
            assert re.fullmatch(r"[a-z][a-z0-9_\-:./]{0,199}", tag) and not tag.endswith(":")


def test_trap_an_unbounded_tag_multiplies_custom_metrics() -> None:
    paths = [b"/user/%d" % number for number in range(1000)]
    table = RouteTable(["/watch/{id}"])
    assert {table.match(path) for path in paths} == {"other"}
