"""The messages between the supervisor and a worker, and their framing.

Every message is MessagePack, preceded by its length. Reports (core/ledger.py) go up and the
commands below go down; a worker executes a command in the turn in which it reads it. Both ends come
from one build, so messages have no version. The end of the channel means that the other side is
gone, and is never reported as an error.
"""

import asyncio
import struct

import msgspec

from mirror.core.ledger import Report

LENGTH_PREFIX = struct.Struct("<I")

EXIT_OK = 0
EXIT_CUT = 1
"""Exit code of a worker and of the supervisor: requests in flight were cut at the drain deadline.
"""


class SetRatio(msgspec.Struct, tag=True, frozen=True):
    """Mirror this share of requests from now on."""

    ratio: float


class Capture(msgspec.Struct, tag=True, frozen=True):
    """Capture requests until this Unix time; 0 stops capturing."""

    until_s: float


class Serve(msgspec.Struct, tag=True, frozen=True):
    """Accept connections from now on."""


class Retire(msgspec.Struct, tag=True, frozen=True):
    """Accept no connection, answer what arrives on open ones, and close each after its answer."""


Command = SetRatio | Capture | Serve | Retire
"""Every command of a running worker; each is a struct."""

_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_reports = msgspec.msgpack.Decoder(Report)


def encode(message: Command | Report) -> bytes:
    """Return a message with its length in front."""
    body = msgspec.msgpack.encode(message)
    return LENGTH_PREFIX.pack(len(body)) + body


async def read_report(reader: asyncio.StreamReader) -> Report:
    """Return the next report of a worker. Raises IncompleteReadError when the worker is gone."""
    return _reports.decode(await _read(reader))


async def read_command(reader: asyncio.StreamReader) -> Command:
    """Return the next command. Raises IncompleteReadError when the supervisor is gone."""
    return _commands.decode(await _read(reader))


async def _read(reader: asyncio.StreamReader) -> bytes:
    (length,) = LENGTH_PREFIX.unpack(await reader.readexactly(LENGTH_PREFIX.size))
    return await reader.readexactly(length)
