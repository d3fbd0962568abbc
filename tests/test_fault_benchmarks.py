"""Checks how benchmarks/macro/faults.py and soak.py evaluate their measurements."""

import argparse
import json
import math
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.macro import client, faults, soak

ROW = {
    "errors": 0.0,
    "unanswered": 0.0,
    "p50_ms": 1.0,
    "p99_ms": 2.0,
    "highest_ms": 9.0,
    "growth_bytes": float(3 << 20),
    "recovered_s": 0.1,
    "healthy_errors": 0.0,
    "healthy_p50_ms": 1.0,
    "healthy_p99_ms": 4.0,
    "healthy_highest_ms": 8.0,
    "p99_ratio": 0.5,
    "balanced": 1.0,
}


def test_faults_are_chosen_by_their_first_words() -> None:
    assert faults.chosen_faults("process reload,primary slow") == [
        "primary slow",
        "process reload",
    ]
    assert len(faults.chosen_faults("shadow")) == 13
    with pytest.raises(argparse.ArgumentTypeError, match="expected some of shadow refusing"):
        faults.chosen_faults("slow")


def test_broken_ledger_and_errors_stand_out() -> None:
    medians = {
        "shadow slow sink": ROW,
        "shadow slow nginx_mirror": {**ROW, "errors": 12.0},
        "process reload inline_nginx": {**ROW, "balanced": 0.0},
    }
    text = faults.table({"parameters": {"rate": 100, "seconds": 2}, "medians": medians})
    assert text.startswith("200 requests a run, at 100 per second:")
    assert "| slow | sink | 0 | 1.00 → 1.00 | 4.00 → 2.00 | 0.50 | 8.0 → 9.0 | 3.0 | sums |" in text
    assert "| slow | nginx_mirror | 12 ⚠ |" in text and "| none |" in text
    assert text.endswith("| **broken** |")
    assert text.count("| way |") == 2


def test_faults_measured_before_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    options = argparse.Namespace(rounds=1, rate=100.0, faults=["shadow slow"], output=path)
    assert faults.earlier(options) == []
    rounds = [{"shadow slow sink": ROW, "shadow garbage sink": ROW}]
    path.write_text(json.dumps({"parameters": {"rounds": 1, "rate": 100.0}, "rounds": rounds}))
    assert faults.earlier(options) == [{"shadow garbage sink": ROW}]
    options.rate = 200.0
    assert faults.earlier(options) == []


def test_growth_is_the_slope_once_it_is_warm() -> None:
    line: Any = soak.Line.__new__(soak.Line)
    line.memory = [(at, 50 + 2 * at if at > 15 else 10_000) for at in range(50)]
    assert line.growth_bytes_per_minute() == pytest.approx(120)


@pytest.mark.parametrize("looks", [0, 40])
def test_growth_needs_half_a_minute_of_looks(looks: int) -> None:
    line: Any = soak.Line.__new__(soak.Line)
    line.memory = [(at, at) for at in range(looks)]
    assert math.isnan(line.growth_bytes_per_minute())


ANSWERS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n", False),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\na small answer", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\na small answer", False),
    (b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", True),
    (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", False),
    (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", True),
]


@pytest.mark.parametrize(("answer", "is_complete"), ANSWERS)
def test_client_waits_for_the_whole_answer(answer: bytes, is_complete: bool) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert client.is_complete(head, body) == is_complete


@pytest.fixture
def closing_port() -> Iterator[int]:
    """Yield a port that answers each connection's first request with 503 and then closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                if connection.recv(4096):
                    connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
                    connection.recv(4096)

    thread = threading.Thread(target=serve)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_client_counts_how_requests_failed(closing_port: int) -> None:
    asking = client.ClientProcess(closing_port, 1, 0.1, 40, may_fail=True)
    with asking:
        pass
    assert asking.failures == {"503": 2, "reset": 2}
    strict = client.ClientProcess(closing_port, 1, 0.1, 40)
    with pytest.raises(RuntimeError, match="'503': 2"), strict:
        pass
