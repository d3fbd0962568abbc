"""Reads HAR files: the requests that a browser recorded.

A HAR is one JSON document, so it is held in memory while it is read. An entry that did not go over
HTTP (data:, blob:, WebSockets) is unusable and counted.

Reference: HAR 1.2, W3C Web Performance, sections log, entries, request, postData.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO
from urllib.parse import quote, urlsplit

import msgspec

from mirror.capture.entries import Entry, Item, Unusable
from mirror.core.record import WRITTEN_ANEW, FieldError, Record
from mirror.errors import InputError

MOST_BYTES = 1 << 30
START = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"log"\s*:\s*\{')
"""How a HAR begins. Log lines of Docker also begin with a key `log`, but its value is a text."""

_UNSAFE = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


class _Pair(msgspec.Struct):
    name: str
    value: str


class _PostData(msgspec.Struct):
    text: str | None = None


class _Request(msgspec.Struct):
    method: str
    url: str
    headers: list[_Pair] = []
    postData: _PostData | None = None  # noqa: N815 - HAR's own name


class _HarEntry(msgspec.Struct):
    startedDateTime: str  # noqa: N815 - HAR's own name
    request: _Request


class _Log(msgspec.Struct):
    entries: list[_HarEntry]


class _Document(msgspec.Struct):
    log: _Log


def read_har(stream: BinaryIO, source: str) -> Iterator[Item]:
    """Yield an entry for each request, or why it has none. Raises InputError if this is no HAR."""
    text = stream.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise InputError(f"{source}: a HAR file of more than {MOST_BYTES} bytes")
    try:
        document = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{source}: not a HAR file: {error}") from error
    for number, entry in enumerate(document.log.entries):
        try:
            yield Entry(_record(entry))
        except (Unusable, FieldError) as error:
            yield f"entry {number}: {error}"


def _record(entry: _HarEntry) -> Record:
    request = entry.request
    try:
        moment = datetime.fromisoformat(entry.startedDateTime)
        address = urlsplit(request.url)
    except ValueError as error:
        raise Unusable(str(error)) from None
    if address.scheme not in ("http", "https"):
        raise Unusable(f"{address.scheme}: is not HTTP")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    target = quote(address.path or "/", safe=_UNSAFE)
    if address.query:
        target += "?" + quote(address.query, safe=_UNSAFE)
    headers = tuple(
        (pair.name, pair.value.encode().decode("latin-1"))
        for pair in request.headers
        # HTTP/2 has the parts of its request line among the fields, such as `:path`.
        if not pair.name.startswith(":") and pair.name.lower() not in WRITTEN_ANEW
    )
    body = request.postData.text if request.postData is not None else None
    return Record(
        moment.timestamp(),
        request.method,
        address.netloc.rpartition("@")[2],
        target,
        headers,
        None if body is None else body.encode("utf-8", "surrogatepass"),
    )
