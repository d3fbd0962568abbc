"""Checks real worker processes from their parent: start, replacement, changes and end."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import yaml

from mirror.config import parse
from mirror.process.children import Launch, Workers
from mirror.process.merger import Merger
from mirror.process.orders import Orders
from mirror.proxy.recent_ids import create_table
from tests.fakes import until

PATIENCE_S = 20.0
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


def config_text(**changes: object) -> str:
    document = {"listen": "127.0.0.1:1", "shadow": {"url": "http://127.0.0.1:9"}, **changes}
    return yaml.safe_dump(document)


class Parent:
    """The state that the supervisor holds for its workers."""

    def __init__(self, listener: socket.socket, table: int) -> None:
        self.merger = Merger(int(time.monotonic()) + 1)
        self.workers = Workers(self.merger, clock_offset_s=0.0)
        self.orders = self.new_orders()
        self.listener = listener
        self._table = table

    def new_orders(self) -> Orders:
        return Orders(parse(config_text()), self.workers.send)

    def launch(self, number: int = 1, text: str = "", orders: Orders | None = None) -> Launch:
        listeners = (self.listener.fileno(),)
        text = text or config_text()
        return Launch(text, number, orders or self.orders, self._table, listeners)

    async def ready(self, number: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.workers.ready != number:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    def pids(self) -> list[int]:
        return [int(str(worker["pid"])) for worker in self.workers.status()]

    async def ask(self) -> bytes:
        reader, writer = await asyncio.open_connection(*self.listener.getsockname())
        writer.write(GET)
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return answer


@asynccontextmanager
async def parent() -> AsyncIterator[Parent]:
    table = create_table()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Parent(listener, table)
        try:
            yield found
        finally:
            await found.workers.end(1.0)
            os.close(table)


def test_a_killed_worker_is_replaced_at_once_and_keeps_its_ratio() -> None:
    async def main() -> None:
        async with parent() as up:
            await up.workers.start(up.launch())
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
            await up.workers.start(up.launch())
            await up.ready()
            (pid,) = up.pids()
            up.orders.set_ratio(0.0)
            assert await up.workers.change(up.launch(2, orders=up.new_orders()), PATIENCE_S)
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
            await up.workers.start(up.launch())
            await up.ready()
            (pid,) = up.pids()
            assert not await up.workers.change(up.launch(text="not: a configuration"), PATIENCE_S)
            await until(lambda: up.pids() == [pid])
            assert up.workers.restarts == 0
            assert b"204" in await up.ask()

    asyncio.run(main())


def test_workers_that_die_early_again_and_again_are_waited_for() -> None:
    async def main() -> None:
        async with parent() as up:
            await up.workers.start(up.launch(text="not: a configuration"))
            await until(lambda: up.workers.restarts == 2)
            assert up.workers.ready == 0

    asyncio.run(main())
