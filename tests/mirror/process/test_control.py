"""Checks that messages in both directions of the channel read back as written."""

import asyncio

import pytest

from mirror.core.ledger import Report
from mirror.process.control import (
    Command,
    Retire,
    Serve,
    SetRatio,
    encode,
    read_command,
    read_report,
)

REPORT = Report(100, [(99, {("requests", "/a", "safe"): 1}, {})], {}, 1, 2)


def reader_of(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def test_reports_are_read_back_until_the_end() -> None:
    async def main() -> None:
        reader = reader_of(encode(REPORT) * 2 + b"\x05")
        assert await read_report(reader) == REPORT
        assert await read_report(reader) == REPORT
        with pytest.raises(asyncio.IncompleteReadError):
            await read_report(reader)

    asyncio.run(main())


@pytest.mark.parametrize("command", [SetRatio(0.25), Serve(), Retire()])
def test_a_command_is_read_back(command: Command) -> None:
    async def main() -> None:
        reader = reader_of(encode(command))
        assert await read_command(reader) == command
        with pytest.raises(asyncio.IncompleteReadError):
            await read_command(reader)

    asyncio.run(main())
