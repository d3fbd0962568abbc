"""Checks the generator on real sockets: schedules, outcomes, and complete counts."""

import asyncio
import math
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
import uvloop

from mirror.errors import InputError
from mirror.formats.capture.record import Record
from mirror.proxy.upstream.connection import Origin
from mirror.replay.generator import MOST_WAITING, Generator, clock
from mirror.replay.measurement import Measure
from mirror.replay.requests import Request

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Handler = Callable[[Reader, Writer], Awaitable[None]]


def request(target: str = "/", method: str = "GET", body: bytes | None = None) -> Request:
    record = Record(0, method, "www.example.com", target, (), body)
    return Request(record.to_request(), method == "HEAD")


def at(*offsets: float) -> list[tuple[float, Request]]:
    """Return a plan of GETs at these offsets in seconds; the i-th requests /i."""
    return [(offset, request(f"/{index}")) for index, offset in enumerate(offsets)]


@dataclass
class Played:
    """What a generator measured, when it began by its clock, and its duration."""

    measure: Measure
    began_at: float
    elapsed_s: float
    failure: InputError | None

    @property
    def outcomes(self) -> dict[str, int]:
        return self.measure.outcomes


def replayed(
    handler: Handler | None,
    plan: list[tuple[float, Request]],
    connections: int = 64,
    timeout_s: float = 10.0,
    stop_when: Callable[[Generator, Measure], bool] | None = None,
) -> Played:
    """Run the plan against a server with this handler; without a handler nothing listens."""
    return uvloop.run(_replayed(handler, iter(plan), connections, timeout_s, stop_when))


async def _replayed(
    handler: Handler | None,
    schedule: Iterator[tuple[float, Request]],
    connections: int = 64,
    timeout_s: float = 10.0,
    stop_when: Callable[[Generator, Measure], bool] | None = None,
) -> Played:
    async def serve(reader: Reader, writer: Writer) -> None:
        assert handler is not None
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    if handler is None:
        server.close()
        await server.wait_closed()
    generator, measure = Generator(Origin("127.0.0.1", port), connections, timeout_s), Measure()

    async def play() -> None:
        generator.begin(schedule, clock(), math.inf)
        await generator.advance(math.inf, measure)
        await generator.drain()

    playing = asyncio.ensure_future(play())
    while stop_when is not None and not playing.done():
        if stop_when(generator, measure):
            generator.stop()
            break
        await asyncio.sleep(0.001)
    await playing
    assert generator.in_flight == 0
    generator.close()
    server.close()
    sent = sum(measure.outcomes.values())
    assert measure.due == sum(measure.shed.values()) + sent
    elapsed_s = generator.ended_at - generator.began_at
    return Played(measure, generator.began_at, elapsed_s, generator.failure)


async def answer(reader: Reader, writer: Writer) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(OK)


async def stall(reader: Reader, writer: Writer) -> None:
    await reader.read(-1)


# --- the schedule ---


def test_each_request_arrives_once_marked() -> None:
    heads: list[bytes] = []

    async def keep(reader: Reader, writer: Writer) -> None:
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)

    report = replayed(keep, at(*(index / 1000 for index in range(200))))
    assert report.outcomes == {"2xx": 200}
    assert sorted(int(head.split()[1][1:]) for head in heads) == list(range(200))
    assert all(b"\r\nX-Mirror-Leg: replay\r\n" in head for head in heads)


def test_nothing_is_sent_before_its_instant() -> None:
    due_s = (0, 0.008, 0.016, 0.1, 0.108)
    arrivals: list[float] = []  # instants of the generator's clock

    async def keep(reader: Reader, writer: Writer) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            arrivals.append(clock())
            writer.write(OK)

    played = uvloop.run(_replayed(keep, iter(at(*due_s))))
    offsets = [arrival - played.began_at for arrival in arrivals]
    assert all(offset >= due for offset, due in zip(offsets, due_s, strict=True))


def test_stalled_answers_do_not_stop_the_schedule() -> None:
    """Answers nothing before the last request arrives, which only an open loop reaches."""
    arrived = 0
    all_there = asyncio.Event()

    async def hold(reader: Reader, writer: Writer) -> None:
        nonlocal arrived
        while await reader.readuntil(b"\r\n\r\n"):
            arrived += 1
            if arrived == 50:
                all_there.set()
            await all_there.wait()
            writer.write(OK)

    report = replayed(hold, at(*(index / 500 for index in range(50))))
    assert report.outcomes == {"2xx": 50}


def test_latency_from_intended_includes_the_wait() -> None:
    """Sends five requests of 50 ms at once on one connection: the last waits for the others."""

    async def slow(reader: Reader, writer: Writer) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(0.05)
            writer.write(OK)

    report = replayed(slow, at(0, 0, 0, 0, 0), connections=1)
    intended, send = report.measure.from_intended, report.measure.from_send
    assert intended.percentile_ms(0.5) >= 140 and intended.max_us >= 240_000
    assert send.percentile_ms(0.5) >= 45
    assert send.max_us + 140_000 < intended.max_us


# --- outcomes ---


@pytest.mark.parametrize(
    ("response", "outcome", "statuses"),
    [
        (b"HTTP/1.1 301 Moved\r\ncontent-length: 0\r\n\r\n", "3xx", {}),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "4xx", {404: 3}),
        (
            b"HTTP/1.1 503 Away\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "5xx",
            {503: 3},
        ),
        (b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "2xx", {}),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "2xx", {}),
        (b"hello\r\n\r\n", "protocol_error", {}),
        (b"HTTP/1.1 101 Now\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "protocol_error", {}),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", "reset", {}),
        (b"HTTP/1.1 404 Gone\r\ncontent-length: 10\r\n\r\nshort", "reset", {}),
        (b"", "reset", {}),
    ],
)
def test_outcome_of_an_answer(response: bytes, outcome: str, statuses: dict[int, int]) -> None:
    async def reply(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)

    played = replayed(reply, at(0, 0.01, 0.02))
    assert played.outcomes == {outcome: 3}
    assert played.measure.statuses == statuses


def test_reset_is_counted() -> None:
    async def reset(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    report = replayed(reset, at(0, 0.01))
    assert report.outcomes == {"reset": 2}


def test_nobody_listens() -> None:
    report = replayed(None, at(*(index / 1000 for index in range(50))))
    assert report.outcomes == {"connect_failed": 50}
    assert report.measure.from_intended.percentile_ms(1) is None


def test_silence_times_out_from_the_instant_due() -> None:
    report = replayed(stall, at(0, 0.1), timeout_s=0.2)
    assert report.outcomes == {"timeout": 2}
    assert 0.3 <= report.elapsed_s < 1


def test_some_answered_some_not() -> None:
    async def every_other(reader: Reader, writer: Writer) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if int(head.split()[1][1:]) % 2:
                return
            writer.write(OK)

    report = replayed(every_other, at(*(index / 500 for index in range(100))))
    assert report.outcomes == {"2xx": 50, "reset": 50}


def test_head_keeps_its_connection() -> None:
    accepted = 0

    async def heads(reader: Reader, writer: Writer) -> None:
        nonlocal accepted
        accepted += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")

    plan = [(index * 0.02, request("/", "HEAD")) for index in range(5)]
    assert replayed(heads, plan, connections=1).outcomes == {"2xx": 5}
    assert accepted == 1


def test_body_arrives() -> None:
    bodies: list[bytes] = []

    async def read_body(reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 100000\r\n" in head
        bodies.append(await reader.readexactly(100_000))
        writer.write(OK)

    replayed(read_body, [(0.0, request("/", "POST", b"x" * 100_000))])
    assert bodies == [b"x" * 100_000]


# --- shed ---


def test_wait_without_a_connection_is_shed() -> None:
    report = replayed(stall, at(0, 0, 0), connections=1, timeout_s=0.2)
    assert report.outcomes == {"timeout": 1}
    assert report.measure.shed == {"no_connection": 2}


def test_full_queue_sheds() -> None:
    plan = [(0.0, request())] * (MOST_WAITING + 101)
    report = replayed(stall, plan, connections=1, stop_when=lambda _, m: m.due == len(plan))
    assert report.measure.shed == {"waiting_full": 100}
    assert report.outcomes == {"aborted": MOST_WAITING + 1}


# --- the end ---


def test_stop_reports_so_far() -> None:
    report = replayed(
        answer, at(0, 0.01, 0.02, 3600), stop_when=lambda _, m: m.outcomes.get("2xx") == 3
    )
    assert report.measure.due == 3 and report.outcomes == {"2xx": 3}
    assert report.elapsed_s < 10


def test_stop_cuts_what_is_in_flight() -> None:
    report = replayed(stall, at(0, 0, 3600), connections=1, stop_when=lambda g, _: g.in_flight == 2)
    assert report.outcomes == {"aborted": 2}


def test_stop_twice_changes_nothing() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            origin = Origin("127.0.0.1", listener.getsockname()[1])
            generator, measure = Generator(origin, 1, 1), Measure()
            generator.begin(iter(at(3600)), clock(), 7200)
            advancing = asyncio.ensure_future(generator.advance(7200, measure))
            await asyncio.sleep(0)
            generator.stop()
            await advancing
            ended_at = generator.ended_at
            generator.stop()
            await generator.advance(7200, measure)  # returns at once
            await generator.drain()
            assert generator.ended_at == ended_at and measure.due == 0
            generator.close()

    uvloop.run(run())


def test_empty_schedule_ends_at_once() -> None:
    assert replayed(None, []).measure.due == 0


def test_unreadable_rest_ends_the_schedule() -> None:
    def schedule() -> Iterator[tuple[float, Request]]:
        yield from at(0, 0.001)
        raise InputError("list:3: cut short")

    report = uvloop.run(_replayed(answer, schedule()))
    assert report.outcomes == {"2xx": 2}
    assert str(report.failure) == "list:3: cut short"


# --- parts ---


def test_parts_divide_at_their_instants() -> None:
    """Counts a request in the part in which it was due, and a response where it arrived."""
    ramp, steady = Measure(), Measure()
    released = asyncio.Event()

    async def hold(reader: Reader, writer: Writer) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await released.wait()
            writer.write(OK)

    async def run() -> None:
        async def serve(reader: Reader, writer: Writer) -> None:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await hold(reader, writer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        generator = Generator(Origin("127.0.0.1", server.sockets[0].getsockname()[1]), 9, 10)
        began_at = clock()
        generator.begin(iter(at(0, 0.01, 0.02, 0.03)), began_at, 0.2)
        await generator.advance(0.02, ramp)
        assert clock() - began_at >= 0.02
        released.set()
        await generator.advance(0.2, steady)
        await generator.drain()
        generator.close()
        server.close()

    uvloop.run(run())
    assert (ramp.due, steady.due) == (2, 2)
    assert (ramp.completed, ramp.outcomes) == (0, {"2xx": 2})
    assert steady.outcomes == {"2xx": 2}


def test_clock_of_the_day_may_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    days = iter(range(0, 86400 * 10**6, 86400))
    monkeypatch.setattr(time, "time", lambda: float(next(days)))
    report = replayed(answer, at(*(index / 500 for index in range(50))))
    assert report.outcomes == {"2xx": 50}
    assert report.measure.from_intended.max_us < 60_000_000 and report.elapsed_s < 60
