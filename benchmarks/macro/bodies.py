"""Uploads and downloads a body of 1 GiB: throughput, CPU, and growth of the worker's memory.

    inline_healthy   the sidecar with a shadow that does the same work as the app
    inline_hung      the sidecar with a shadow that neither reads nor answers
    nginx            proxies without mirroring: request buffering off, response buffering on
    nginx_streaming  the same with both off
    envoy            mirrors to the healthy shadow

Each direction runs with a Content-Length and with chunks, and the body must arrive complete. Memory
is the resident set of the processes under test, read every 20 ms, as the growth since a body of
1 MiB of each kind. It includes memory that an earlier run kept. The proxy has one core; client, app
and shadow share the other, which has twice the work if the shadow is healthy.

Run: python -m benchmarks.macro.bodies [--rounds 3] [--mebibytes 1024]
"""

import argparse
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks import result
from benchmarks.macro.body_upstream import (
    BLOCK,
    LAST_CHUNK,
    SERVER_NAME,
    blocks,
    framing_field,
    read_head,
)
from benchmarks.macro.cores import CORE_OF_CLIENT, core, cpu_time, family
from benchmarks.macro.ways import Stage, Way, stage
from mirror.demo.processes import Child, accepts, free_ports

SAMPLE_S = 0.02
TIMEOUT_S = 60.0
TRANSFERS = tuple(
    (direction, framing)
    for direction in ("upload", "download")
    for framing in ("length", "chunked")
)
MIB = 1 << 20
PAGE_BYTES = 4096


def resident_bytes(way: Way) -> int:
    """Return the sum of the resident sets of the processes under test, in bytes."""
    files = [Path(f"/proc/{process.pid}/statm") for process in family(way.pids)]
    return sum(int(file.read_text().split()[1]) for file in files) * PAGE_BYTES


class Peak:
    """Records the largest resident set of a way while its block runs."""

    resident_bytes = 0

    def __init__(self, way: Way) -> None:
        self._way = way
        self._is_over = threading.Event()
        self._watching = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._watching.join()

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_S):
            self.resident_bytes = max(self.resident_bytes, resident_bytes(self._way))


def upload(connection: socket.socket, size_bytes: int, is_chunked: bool) -> None:
    field = framing_field(size_bytes, is_chunked)
    connection.sendall(b"POST /api/upload HTTP/1.1\r\nHost: bench.example\r\n" + field + b"\r\n")
    for block in blocks(size_bytes, is_chunked):
        connection.sendall(block)
    head, answer = read_head(connection, b"")
    while not answer:
        answer = connection.recv(65536)
    assert head.startswith(b"HTTP/1.1 200 "), head
    # The app counts bytes on the wire, which include the chunk framing that the proxy chose.
    assert int(answer) == size_bytes or (is_chunked and int(answer) > size_bytes), answer


def download(connection: socket.socket, size_bytes: int, is_chunked: bool) -> None:
    target = f"/{'chunked' if is_chunked else 'length'}/{size_bytes}"
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: bench.example\r\n\r\n".encode())
    head, rest = read_head(connection, b"")
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert (b"chunked" in head.lower()) == is_chunked, head
    received, tail = len(rest), rest[-len(LAST_CHUNK) :]
    buffer = bytearray(len(BLOCK))
    while tail != LAST_CHUNK if is_chunked else received < size_bytes:
        count = connection.recv_into(buffer)
        assert count, f"ended after {received} bytes"
        received += count
        tail = (tail + bytes(buffer[max(0, count - len(LAST_CHUNK)) : count]))[-len(LAST_CHUNK) :]
    assert received >= size_bytes, received


@dataclass(frozen=True)
class Body:
    """A transfer to measure."""

    direction: str
    framing: str
    size_bytes: int


def measure(way: Way, body: Body, baseline_bytes: int) -> result.Row:
    """Send one body through a way on a new connection; a failure becomes a row with an error."""
    before = cpu_time(way.pids)
    transfer = upload if body.direction == "upload" else download
    errors = 0
    with core(CORE_OF_CLIENT), Peak(way) as peak:
        started_at = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", way.port), TIMEOUT_S) as connection:
                transfer(connection, body.size_bytes, body.framing == "chunked")
        except (OSError, AssertionError) as error:
            print(f"{way.name} {body}: {error!r}", file=sys.stderr)
            errors = 1
        elapsed_s = time.monotonic() - started_at
    used_s = (cpu_time(way.pids) - before).total_s
    return {
        "mb_per_s": 0.0 if errors else round(body.size_bytes / 1e6 / elapsed_s, 1),
        "cpu_ms_per_gib": round(used_s * 1000 * (1 << 30) / body.size_bytes, 1),
        "growth_mib": round(max(0, peak.resident_bytes - baseline_bytes) / MIB, 2),
        "errors": errors,
    }


def nginx_site(port: int, app_port: int, is_streaming: bool) -> str:
    buffering = "proxy_buffering off;" if is_streaming else ""
    return f"""
    upstream app {{ server 127.0.0.1:{app_port}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        location / {{
            proxy_request_buffering off;
            {buffering}
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_pass http://app;
        }}
    }}
"""


def start_upstream(on_stage: Stage, name: str, port: int, *options: str) -> Child:
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.macro.body_upstream", str(port)]
    with core(CORE_OF_CLIENT):
        return on_stage.start_program(name, [*command, *options], lambda: accepts(port))


def start_ways(on_stage: Stage) -> dict[str, Way]:
    start_upstream(on_stage, "app", on_stage.app_port)
    start_upstream(on_stage, "shadow", on_stage.shadow_port)
    (hung_port,) = free_ports(1)
    start_upstream(on_stage, "hung", hung_port, "--hung")
    healthy = {"methods": ["GET", "POST"], "accept_server": [SERVER_NAME]}
    hung = {"url": f"http://127.0.0.1:{hung_port}", **healthy}
    ways = {
        "inline_healthy": on_stage.start("inline", shadow=healthy),
        "inline_hung": on_stage.start("inline", shadow=hung),
    }
    for name, is_streaming in (("nginx", False), ("nginx_streaming", True)):
        (port,) = free_ports(1)
        site = nginx_site(port, on_stage.app_port, is_streaming)
        ways[name] = on_stage.proxy(name, site, port)
    return {**ways, "envoy": on_stage.start("envoy")}


def table(found: dict[str, Any]) -> str:
    lines = [
        "| way | body | framing | MB/s | CPU ms per GiB | memory growth MiB |",
        "|---|---|---|---:|---:|---:|",
    ]
    for name, row in found["medians"].items():
        way, direction, framing = name.rsplit(" ", 2)
        speed = "failed" if row["errors"] else f"{row['mb_per_s']:,.0f}"
        lines.append(
            f"| {way} | {direction} | {framing} | {speed} | {row['cpu_ms_per_gib']:,.0f} "
            f"| {row['growth_mib']:.1f} |"
        )
    return "\n".join(lines)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of the body")


def main() -> None:
    options = result.options_of(__doc__, "bodies", add_options)
    with stage() as on_stage:
        ways = start_ways(on_stage)
        for way in ways.values():
            for direction, framing in TRANSFERS:
                measure(way, Body(direction, framing, MIB), 0)  # warm up the code, not the buffers
        baseline_bytes = {name: resident_bytes(way) for name, way in ways.items()}
        rounds: list[result.Round] = []
        for number in range(options.rounds):
            rounds.append({})
            for direction, framing in TRANSFERS:
                body = Body(direction, framing, options.mebibytes * MIB)
                for name, way in ways.items():
                    row = measure(way, body, baseline_bytes[name])
                    rounds[-1][f"{name} {direction} {framing}"] = row
                    print(f"round {number + 1} {name:16} {body} {row}", flush=True)
    written = result.write(options, rounds, result.medians_of(rounds))
    print(table(written))


if __name__ == "__main__":
    main()
