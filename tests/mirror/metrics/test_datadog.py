"""Checks that every second, route and count reaches the Agent's socket exactly once."""

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.addresses import Address, TcpAddress, UnixAddress
from mirror.config_sections import DatadogSection
from mirror.core.latency import bucket_of, highest_us
from mirror.core.ledger import Settled
from mirror.metrics.catalogue import IN_FLIGHT, SINK_DROPPED
from mirror.metrics.datadog import DogStatsdSink

START = 1_700_000_000
COUNTS = {
    ("requests", "/watch/_id_", "safe"): 7,
    ("shed", "other", "unavailable"): 2,
    ("shadow.sent", "/watch/_id_", ""): 5,
}
SECOND = Settled(START, COUNTS, {"/watch/_id_": 7}, {"/watch/_id_": 5}, False, True)
ROUTES = ("/watch/_id_", "/api/_", "other")


def quiet(second: int, is_complete: bool = True) -> Settled:
    return Settled(second, {}, {}, {}, False, is_complete)


def sink_to(address: Address, *routes: str, timestamps: bool = True, tags: tuple[str, ...] = ()):
    section = DatadogSection(dogstatsd=address, tags=tags, timestamps=timestamps)
    return DogStatsdSink(section, "a", routes)


@contextlib.contextmanager
def agent() -> Iterator[tuple[socket.socket, TcpAddress]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(2.0)
        yield receiver, TcpAddress("127.0.0.1", receiver.getsockname()[1])


def arrived(receiver: socket.socket) -> list[str]:
    """Return the lines sent before `stop`, sorted and without the client's own telemetry."""
    receiver.setblocking(False)
    found: list[str] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found += receiver.recv(65536).decode().splitlines()
    mine = [line for line in found if not line.startswith("datadog.dogstatsd.client")]
    return sorted(line.split("|c:")[0] for line in mine)


def test_a_second_is_its_gauges_and_one_line_a_count() -> None:
    with agent() as (receiver, address):
        sink = sink_to(address, *ROUTES, tags=("env:test",))
        sink.emit(SECOND)
        sink.stop(2.0)
        got = arrived(receiver)
    assert got == [
        "mirror.requests:7|c|#route:/watch/_id_,method_class:safe,env:test,instance:a",
        "mirror.rps:0|g|#route:/api/_,env:test,instance:a|T1700000000",
        "mirror.rps:0|g|#route:other,env:test,instance:a|T1700000000",
        "mirror.rps:7|g|#route:/watch/_id_,env:test,instance:a|T1700000000",
        "mirror.shadow.rps:0|g|#route:/api/_,env:test,instance:a|T1700000000",
        "mirror.shadow.rps:0|g|#route:other,env:test,instance:a|T1700000000",
        "mirror.shadow.rps:5|g|#route:/watch/_id_,env:test,instance:a|T1700000000",
        "mirror.shadow.sent:5|c|#route:/watch/_id_,env:test,instance:a",
        "mirror.shed:2|c|#route:other,reason:unavailable,env:test,instance:a",
    ]


def test_five_seconds_are_five_points_not_one() -> None:
    with agent() as (receiver, address):
        sink = sink_to(address, "other")
        for second in range(5):
            sink.emit(quiet(START + second))
        sink.stop(2.0)
        got = [line for line in arrived(receiver) if line.startswith("mirror.rps:")]
    assert [line.rpartition("|T")[2] for line in got] == [str(START + i) for i in range(5)]


def test_a_late_second_repeats_its_whole_rps_and_adds_its_counts() -> None:
    counts = {("requests", "other", "safe"): 1}
    late = Settled(START, counts, {"other": 8}, {"other": 3}, True, is_complete=False)
    with agent() as (receiver, address):
        sink = sink_to(address, "/watch/_id_", "other")
        sink.emit(late)
        sink.stop(2.0)
        got = arrived(receiver)
    assert [line.split("|")[0] for line in got] == [
        "mirror.requests:1",
        "mirror.rps:8",
        "mirror.shadow.rps:3",
    ]


def test_a_second_nobody_observed_is_a_gap_and_no_zero() -> None:
    with agent() as (receiver, address):
        sink = sink_to(address, *ROUTES)
        sink.emit(quiet(START, is_complete=False))
        sink.stop(2.0)
        assert arrived(receiver) == []


def test_percentiles_are_of_all_legs_of_the_second() -> None:
    buckets = {bucket_of(1000): 98, bucket_of(200_000): 1, bucket_of(3_000_000): 1}
    second = Settled(START, {}, {}, {}, False, True, {("shadow.latency", "other"): buckets})
    with agent() as (receiver, address):
        sink = sink_to(address)
        sink.emit(second)
        sink.stop(2.0)
        got = arrived(receiver)
    values = {
        "max": highest_us(bucket_of(3_000_000)) / 1e6,
        "p50": highest_us(bucket_of(1000)) / 1e6,
        "p90": highest_us(bucket_of(1000)) / 1e6,
        "p99": highest_us(bucket_of(200_000)) / 1e6,
    }
    assert got == [
        f"mirror.shadow.latency.{name}:{value}|g|#route:other,instance:a|T{START}"
        for name, value in values.items()
    ]


def test_stragglers_do_not_replace_percentiles() -> None:
    late = Settled(START, {}, {}, {}, True, True, {("shadow.latency", "other"): {7: 1}})
    with agent() as (receiver, address):
        sink = sink_to(address)
        sink.emit(late)
        sink.stop(2.0)
        assert arrived(receiver) == []


def test_a_repeated_second_replaces_no_point_and_adds_its_counts() -> None:
    repeated = replace(SECOND, latencies={("shadow.latency", "other"): {7: 1}}, is_repeated=True)
    with agent() as (receiver, address):
        sink = sink_to(address, *ROUTES)
        sink.emit(repeated)
        sink.stop(2.0)
        kinds = {line.split("|")[1] for line in arrived(receiver)}
    assert kinds == {"c"}


def test_an_old_agent_gets_samples_of_a_distribution() -> None:
    with agent() as (receiver, address):
        sink = sink_to(address, "/watch/_id_", "other", timestamps=False)
        sink.emit(SECOND)
        sink.observe(START, {(IN_FLIGHT, ""): 3})
        sink.stop(2.0)
        got = arrived(receiver)
    assert got == [
        "mirror.requests:7|c|#route:/watch/_id_,method_class:safe,instance:a",
        "mirror.rps.distribution:0|d|#route:other,instance:a",
        "mirror.rps.distribution:7|d|#route:/watch/_id_,instance:a",
        "mirror.shadow.in_flight:3|g|#instance:a",
        "mirror.shadow.sent:5|c|#route:/watch/_id_,instance:a",
        "mirror.shed:2|c|#route:other,reason:unavailable,instance:a",
    ]


def test_readings_are_gauges_and_what_counts_added() -> None:
    with agent() as (receiver, address):
        sink = sink_to(address)
        for dropped, in_flight in ((0, 3), (2, 4), (2, 5), (7, 6)):
            readings = {(IN_FLIGHT, ""): in_flight, (SINK_DROPPED, "series"): dropped}
            sink.observe(START + in_flight, readings)
        sink.stop(2.0)
        got = arrived(receiver)
    gauges = [f"mirror.shadow.in_flight:{n}|g|#instance:a|T{START + n}" for n in (3, 4, 5, 6)]
    added = [f"mirror.sink.dropped:{n}|c|#sink:series,instance:a" for n in (2, 5)]
    assert got == gauges + added


@pytest.mark.parametrize("name", ["DD_ENV", "DD_SERVICE", "DD_VERSION", "DATADOG_TAGS"])
def test_the_client_adds_no_tag_of_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "other:thing")
    with agent() as (receiver, address):
        sink = sink_to(address, "other", tags=("env:test",))
        sink.emit(quiet(START))
        sink.stop(2.0)
        assert arrived(receiver)[0] == f"mirror.rps:0|g|#route:other,env:test,instance:a|T{START}"


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_unix_socket_is_served_as_well(kind: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "dsd.socket"
        with socket.socket(socket.AF_UNIX, kind) as receiver:
            receiver.bind(str(path))
            receiver.settimeout(2.0)
            if kind == socket.SOCK_STREAM:
                receiver.listen()
            sink = sink_to(UnixAddress(str(path)), "other")
            sink.emit(SECOND)
            sink.stop(2.0)
            connection = receiver.accept()[0] if kind == socket.SOCK_STREAM else receiver
            with connection:
                assert b"mirror.requests:7|c|" in connection.recv(65536)


def test_an_absent_agent_costs_counted_packets_and_no_exception() -> None:
    with agent() as (_, address):
        pass  # closed again, so nothing listens there
    sink = sink_to(address, "other")
    for second in range(20):
        sink.emit(SECOND)
        sink.observe(START + second, {(IN_FLIGHT, ""): 1})
        sink._client.flush()
    sink.stop(2.0)
    assert sink.status()["emitted"] == 20
    assert sink.dropped > 0
    assert sink.status()["dropped_packets"] == sink.dropped
