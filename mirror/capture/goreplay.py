"""Reads GoReplay's files: payloads that begin with a line of metadata and end with a separator.

Only requests are read; recorded responses are skipped. A payload is parsed as strictly as a request
of a downstream, and its body is stored without its chunks.

Reference: the documentation of GoReplay, "Saving and replaying from file", and its reader: the
metadata is `type id nanoseconds [latency]`, where type 1 is a request and 2 and 3 are responses.
The separator is a line of three monkeys.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

import httptools

from mirror.capture.entries import Entry, Item, Unusable
from mirror.formats.capture.record import WRITTEN_ANEW, FieldError, Record

START = re.compile(rb"[123] [0-9A-Za-z]+ \d{16,20}(?: -?\d+)?\r?\n")

MOST_PAYLOAD_BYTES = 12 << 20
"""No record could hold a longer payload."""

_SEPARATOR = "\n\U0001f435\U0001f648\U0001f649\n".encode()
_READ_BYTES = 1 << 18


def read_goreplay(stream: BinaryIO, host: str | None) -> Iterator[Item]:
    """Yield an entry for each recorded request, or why it has none.

    `host` is that of requests without a Host, such as those of HTTP/1.0.
    """
    for number, payload in enumerate(_payloads(stream), start=1):
        meta, _, request = payload.partition(b"\n")
        try:
            if not START.match(meta + b"\n"):
                raise Unusable("no meta line such as `1 ID NANOSECONDS`")
            if len(payload) > MOST_PAYLOAD_BYTES:
                raise Unusable(f"longer than {MOST_PAYLOAD_BYTES} bytes")
            if meta.startswith(b"1"):
                yield Entry(_Parsing().record(request, int(meta.split()[2]), host))
        except (Unusable, FieldError) as error:
            yield f"payload {number}: {error}"


def _payloads(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the payloads; one that is too long is cut just beyond the limit."""
    rest = b""
    is_cut = False
    while data := stream.read(_READ_BYTES):
        *complete, rest = (rest + data).split(_SEPARATOR)
        for payload in complete:
            if not is_cut:
                yield payload
            is_cut = False
        if len(rest) > MOST_PAYLOAD_BYTES + len(_SEPARATOR):
            if not is_cut:
                yield rest
            is_cut = True
            rest = rest[-len(_SEPARATOR) :]
    if rest.strip() and not is_cut:
        yield rest.removesuffix(_SEPARATOR)


class _Parsing:
    """Parses one request; httptools calls the methods that begin with `on_`."""

    def __init__(self) -> None:
        self._target = b""
        self._fields: list[tuple[str, str]] = []
        self._hosts: list[str] = []
        self._is_chunked = False
        self._has_body = False
        self._body: list[bytes] = []
        self._has_head = self._is_complete = False

    def record(self, request: bytes, time_ns: int, host: str | None) -> Record:
        parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(request)
        except httptools.HttpParserUpgrade:
            raise Unusable("asks for an upgrade") from None
        except httptools.HttpParserError as error:
            raise Unusable(f"not one HTTP request: {error}") from None
        if not self._is_complete:
            raise Unusable("ends before its head or body does")
        if not self._hosts and host is not None:
            self._hosts.append(host)
        if len(self._hosts) != 1:
            raise Unusable(f"names {len(self._hosts)} hosts")
        return Record(
            time_ns / 1e9,
            parser.get_method().decode("latin-1"),
            self._hosts[0],
            self._target.decode("latin-1"),
            tuple(self._fields),
            b"".join(self._body) if self._has_body else None,
            self._is_chunked,
        )

    def on_url(self, target: bytes) -> None:
        if self._is_complete:
            raise Unusable("more than one request")
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if self._has_head:
            return  # a trailer
        if lower == b"host":
            self._hosts.append(value.decode("latin-1"))
        elif lower == b"transfer-encoding":
            self._is_chunked = self._has_body = True
        elif lower == b"content-length":
            self._has_body = True
        elif lower.decode("latin-1") not in WRITTEN_ANEW:
            self._fields.append((name.decode("latin-1"), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        self._is_complete = True
