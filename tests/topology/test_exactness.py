"""Checks that every sink has the exact number of requests for each second.

The client logs when it sent each request; nginx logs when both the response and the copy were
complete. The sidecar counts a request between these two times, whichever program was slow. The two
logs therefore bound the count of every second, and the bounds are equal where no request straddles
two seconds. The client sends nothing near the end of a second, so that they usually are.

`make exactness` runs this test for a minute.
"""

import asyncio
import os
import random
import sqlite3
import time
from collections import Counter
from contextlib import closing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mirror.demo.processes import fetch
from tests.topology.conftest import Topology, wait_for

pytestmark = pytest.mark.topology

SECONDS = int(os.environ.get("EXACTNESS_S", "5"))
CONNECTIONS = 40
QUIET_BEFORE_S, QUIET_AFTER_S = 0.1, 0.3
ROUTES = {"watch": "/watch/_id_", "api": "/api/_", "static": "/static/_"}
# nginx's clock has a resolution of one millisecond.
CLOCK_STEP_S = 0.001


def schedule() -> list[int]:
    """Return the number of requests in each second: quiet ones, idle ones, and one peak."""
    source = random.Random(5)
    rates = [source.choice([0, 10, 60, 150, 300, 400]) for _ in range(SECONDS)]
    rates[SECONDS // 2] = 700
    return rates


async def send(port: int, rates: list[int]) -> dict[str, float]:
    """Send each second's requests over all connections; return the time sent by target."""
    sent: dict[str, float] = {}
    due: asyncio.Queue[tuple[float, str] | None] = asyncio.Queue()
    start = int(time.time()) + 1
    for index, rate in enumerate(rates):
        busy_s = 1 - QUIET_BEFORE_S - QUIET_AFTER_S
        for number in range(rate):
            prefix = list(ROUTES)[number % len(ROUTES)]
            at = start + index + QUIET_BEFORE_S + busy_s * number / rate
            due.put_nowait((at, f"/{prefix}/{index}x{number}"))
    for _ in range(CONNECTIONS):
        due.put_nowait(None)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (request := await due.get()) is not None:
            at, target = request
            await asyncio.sleep(max(0.0, at - time.time()))
            sent[target] = time.time()
            writer.write(f"GET {target} HTTP/1.1\r\nHost: www.example.com\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()
        await writer.wait_closed()

    async with asyncio.timeout(SECONDS + 30):
        await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return sent


Bounds = dict[tuple[int, str], tuple[int, int]]


def bounds(sent: dict[str, float], done: dict[str, float]) -> Bounds:
    """Return, by second and route, the least and the most requests that were counted there."""
    surely: Counter[tuple[int, str]] = Counter()
    possibly: Counter[tuple[int, str]] = Counter()
    for target, sent_at in sent.items():
        route = ROUTES[target.split("/")[1]]
        first, last = int(sent_at), int(done[target] + CLOCK_STEP_S)
        surely[first, route] += first == last
        for second in range(first, last + 1):
            possibly[second, route] += 1
    return {key: (surely[key], number) for key, number in possibly.items()}


def from_datagrams(topology: Topology) -> dict[tuple[int, str], int]:
    points = {}
    for (tags, second), value in topology.agent.points("mirror.rps").items():
        named = dict(tag.split(":", 1) for tag in tags.removeprefix("#").split(","))
        points[int(second.removeprefix("T")), named["route"]] = int(value)
    return {key: value for key, value in points.items() if value}


def from_series(topology: Topology) -> dict[tuple[int, str], int]:
    with closing(sqlite3.connect(f"file:{topology.series}?mode=ro", uri=True)) as series:
        rows = series.execute(
            "SELECT second, route, sum(value) FROM counts WHERE metric = 'requests'"
            " GROUP BY second, route"
        )
        return {(second, route): value for second, route, value in rows}


def from_metrics(topology: Topology) -> Counter[str]:
    page = fetch(topology.ports["admin"], "/metrics")
    assert page is not None
    totals: Counter[str] = Counter()
    for family in text_string_to_metric_families(page.body.decode()):
        if family.name == "mirror_requests":
            for sample in family.samples:
                totals[sample.labels["route"]] += int(sample.value)
    return totals


@pytest.mark.parametrize("mode", ["sink", "inline"])
@pytest.mark.timeout(SECONDS + 120)
def test_every_sink_agrees_to_the_request(topology: Topology, mode: str) -> None:
    topology.start_primary()
    topology.start_gateway_pod()
    topology.start_sidecar(mode, workers=4)
    nginx = topology.start_nginx(mode)
    rates = schedule()
    total = sum(rates)

    sent = asyncio.run(send(topology.ports["nginx"], rates))
    assert len(sent) == total
    assert wait_for(lambda: len(nginx.logged()) >= total)
    done = {line["uri"]: float(line["time"]) for line in nginx.logged()}
    expected = bounds(sent, done)

    assert wait_for(lambda: sum(from_series(topology).values()) >= total)
    series = from_series(topology)
    assert wait_for(lambda: from_datagrams(topology) == series)

    assert sum(series.values()) == total == len(nginx.logged())
    by_route = Counter({route: 0 for route in ROUTES.values()})
    for (_, route), number in series.items():
        by_route[route] += number
    assert from_metrics(topology) == by_route
    assert wait_for(lambda: topology.agent.counted("mirror.requests") >= total)
    assert topology.agent.counted("mirror.requests") == total
    for key in series.keys() | expected.keys():
        surely, possibly = expected.get(key, (0, 0))
        assert surely <= series.get(key, 0) <= possibly, key

    # The peak is exact and in the right second.
    fleet: Counter[int] = Counter()
    for (second, _), number in series.items():
        fleet[second] += number
    peak_second, peak = fleet.most_common(1)[0]
    surely = sum(low for (second, _), (low, _) in expected.items() if second == peak_second)
    possibly = sum(high for (second, _), (_, high) in expected.items() if second == peak_second)
    assert surely <= peak <= possibly
    exact = sum(low == high for low, high in expected.values())
    print(f"{mode}: {exact} of {len(expected)} seconds and routes without a straddler, peak {peak}")
