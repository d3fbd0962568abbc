"""Reads HAR files: the requests that a browser or a tool recorded.

A HAR is one JSON document, so it is held in memory while it is read, but each entry is decoded by
itself: a bad one is unusable and counted, and the others are read.

Only what went over the network as a request is one (`_unsent`). What a cache, a service worker or a
blocker answered is left out by its reason, and so are WebSockets, which a replay cannot open.

A HAR holds a body as text, which often is not what was sent: form fields may stand beside it,
browsers replace undecodable bytes and leave files out, and a compressed body is shown unpacked.
`_body` keeps a body only if it can be the one that was sent, and otherwise its length.

Reference: HAR 1.2, W3C Web Performance, sections log, entries, request, postData; the fields that
begin with `_` are those of Chromium's and WebKit's exports.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO
from urllib.parse import quote, quote_plus, urlsplit

import msgspec

from mirror.capture.entries import Entry, Item, LeftOut, Unusable
from mirror.errors import InputError
from mirror.formats.capture.record import WRITTEN_ANEW, FieldError, Record

MOST_BYTES = 128 << 20
MOST_VALUES = 5_000_000
"""Most values, counted by their commas: a list of 100 MB of `1,` would take 4 GB of memory."""
START = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"log"\s*:\s*\{')
"""How a HAR begins. Log lines of Docker also begin with a key `log`, but its value is a text."""

_UNSAFE = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_WEBKIT_CACHES = frozenset({"Memory Cache", "Disk Cache"})
_SWITCHED = 101
_ENCODED = re.compile(rb"[\w%+&=.~*-]*")
_FORM = "application/x-www-form-urlencoded"


class _Pair(msgspec.Struct):
    name: str
    value: str = ""


class _PostData(msgspec.Struct):
    text: str | None = None
    params: list[_Pair] | None = None
    mimeType: str | None = None  # noqa: N815 - HAR's own names, here and below
    encoding: str | None = None


class _Request(msgspec.Struct):
    method: str
    url: str
    headers: list[_Pair] = []
    postData: _PostData | None = None  # noqa: N815
    bodySize: float = -1  # noqa: N815


class _Response(msgspec.Struct):
    status: float | None = None
    transfer_size: float | None = msgspec.field(default=None, name="_transferSize")
    error: str | None = msgspec.field(default=None, name="_error")
    is_from_worker: bool | None = msgspec.field(default=None, name="_fetchedViaServiceWorker")


class _HarEntry(msgspec.Struct):
    startedDateTime: str  # noqa: N815
    request: _Request
    response: _Response | None = None
    cache: str | None = msgspec.field(default=None, name="_fromCache")
    fetch_type: str | None = msgspec.field(default=None, name="_fetchType")
    messages: list[msgspec.Raw] | None = msgspec.field(default=None, name="_webSocketMessages")


class _Log(msgspec.Struct):
    entries: list[msgspec.Raw]


class _Document(msgspec.Struct):
    log: _Log


def read_har(stream: BinaryIO, source: str) -> Iterator[Item]:
    """Yield an entry for each request, or why it has none. Raises InputError if this is no HAR."""
    text = stream.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise InputError(
            f"{source}: a HAR file of more than {MOST_BYTES:,} bytes, which is the limit: export"
            " it in parts, or without the contents of responses"
        )
    if text.count(b",") > MOST_VALUES:
        raise InputError(f"{source}: a HAR file of more than {MOST_VALUES:,} values, the limit")
    try:
        document = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{source}: not a HAR file: {error}") from error
    for number, raw in enumerate(document.log.entries):
        try:
            entry = msgspec.json.decode(raw, type=_HarEntry)
            reason = _unsent(entry)
            yield LeftOut(reason) if reason else _entry(entry)
        except (Unusable, FieldError, msgspec.DecodeError, UnicodeError, RecursionError) as error:
            yield f"entry {number}: {error}"


def _unsent(entry: _HarEntry) -> str | None:
    """Return why an entry is no request that went over the network; None if it is one."""
    scheme = entry.request.url.partition(":")[0].lower()
    response = entry.response or _Response()
    if scheme in ("ws", "wss") or entry.messages is not None or response.status == _SWITCHED:
        return "WebSockets"
    if scheme not in ("http", "https"):
        return "not sent over HTTP"
    if response.is_from_worker or entry.fetch_type == "Service Worker":
        return "answered by a service worker"
    # A cached response that was revalidated did go over the network, and has bytes to show for it.
    is_cached = bool(entry.cache) or entry.fetch_type in _WEBKIT_CACHES
    if is_cached and not response.transfer_size:
        return "answered from a cache"
    if response.status == 0:
        return "blocked, or without a response"
    return None


def _entry(entry: _HarEntry) -> Entry:
    request = entry.request
    try:
        moment = datetime.fromisoformat(entry.startedDateTime)
        address = urlsplit(request.url)
    except ValueError as error:
        raise Unusable(str(error)) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    target = quote(address.path or "/", safe=_UNSAFE)
    # `/a?` and `/a` are two targets, which urlsplit does not tell apart.
    if "?" in request.url.partition("#")[0]:
        target += "?" + quote(address.query, safe=_UNSAFE)
    headers = tuple(
        (pair.name, pair.value.encode().decode("latin-1"))
        for pair in request.headers
        # HTTP/2 has the parts of its request line among the fields, such as `:path`.
        if not pair.name.startswith(":") and pair.name.lower() not in WRITTEN_ANEW
    )
    body, body_bytes = _body(request)
    record = Record(
        moment.timestamp(),
        request.method,
        _host(address.netloc.rpartition("@")[2]),
        target,
        headers,
        body,
        body_bytes=body_bytes,
    )
    return Entry(record)


def _host(host: str) -> str:
    """Return a host as it stands in the field Host: a name in its ASCII form (RFC 5891)."""
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _body(request: _Request) -> tuple[bytes | None, int | None]:
    """Return the body and None; or None and its length, if it is not in the file as it was sent."""
    sizes = [p.value for p in request.headers if p.name.lower() == "content-length"]
    if len(sizes) == 1 and sizes[0].isdecimal() and sizes[0].isascii():
        length = int(sizes[0])
    else:
        length = int(request.bodySize) if request.bodySize > 0 else -1
    for body in _candidates(request):
        if length in (-1, len(body)):
            return body, None
    if length == 0:
        return (b"", None) if sizes else (None, None)
    if length < 0 and request.postData is None:
        return None, None
    return None, max(length, 0)


def _candidates(request: _Request) -> Iterator[bytes]:
    """Yield what the body may have been, the likeliest first."""
    data = request.postData
    if data is None or any(p.name.lower() == "content-encoding" for p in request.headers):
        return
    if data.text:
        if data.encoding == "base64":
            try:
                yield base64.b64decode(data.text, validate=True)
            except (binascii.Error, ValueError):
                return
        elif "\N{REPLACEMENT CHARACTER}" not in data.text:
            yield data.text.encode("utf-8", "surrogatepass")
    elif data.params and (data.mimeType or "").startswith(_FORM):
        pairs = [(pair.name, pair.value) for pair in data.params]
        written = "&".join(f"{name}={value}" for name, value in pairs).encode()
        encoded = "&".join(f"{quote_plus(n)}={quote_plus(v)}" for n, v in pairs).encode()
        # Chromium writes the fields as they were sent, other programs decode them.
        yield from (written, encoded) if _ENCODED.fullmatch(written) else (encoded, written)
    elif data.text is not None and not data.params:
        yield b""
