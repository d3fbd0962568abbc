"""Checks real worker processes from their parent: start, replacement, changes and end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import yaml

from mirror.addresses import TcpAddress
from mirror.config import parse
from mirror.demo.processes import free_ports
from mirror.errors import ReloadError
from mirror.process.children import Launch, Workers
from mirror.process.listeners import Listener, open_listener
from mirror.process.merger import Merger
from mirror.process.orders import Orders
from mirror.proxy import recent_ids
from mirror.proxy.recent_ids import create_table
from tests.fakes import until

PATIENCE_S = 20.0
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


def config_text(**changes: object) -> str:
    document = {"listen": "127.0.0.1:1", "shadow": {"url": "http://127.0.0.1:9"}, **changes}
    return yaml.safe_dump(document)


class Parent:
    """The state that the supervisor holds for its workers."""

    def __init__(self, listener: Listener, table: int) -> None:
        self.merger = Merger(int(time.monotonic()) + 1)
        self.workers = Workers(self.merger, clock_offset_s=0.0)
        self.orders = self.new_orders()
        self.listener = listener
        self.table = table

    def new_orders(self) -> Orders:
        return Orders(parse(config_text()), self.workers.send)

    def launch(self, number: int = 1, text: str = "", orders: Orders | None = None) -> Launch:
        text = text or config_text()
        return Launch(text, number, orders or self.orders, self.table, (self.listener,))

    async def ready(self, number: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.workers.ready != number:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    def pids(self) -> list[int]:
        return [int(str(worker["pid"])) for worker in self.workers.status()]

    def sharers(self) -> int:
        return os.pread(self.table, 1, recent_ids._SHARERS_AT)[0]

    async def ask(self) -> bytes:
        reader, writer = await asyncio.open_connection(*self.listener.socket.getsockname())
        writer.write(GET)
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return answer


@asynccontextmanager
async def parent() -> AsyncIterator[Parent]:
    table = create_table()
    listener = open_listener(TcpAddress("127.0.0.1", *free_ports(1)))
    found = Parent(listener, table)
    try:
        yield found
    finally:
        await found.workers.end(1.0)
        listener.close()
        os.close(table)


def test_a_killed_worker_is_replaced_at_once_and_keeps_its_ratio() -> None:
    async def main() -> None:
        async with parent() as up:
            up.workers.start(up.launch())
            await up.ready()
            up.orders.set_ratio(0.0)
            (pid,) = up.pids()
            os.kill(pid, signal.SIGKILL)
            await until(lambda: up.pids() not in ([pid], []))
            await up.ready()
            assert up.workers.restarts == 1
            await up.ask()
            await until(lambda: up.merger.status()["not_selected"] == {"ratio": 1})

    asyncio.run(main())


def test_a_change_retires_the_workers_before() -> None:
    async def main() -> None:
        async with parent() as up:
            up.workers.start(up.launch())
            await up.ready()
            (pid,) = up.pids()
            up.orders.set_ratio(0.0)
            launch = up.launch(2, orders=up.new_orders())
            await up.workers.prepare(launch, PATIENCE_S)
            assert (up.workers.ready, len(up.pids())) == (1, 3)
            up.workers.switch(launch)
            await until(lambda: len(up.pids()) == 2)
            assert pid not in up.pids()
            assert up.workers.ready == 2
            assert up.workers.restarts == 0
            assert b"204" in await up.ask()
            await until(lambda: up.merger.status()["seen"] == 1)
            assert up.merger.status()["not_selected"] == {}, "each launch has its own ratio"

    asyncio.run(main())


def test_a_change_that_does_not_start_leaves_everything() -> None:
    async def main() -> None:
        async with parent() as up:
            up.workers.start(up.launch())
            await up.ready()
            (pid,) = up.pids()
            with pytest.raises(ReloadError, match="ended before it was ready"):
                await up.workers.prepare(up.launch(text="not: a configuration"), PATIENCE_S)
            with pytest.raises(ReloadError, match="not ready after 0.01 s"):
                await up.workers.prepare(up.launch(), 0.01)
            await until(lambda: up.pids() == [pid])
            assert up.workers.restarts == 0
            assert b"204" in await up.ask()

    asyncio.run(main())


def test_workers_that_die_early_again_and_again_are_waited_for() -> None:
    async def main() -> None:
        async with parent() as up:
            up.workers.start(up.launch(text="not: a configuration"))
            await until(lambda: up.workers.restarts == 2)
            assert up.workers.ready == 0

    asyncio.run(main())


def refuse_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/not/there/python")


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_nobody_waits_for_the_first_workers() -> None:
    """They take a second, in which production's requests would wait in the queue of the socket."""

    async def main() -> None:
        async with parent() as up:
            waiting = await asyncio.open_connection(*up.listener.socket.getsockname())
            up.workers.start(up.launch(2))
            with pytest.raises(ConnectionRefusedError):
                await up.ask()
            with pytest.raises(ConnectionResetError):
                await waiting[0].read()
            assert up.workers.ready == 0
            await up.ready(2)
            assert b"204" in await up.ask()

    asyncio.run(main())


def test_a_start_that_fails_is_repeated_and_refuses_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with parent() as up:
            before = open_descriptors()
            with monkeypatch.context() as broken:
                refuse_start(broken)
                up.workers.start(up.launch(2))
                await until(lambda: up.workers.start_error is not None)
                assert up.listener.is_shut
                assert "No such file or directory" in str(up.workers.start_error)
                assert "cannot start a worker: [Errno 2]" in up.workers.readiness()[1]
                with pytest.raises(ConnectionRefusedError):
                    await up.ask()
                await asyncio.sleep(0.3)
                assert open_descriptors() == before, "no attempt leaves a descriptor open"
                assert up.sharers() == 0
            await up.ready(2)
            assert b"204" in await up.ask()
            assert (up.workers.start_error, up.workers.readiness()) == (None, (True, "ready"))
            for pid in up.pids():
                os.kill(pid, signal.SIGKILL)
            await until(lambda: up.listener.is_shut)
            await up.ready(2)
            assert b"204" in await up.ask()

    asyncio.run(main())


def test_the_end_does_not_wait_for_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with parent() as up:
            refuse_start(monkeypatch)
            up.workers.start(up.launch())
            await asyncio.sleep(1.0)  # the next wait takes longer than a second
            began = time.monotonic()
            await up.workers.end(10.0)
            assert time.monotonic() - began < 0.5
            assert not up.workers.was_cut

    asyncio.run(main())


def test_a_change_whose_second_start_fails_leaves_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with parent() as up:
            up.workers.start(up.launch())
            await up.ready()
            (pid,) = up.pids()
            spawn = up.workers._spawn

            def spawn_one(launch: Launch, channel: int) -> subprocess.Popen[bytes]:
                if len(up.pids()) == 2:
                    refuse_start(broken)
                return spawn(launch, channel)

            with monkeypatch.context() as broken:
                broken.setattr(up.workers, "_spawn", spawn_one)
                with pytest.raises(ReloadError, match="cannot start a new worker: .Errno 2"):
                    await up.workers.prepare(up.launch(2, orders=up.new_orders()), PATIENCE_S)
            await until(lambda: up.pids() == [pid])
            assert (up.workers.ready, up.workers.restarts, up.workers.start_error) == (1, 0, None)
            assert up.sharers() == 1

    asyncio.run(main())


def test_a_change_is_refused_if_a_prepared_worker_ends_before_the_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with parent() as up:
            up.workers.start(up.launch())
            await up.ready()
            (pid,) = up.pids()
            spawn = up.workers._spawn
            spawned: list[int] = []

            def spawn_stopped(launch: Launch, channel: int) -> subprocess.Popen[bytes]:
                process = spawn(launch, channel)
                spawned.append(process.pid)
                if len(spawned) == 2:
                    process.send_signal(signal.SIGSTOP)
                return process

            monkeypatch.setattr(up.workers, "_spawn", spawn_stopped)
            launch = up.launch(2, orders=up.new_orders())
            preparing = asyncio.create_task(up.workers.prepare(launch, PATIENCE_S))
            started = up.workers._running.values()
            await until(lambda: any(w.started.done() and not w.is_serving for w in started))
            os.kill(spawned[0], signal.SIGKILL)
            await until(lambda: spawned[0] not in up.pids())
            os.kill(spawned[1], signal.SIGCONT)
            with pytest.raises(ReloadError, match="ended before it was ready"):
                await preparing
            await until(lambda: up.pids() == [pid])

    asyncio.run(main())


def test_a_worker_that_starts_while_a_change_ends_does_not_stay() -> None:
    async def main() -> None:
        async with parent() as up:
            before = up.launch()
            up.workers.start(before)
            await up.ready()
            launch = up.launch(orders=up.new_orders())
            await up.workers.prepare(launch, PATIENCE_S)
            starting = asyncio.create_task(up.workers._start_wanted(before))
            await asyncio.sleep(0)
            up.workers.switch(launch)
            await starting
            assert len(up.pids()) == 3
            await until(lambda: len(up.pids()) == 1)
            assert (up.workers.ready, up.workers.restarts) == (1, 0)

    asyncio.run(main())


def test_a_prepared_worker_takes_no_request_and_gets_the_newest_orders() -> None:
    async def main() -> None:
        async with parent() as up:
            up.workers.start(up.launch())
            await up.ready()
            orders = up.new_orders()
            launch = up.launch(orders=orders)
            await up.workers.prepare(launch, PATIENCE_S)
            os.kill(up.pids()[0], signal.SIGSTOP)
            asking = asyncio.create_task(up.ask())
            await asyncio.sleep(0.3)
            assert not asking.done(), "only the worker that stands still may take it"
            orders.set_ratio(0.0)
            up.workers.switch(launch)
            os.kill(up.pids()[0], signal.SIGCONT)
            await asking
            await until(lambda: len(up.pids()) == 1)
            for _ in range(5):
                await up.ask()
            await until(lambda: up.merger.status()["not_selected"].get("ratio", 0) >= 5)

    asyncio.run(main())


def test_the_table_of_ids_is_locked_while_two_processes_use_it() -> None:
    async def main() -> None:
        async with parent() as up:
            counted: list[tuple[int, int]] = []

            async def watch() -> None:
                while True:
                    counted.append((up.sharers(), len(up.pids())))
                    await asyncio.sleep(0)

            up.workers.start(up.launch(2))
            await up.ready(2)
            watching = asyncio.create_task(watch())
            for number in (1, 2):
                for pid in up.pids():
                    os.kill(pid, signal.SIGKILL)
                await until(lambda number=number: up.workers.restarts == 2 * number)
                await up.ready(2)
                assert up.sharers() == 2
            watching.cancel()
            assert {sharers - alive for sharers, alive in counted} == {0}

    asyncio.run(main())
