"""The cost of the live page: cpu of the supervisor without a viewer, with one, and with eight.

A sidecar in mode inline compares the answers of paced requests for 20 routes; primary and shadow
are a small server that answers at once. Each round measures the supervisor alone, for some seconds
for each number of viewers, in turn: the workers do the same in all of them. Nothing waits for a
whole hour, because the events have their full length from the start.

Run: python -m benchmarks.macro.live_page [--rounds 5] [--seconds 10] [--rps 1000] [--routes 20]
"""

import argparse
import asyncio
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks import result
from mirror.demo.processes import Processes, answers, fetch, free_ports
from mirror.demo.sidecar import Sidecar, start_sidecar

VIEWERS = (0, 1, 8)
CONNECTIONS = 16
WARM_S = 3.0


async def ask(port: int, options: argparse.Namespace, place: int, ended: threading.Event) -> None:
    """Send this connection's share of the requests, one after the other, until it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    pause_s = CONNECTIONS / options.rps
    due_s = time.monotonic() + place * pause_s / CONNECTIONS
    number = place
    while not ended.is_set():
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        due_s += pause_s
        number += CONNECTIONS + 1
        writer.write(b"GET /r%d/x HTTP/1.1\r\nHost: a.example\r\n\r\n" % (number % options.routes))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.findall(rb"(?i)content-length: (\d+)", head)[0]))
    writer.close()


@contextmanager
def load(port: int, options: argparse.Namespace) -> Iterator[None]:
    ended = threading.Event()

    async def run() -> None:
        await asyncio.gather(*(ask(port, options, place, ended) for place in range(CONNECTIONS)))

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


@contextmanager
def viewer(admin_port: int) -> Iterator[list[int]]:
    """Read the events as the page does; yield the bytes of each read."""
    page = fetch(admin_port, "/")
    assert page is not None
    ((secret, header),) = re.findall(rb'data-secret="([^"]+)" data-header="([^"]+)"', page.body)
    read: list[int] = []
    ended = threading.Event()

    async def run() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", admin_port)
        fields = b"Host: 127.0.0.1\r\n" + header + b": " + secret
        writer.write(b"GET /events HTTP/1.1\r\n" + fields + b"\r\n\r\n")
        while not ended.is_set():
            read.append(len(await asyncio.wait_for(reader.read(1 << 20), 10)))
            assert read[-1], "the stream ended"
        writer.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    try:
        yield read
    finally:
        ended.set()
        thread.join(15)


def measure(sidecar: Sidecar, viewers: int, seconds: float) -> result.Row:
    """Return the supervisor's cpu as percent of a core, and the bytes a viewer got each second."""
    supervisor = psutil.Process(sidecar.child.pid)
    with ExitStack() as seats:
        reads = [seats.enter_context(viewer(sidecar.admin_port)) for _ in range(viewers)]
        time.sleep(WARM_S)
        already = [sum(each) for each in reads]
        before, began = supervisor.cpu_times(), time.monotonic()
        time.sleep(seconds)
        after, took_s = supervisor.cpu_times(), time.monotonic() - began
        got = [sum(each) - first for each, first in zip(reads, already, strict=True)]
    cpu_s = after.user + after.system - before.user - before.system
    return {
        "cpu_percent": round(100 * cpu_s / took_s, 3),
        "bytes_per_second": round(sum(got) / took_s / max(1, viewers)),
    }


def name_of(viewers: int) -> str:
    return f"{viewers or 'no'} viewer{'s' if viewers != 1 else ''}"


def summarise(rounds: list[result.Round]) -> result.Round:
    medians = result.medians_of(rounds)
    idle = medians[name_of(0)]["cpu_percent"]
    for row in medians.values():
        row["added_percent"] = round(row["cpu_percent"] - idle, 3)
    return medians


def table(found: dict[str, Any]) -> str:
    lines = [
        "| the page has | supervisor, % of a core | of it for the page | kB each second |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {row['cpu_percent']:.2f} | {row['added_percent']:.2f} |"
        f" {row['bytes_per_second'] / 1000:.1f} |"
        for name, row in found["medians"].items()
    ]
    return "\n".join(lines)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rps", type=float, default=1000.0)
    parser.add_argument("--routes", type=int, default=20)


def main() -> None:
    options = result.options_of(__doc__, "live_page", add_options)
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        port, admin, upstream, control = free_ports(4)
        command = [sys.executable, "-m", "benchmarks.macro.sick_upstream", upstream, control]
        child = processes.start("upstream", [str(part) for part in command])
        child.wait_until(lambda: answers(control, "/requests", status=200))
        config = {
            "mode": "inline",
            "listen": f"127.0.0.1:{port}",
            "primary": f"http://127.0.0.1:{upstream}",
            "shadow": {"url": f"http://127.0.0.1:{upstream}"},
            "routes": [f"/r{number}/*" for number in range(options.routes)],
            "series": {"path": f"{folder}/series.db"},
            "admin": f"127.0.0.1:{admin}",
        }
        sidecar = start_sidecar(processes, Path(folder), config)
        with load(port, options):
            rounds = [
                {name_of(number): measure(sidecar, number, options.seconds) for number in VIEWERS}
                for _ in range(options.rounds)
            ]
    print(table(result.write(options, rounds, summarise(rounds))))


if __name__ == "__main__":
    main()
