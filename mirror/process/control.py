"""The channel between the supervisor and one worker: what goes up, what goes down, how framed.

Every message is MessagePack behind its length. Up go the reports of core/ledger.py; down go the
commands below, each of which a worker carries out in the turn in which it reads it.
Keeps: both ends are of one build, so there is no version; an end of the channel is never an error
to report, it means that the other side is gone.
"""

import asyncio
import struct

import msgspec

from mirror.core.ledger import Report

LENGTH_PREFIX = struct.Struct("<I")

EXIT_OK = 0
EXIT_CUT = 1
"""Exit code of a worker, and of the supervisor: something in flight was cut at the drain deadline.
"""


class SetRatio(msgspec.Struct, tag=True, frozen=True):
    """Mirror this share of requests from now on."""

    ratio: float


class Capture(msgspec.Struct, tag=True, frozen=True):
    """Record requests until this Unix time; 0 is not at all."""

    until_s: float


class Retire(msgspec.Struct, tag=True, frozen=True):
    """Accept nothing new, answer what comes on open connections and close each behind that."""


Command = SetRatio | Capture | Retire
"""Whatever a running worker can be told; a new one is a new struct here."""

_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_reports = msgspec.msgpack.Decoder(Report)


def encode(message: Command | Report) -> bytes:
    """One framed message."""
    body = msgspec.msgpack.encode(message)
    return LENGTH_PREFIX.pack(len(body)) + body


async def read_report(reader: asyncio.StreamReader) -> Report:
    """The next report of a worker; raises IncompleteReadError when the worker is gone."""
    return _reports.decode(await _read(reader))


async def read_command(reader: asyncio.StreamReader) -> Command:
    """The next command; raises IncompleteReadError when the supervisor is gone."""
    return _commands.decode(await _read(reader))


async def _read(reader: asyncio.StreamReader) -> bytes:
    (length,) = LENGTH_PREFIX.unpack(await reader.readexactly(LENGTH_PREFIX.size))
    return await reader.readexactly(length)
