"""What reaches the Agent's socket: every second, every route, every count, once."""

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.addresses import TcpAddress, UnixAddress
from mirror.core.ledger import Settled
from mirror.sinks.datadog import DogStatsdSink

COUNTS = {
    ("requests", "/watch/_id_", "safe"): 7,
    ("shed", "other", "unavailable"): 2,
    ("shadow.sent", "/watch/_id_", ""): 5,
}
SECOND = Settled(1_700_000_000, COUNTS, {"/watch/_id_": 7}, is_late=False, is_complete=True)


@contextlib.contextmanager
def agent() -> Iterator[tuple[socket.socket, TcpAddress]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(2.0)
        yield receiver, TcpAddress("127.0.0.1", receiver.getsockname()[1])


def lines(receiver: socket.socket, number: int) -> list[str]:
    """The first `number` lines that are not the client's own telemetry, sorted."""
    found: list[str] = []
    while len(found) < number:
        packet = receiver.recv(65536).decode()
        found += [
            line for line in packet.splitlines() if not line.startswith("datadog.dogstatsd.client")
        ]
    return sorted(found)


@pytest.fixture(autouse=True)
def no_datadog_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DD_ENV", "DD_SERVICE", "DD_VERSION", "DATADOG_TAGS", "DD_ENTITY_ID"):
        monkeypatch.delenv(name, raising=False)


def test_a_second_is_one_gauge_a_route_and_one_line_a_count() -> None:
    with agent() as (receiver, address):
        sink = DogStatsdSink(address, ["env:test"], "a", ["/watch/_id_", "/api/_", "other"])
        sink.emit(SECOND)
        sink.stop(2.0)
        got = [line.split("|c:")[0] for line in lines(receiver, 6)]
    assert got == [
        "mirror.requests:7|c|#route:/watch/_id_,method_class:safe,env:test,instance:a",
        "mirror.rps:0|g|#route:/api/_,env:test,instance:a|T1700000000",
        "mirror.rps:0|g|#route:other,env:test,instance:a|T1700000000",
        "mirror.rps:7|g|#route:/watch/_id_,env:test,instance:a|T1700000000",
        "mirror.shadow.sent:5|c|#route:/watch/_id_,env:test,instance:a",
        "mirror.shed:2|c|#route:other,reason:unavailable,env:test,instance:a",
    ]


def test_five_seconds_are_five_points_not_one() -> None:
    with agent() as (receiver, address):
        sink = DogStatsdSink(address, [], "a", ["other"])
        for second in range(5):
            sink.emit(Settled(1_700_000_000 + second, {}, {}, False, True))
        sink.stop(2.0)
        points = lines(receiver, 5)
    assert sorted(line.rpartition("|T")[2][:10] for line in points) == [
        f"170000000{second}" for second in range(5)
    ]


def test_a_late_second_repeats_its_whole_rps_and_adds_its_counts() -> None:
    late = Settled(
        1_700_000_000, {("requests", "other", "safe"): 1}, {"other": 8}, True, is_complete=True
    )
    with agent() as (receiver, address):
        sink = DogStatsdSink(address, [], "a", ["/watch/_id_", "other"])
        sink.emit(late)
        sink.stop(2.0)
        got = lines(receiver, 2)
    assert [line.split("|")[0] for line in got] == ["mirror.requests:1", "mirror.rps:8"]


def test_a_unix_socket_is_served_as_well() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "dsd.socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(path))
            receiver.settimeout(2.0)
            sink = DogStatsdSink(UnixAddress(str(path)), [], "a", ["other"])
            sink.emit(SECOND)
            sink.stop(2.0)
            assert any(line.startswith("mirror.requests:7|c") for line in lines(receiver, 4))


def test_an_absent_agent_costs_counted_packets_and_no_exception() -> None:
    with agent() as (_, address):
        pass  # closed again: nobody listens there
    sink = DogStatsdSink(address, [], "a", ["other"])
    for second in range(20):
        sink.emit(Settled(1_700_000_000 + second, COUNTS, {}, False, True))
        sink._client.flush()
    sink.stop(2.0)
    assert sink.status()["emitted"] == 20
    assert int(str(sink.status()["dropped_packets"])) > 0
