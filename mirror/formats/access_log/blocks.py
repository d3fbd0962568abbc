"""The files of access logs in blocks of whole lines, and the fast path for a block of one format.

A block of the combined format passes as a whole through one regular expression, which also yields
the lines that do not match: a few odd lines do not slow down the others.

Invariant: memory and time stay bounded. A line that is too long is cut, a packed log may not unpack
to more than a log plausibly does, and only regular files are opened.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from mirror.formats.access_log.remote import is_url, open_url
from mirror.formats.access_log.request import MAX_LINE_BYTES
from mirror.formats.access_log.text_lines import HOST_NAME, TARGET_WORD
from mirror.formats.access_log.times import LOCAL_TIME
from mirror.formats.bounded_files import Limit, is_gzip, is_zstd, open_regular, unpacked

STDIN = "-"
MOST_UNPACKED_BYTES = 64 << 20
MOST_RATIO = 40
"""A packed log yields at most MOST_UNPACKED_BYTES and this many times its size: gzip packs real
logs 5 to 30 times. Standard input has no such limit."""
_MOST_BYTES = 1 << 60
PARALLEL_BYTES = 32 << 20
"""Smaller logs are read faster than a second process starts."""
BLOCK_BYTES = 1 << 20

# A client's address, a user of one word: anything else goes through the reader of single lines.
_START = rb"^[0-9a-f:.]+ - [^\s\[\"]+ \[(%b)\] \"" % LOCAL_TIME
_STATUS = rb' HTTP/[0-9.]+" \d{3} (?:\d+|-)'
# A duration stands outside of quotes, or after an equals sign: such a line is read by itself.
_TEXTS = rb'"[^"\n]*" "[^"\n]*"'
_OTHER_LINE = rb"|^(.+)"
_COUNTED = re.compile(
    rb"%b[A-Z]+ (/%b)%b(?: %b(?: \"[^\"=\n]*\")?)?$%b"
    % (_START, TARGET_WORD, _STATUS, _TEXTS, _OTHER_LINE),
    re.MULTILINE,
)

# Only characters that stand in JSON as they are.
_LOGGED = re.compile(
    rb"%b([A-Z]+) (/[!#-\[\]-~]*)%b (\"[^\"\\\n]*\" \"[^\"\\\n]*\")( \"[^\"=\\\n]*\")?$%b"
    % (_START, _STATUS, _OTHER_LINE),
    re.MULTILINE,
)

# $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name], then
# address, bytes, time and status of one answer, and $req_id: no part of it can be a host.
_OF_INGRESS = (
    rb" \d+ (\d+\.\d{3}) \[[^\]\s]*\] \[[^\]\s]*\]"
    rb" [\d.:-]+ [\d-]+ [\d.-]+ [\d-]+ [0-9a-f]{32}"
)
# The virtual host may stand in front. Without a backslash, nothing of the target is escaped.
_ANSWERED = re.compile(
    (
        rb"^(?:(%b) (?=[0-9a-f:]*[.:]))?%b([A-Z]+) (/[!#-\[\]-~]*) HTTP/[0-9.]+\" (\d{3}) (?:\d+|-)"
        rb"(?: %b(?:( \"[^\"=\\\n]*\")|%b)?)?$%b"
        % (HOST_NAME, _START[1:], _TEXTS, _OF_INGRESS, _OTHER_LINE)
    ).decode("ascii"),
    re.MULTILINE | re.ASCII,
)


def counted_lines(block: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Return time, target and, for a line of any other form, the line; empty lines yield nothing.

    Time and target are as they are written: `local_second` and `unescaped` read them.
    """
    return _COUNTED.findall(block)


LoggedLine = tuple[bytes, bytes, bytes, bytes, bytes, bytes]


AnsweredLine = tuple[str, str, str, str, str, str, str, str]


def answered_lines(block: bytes) -> list[AnsweredLine]:
    """Return host, time, method, target, status, a further text, the duration, and any other line.

    The host is that in front of the line, with its port; the target holds no escape; the duration
    is that of ingress-nginx. Texts have a character for each byte, and are empty where they are
    missing.
    """
    return _ANSWERED.findall(block.decode("latin-1"))


def logged_lines(block: bytes) -> list[LoggedLine]:
    """Return time, method, target, quoted texts, a further one, and a line of any other form.

    The target consists of characters that JSON writes as they are.
    """
    return _LOGGED.findall(block)


def jobs_for(names: Sequence[str]) -> int:
    """Return a process for each core, unless the files are read before those have started."""
    sizes = [os.path.getsize(name) if os.path.isfile(name) else 0 for name in names]
    return (os.cpu_count() or 1) if sum(sizes) - max(sizes, default=0) >= PARALLEL_BYTES else 1


def open_log(name: str) -> BinaryIO:
    """Return the unpacked bytes of a log: a file, a URL, or `-` for standard input.

    Raises BoundedFileError.
    """
    if name == STDIN:
        return unpacked(sys.stdin.buffer, "standard input", Limit(_MOST_BYTES))
    if is_url(name):
        file, size = open_url(name)
    else:
        file = open_regular(name)
        size = os.fstat(file.fileno()).st_size
    try:
        start = file.read(4)
        file.seek(0)
        is_packed = is_gzip(start) or is_zstd(start)
        most = MOST_UNPACKED_BYTES + MOST_RATIO * (size or 0) if is_packed else _MOST_BYTES
        return unpacked(file, name, Limit(most, "`zcat` or `zstdcat` into `-`"))
    except BaseException:
        file.close()
        raise


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield blocks of whole lines; a line that is too long is cut."""
    rest = b""
    is_skipping = False
    while read := stream.read(BLOCK_BYTES):
        if is_skipping:
            _, end, read = read.partition(b"\n")
            is_skipping = not end
        data = rest + read
        cut = data.rfind(b"\n") + 1
        if cut:
            yield data[:cut]
        rest = data[cut:]
        if len(rest) > MAX_LINE_BYTES:
            yield rest[:MAX_LINE_BYTES] + b"\n"
            rest, is_skipping = b"", True
    if rest:
        yield rest


def line_at(stream: BinaryIO, number: int) -> bytes | None:
    """Return a line by its number, from 1 on, without its line break; None if there are fewer."""
    for block in blocks(stream):
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        if number <= lines:
            return block.split(b"\n")[number - 1]
        number -= lines
    return None
