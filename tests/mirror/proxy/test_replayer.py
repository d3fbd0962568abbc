"""The replay's loop against servers on loopback that answer, stall, break and refuse."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import uvloop

from mirror.core.record import Record
from mirror.proxy.replayer import LAG_LIMIT_S, MOST_WAITING, Replayer, Report, Request
from mirror.proxy.upstream import Origin

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Handler = Callable[[Reader, Writer], Awaitable[None]]


def request(target: str = "/", method: str = "GET", body: bytes | None = None) -> Request:
    record = Record(0, method, "www.example.com", target, (), body)
    return Request(record.to_request(), method == "HEAD")


def at(*offsets: float) -> list[tuple[float, Request]]:
    """A plan of GETs: the i-th asks for /i."""
    return [(offset, request(f"/{index}")) for index, offset in enumerate(offsets)]


def replayed(
    handler: Handler | None,
    plan: list[tuple[float, Request]],
    connections: int = 64,
    timeout_s: float = 10.0,
    stop_when: Callable[[Replayer], bool] | None = None,
) -> Report:
    """The report on a server with this handler; without one nothing listens."""

    async def run() -> Report:
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
        replayer = Replayer(Origin("127.0.0.1", port), iter(plan), connections, timeout_s)
        running = asyncio.ensure_future(replayer.run())
        while stop_when is not None and not running.done():
            if stop_when(replayer):
                replayer.stop()
                break
            await asyncio.sleep(0.001)
        await running
        assert replayer.in_flight == 0
        server.close()
        return replayer.report(window_s=plan[-1][0])

    report = uvloop.run(run())
    assert report.due == sum(report.shed.values()) + report.sent
    assert report.sent == sum(report.outcomes.values())
    return report


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
    arrivals: list[float] = []
    created: list[float] = []

    async def keep(reader: Reader, writer: Writer) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            arrivals.append(time.perf_counter())
            writer.write(OK)

    def plan() -> Iterator[tuple[float, Request]]:
        created.append(time.perf_counter())  # just before the replay starts
        yield from at(*due_s)

    async def run() -> None:
        server = await asyncio.start_server(keep, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await Replayer(Origin("127.0.0.1", port), plan(), 64, 10).run()
        server.close()

    uvloop.run(run())
    offsets = [arrival - created[0] for arrival in arrivals]
    assert all(offset >= due for offset, due in zip(offsets, due_s, strict=True))


def test_stalled_answers_do_not_stop_the_schedule() -> None:
    """Nobody is answered before the last request has arrived: only an open loop gets there."""
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
    """One connection, 50 ms each, five due at once: the last waits for the four before it."""

    async def slow(reader: Reader, writer: Writer) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(0.05)
            writer.write(OK)

    report = replayed(slow, at(0, 0, 0, 0, 0), connections=1)
    assert report.from_intended_ms.p50 >= 140 and report.from_intended_ms.max >= 240
    assert 45 <= report.from_send_ms.p50 < 140
    assert report.from_send_ms.max + 140 < report.from_intended_ms.max
    assert report.schedule_lag_ms.max + 140 < report.from_intended_ms.max


def test_late_generator_is_invalid() -> None:
    def plan() -> Iterator[tuple[float, Request]]:
        for item in at(*(index / 1000 for index in range(100))):
            time.sleep(0.002)  # what a generator without enough CPU does
            yield item

    async def run() -> Report:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        replayer = Replayer(Origin("127.0.0.1", port), plan(), 64, 10)
        await replayer.run()
        server.close()
        return replayer.report(0.1)

    report = uvloop.run(run())
    assert not report.is_valid
    assert report.invalid_reason is not None and "bottleneck" in report.invalid_reason
    assert report.outcomes == {"2xx": 100}


def test_rates_of_the_report() -> None:
    report = replayed(answer, at(*(index / 100 for index in range(51))))
    assert report.offered_rps == pytest.approx(51 / 0.5)
    assert report.achieved_rps == pytest.approx(51 / max(0.5, report.elapsed_s))
    assert not report.is_interrupted
    # On a machine that does more than this test, either may be true; both together may not.
    assert report.is_valid == (report.schedule_lag_ms.p99 <= LAG_LIMIT_S * 1000)


def test_single_request_has_a_rate() -> None:
    report = replayed(answer, at(0))
    assert report.offered_rps == pytest.approx(1 / report.elapsed_s)


# --- outcomes ---


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (b"HTTP/1.1 301 Moved\r\ncontent-length: 0\r\n\r\n", "3xx"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "4xx"),
        (b"HTTP/1.1 503 Away\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "5xx"),
        (b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "2xx"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "2xx"),
        (b"hello\r\n\r\n", "protocol_error"),
        (b"HTTP/1.1 101 Now\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "protocol_error"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", "reset"),
        (b"", "reset"),
    ],
)
def test_outcome_of_an_answer(response: bytes, outcome: str) -> None:
    async def reply(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)

    assert replayed(reply, at(0, 0.01, 0.02)).outcomes == {outcome: 3}


def test_reset_is_counted() -> None:
    async def reset(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    report = replayed(reset, at(0, 0.01))
    assert report.outcomes == {"reset": 2}
    assert report.invalid_reason == "no request was answered"


def test_nobody_listens() -> None:
    report = replayed(None, at(*(index / 1000 for index in range(50))))
    assert report.outcomes == {"connect_failed": 50}
    assert report.from_intended_ms.max is None and report.achieved_rps == 0


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
    assert replayed(heads, plan).outcomes == {"2xx": 5}
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
    assert report.shed == {"no_connection": 2}


def test_full_queue_sheds() -> None:
    plan = [(0.0, request())] * (MOST_WAITING + 101)
    report = replayed(stall, plan, connections=1, stop_when=lambda r: r.due == len(plan))
    assert report.shed == {"waiting_full": 100}
    assert report.outcomes == {"aborted": MOST_WAITING + 1}


# --- the end ---


def test_stop_reports_so_far() -> None:
    report = replayed(answer, at(0, 0.01, 0.02, 3600), stop_when=lambda r: r.outcomes["2xx"] == 3)
    assert report.is_interrupted
    assert report.due == 3 and report.outcomes == {"2xx": 3}
    assert report.window_s == report.elapsed_s < 10


def test_stop_cuts_what_is_in_flight() -> None:
    report = replayed(stall, at(0, 0, 3600), connections=1, stop_when=lambda r: r.in_flight == 2)
    assert report.outcomes == {"aborted": 2}


def test_stop_twice_changes_nothing() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            origin = Origin("127.0.0.1", listener.getsockname()[1])
            replayer = Replayer(origin, iter(at(3600)), 1, 1)
            running = asyncio.ensure_future(replayer.run())
            await asyncio.sleep(0)
            replayer.stop()
            await running
            before = replayer.report(1)
            replayer.stop()
            assert replayer.report(1) == before
            assert before.due == 0 and before.schedule_lag_ms.p50 is None

    uvloop.run(run())


def test_empty_schedule_ends_at_once() -> None:
    async def run() -> Report:
        replayer = Replayer(Origin("127.0.0.1", 1), iter([]), 1, 1)
        await replayer.run()
        return replayer.report(0)

    assert uvloop.run(run()).due == 0
