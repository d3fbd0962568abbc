"""Checks the shape of the load as values, and the sending against a test application."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest
from aiohttp import web

from mirror.demo import load
from mirror.demo.load import Arrival, Tally, arrivals, drive, shape


async def serve_and_drive(handler: web.RequestHandler, plan: list[Arrival]) -> Tally:
    """Send a plan to an application that has one handler for all requests."""
    site = web.Application()
    site.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _, port = runner.addresses[0]
    tally = Tally()
    try:
        await drive(f"http://127.0.0.1:{port}", iter(plan), tally)
    finally:
        await runner.cleanup()
    return tally


def test_shape_has_two_spikes() -> None:
    counts = shape(40)
    ordinary = sorted(counts)[:-2]
    spikes = sorted(counts)[-2:]
    assert spikes[0] > 1.5 * ordinary[-1]
    assert max(ordinary) > 1.5 * min(ordinary)


def test_arrivals_follow_the_shape() -> None:
    plan = list(arrivals(20))
    assert Counter(int(arrival.due_s) for arrival in plan) == Counter(dict(enumerate(shape(20))))
    assert all(before.due_s <= after.due_s for before, after in pairwise(plan))


def test_same_seconds_give_the_same_requests() -> None:
    assert list(arrivals(5)) == list(arrivals(5))
    assert list(arrivals(5)) != list(arrivals(5, seed=1))


def test_mostly_reads_some_writes() -> None:
    methods = Counter(arrival.method for arrival in arrivals(40))
    assert methods["GET"] > 0.85 * methods.total()
    assert methods["HEAD"] > 50
    assert methods["POST"] > 50


def test_drive_sends_every_arrival() -> None:
    received: Counter[str] = Counter()

    async def handler(request: web.Request) -> web.Response:
        received[request.method] += 1
        return web.Response(text=await request.text())

    plan = [
        Arrival(i / 1000, method, "/x") for i, method in enumerate(["GET", "HEAD", "POST"] * 20)
    ]
    tally = asyncio.run(serve_and_drive(handler, plan))
    assert received == tally.by_method == {"GET": 20, "HEAD": 20, "POST": 20}
    assert (tally.sent, tally.answered, tally.not_sent) == (60, 60, 0)
    assert tally.by_second.total() == 60 and tally.peak_rps > 0
    assert tally.in_flight == 0


def test_seconds_of_the_plan_are_seconds_of_the_clock() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    plan = [Arrival(i / 100, "GET", "/") for i in range(95)]
    tally = asyncio.run(serve_and_drive(handler, plan))
    assert list(tally.by_second.values()) == [95]


def test_failures_are_told_apart() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/reset":
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=502 if request.path == "/broken" else 404)

    plan = [Arrival(0, "GET", path) for path in ("/broken", "/reset", "/missing")]
    tally = asyncio.run(serve_and_drive(handler, plan))
    assert tally.answered == 1
    assert tally.failed == {"status 502": 1, "ServerDisconnectedError": 1}


def test_open_loop_stops_at_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "IN_FLIGHT_CEILING", 5)

    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response()

    plan = [Arrival(0, "GET", "/slow") for _ in range(12)]
    tally = asyncio.run(serve_and_drive(handler, plan))
    assert (tally.sent, tally.not_sent, tally.answered) == (5, 7, 5)


def test_answers_do_not_set_the_pace() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(0.2)
        return web.Response()

    async def run() -> float:
        begin = asyncio.get_running_loop().time()
        await serve_and_drive(handler, [Arrival(i / 100, "GET", "/") for i in range(20)])
        return asyncio.get_running_loop().time() - begin

    # Sequential requests would take 4 s.
    assert asyncio.run(run()) < 2
