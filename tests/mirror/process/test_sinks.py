"""Checks that each second goes to one sink of a kind, also across a reload, and losses stay."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import yaml

from mirror.config import Config, parse
from mirror.core.ledger import REQUESTS, Settled
from mirror.demo.processes import free_ports
from mirror.process.sinks import Sinks


def config(**sections: object) -> Config:
    document = {"listen": "127.0.0.1:1", "shadow": {"url": "http://127.0.0.1:2"}, **sections}
    return parse(yaml.safe_dump(document), environ={})


def settled(second: int) -> Settled:
    counts = {(REQUESTS, "other", "safe"): 1}
    return Settled(second, counts, {"other": 1}, {}, False, True)


def seconds_in(path: Path) -> list[int]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as series:
        return [second for (second,) in series.execute("SELECT second FROM counts ORDER BY second")]


def test_a_second_goes_to_the_sink_of_its_time(tmp_path: Path) -> None:
    async def run() -> None:
        sinks = Sinks()
        before = config(series={"path": str(tmp_path / "old.db")})
        after = config(series={"path": str(tmp_path / "new.db")})
        sinks.start(before, None)
        sinks.emit(settled(1_800_000_000))
        sinks.start(after, before)
        sinks.start(after, after)
        sinks.emit(settled(1_800_000_001))
        await sinks.stop()

    asyncio.run(run())
    assert seconds_in(tmp_path / "old.db") == [1_800_000_000]
    assert seconds_in(tmp_path / "new.db") == [1_800_000_001]


def test_what_a_replaced_sink_lost_stays_counted(tmp_path: Path) -> None:
    async def run() -> None:
        sinks = Sinks()
        before = config(series={"path": str(tmp_path / "not there/series.db")})
        sinks.start(before, None)
        sinks.emit(settled(1_800_000_000))
        sinks.start(config(series={"enabled": False}), before)
        await sinks.stop()
        assert sinks.status() == {}
        assert sinks.dropped() == {"series": 1}

    asyncio.run(run())


def test_the_kinds_are_those_of_the_configuration(tmp_path: Path) -> None:
    async def run() -> None:
        sinks = Sinks()
        (port,) = free_ports(1)
        datadog = {"dogstatsd": f"udp://127.0.0.1:{port}"}
        sinks.start(config(series={"enabled": False}, datadog=datadog), None)
        assert sinks.status().keys() == {"datadog"}
        await sinks.stop()

    asyncio.run(run())
