"""Reads heads and chunk lines whose bytes the parser refuses, although their framing is clear.

nginx carries more than the parser (httptools, strict) accepts: methods it does not know, 8-bit and
control bytes in targets and values, lines of a response that end with a bare LF. A proxy that
answers 400 there breaks production for a matter of taste. So a head that the parser refused is read
here once more. What decides framing must be plain: the form of each line, and the fields that the
parser needs, which `plain` repeats for it. All other bytes are opaque and passed on unchanged.

Invariant: a head is read only if every recipient finds the same lines, names and framing in it.
Bytes that some recipients take for white space between the parts of a request line (RFC 9112,
section 3: SP, HTAB, VT, FF and bare CR), line ends within a part, and NUL are never opaque.
"""

import re

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE = re.compile(rb"(%b) ([^\0\t\n\v\f\r ]+) HTTP/1\.([0-9])" % _TOKEN)
# The start of such a line, at any length.
_LINE_START = re.compile(rb"(?:%b)?(?: [^\0\t\n\v\f\r ]*)?(?: [HTP/.0-9]*)?\r?" % _TOKEN)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: ([^\0\r\n]*))?")
_FIELD = re.compile(rb"(%b):[ \t]*([^\0\r\n]*)" % _TOKEN)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;[^\0\r\n]*)?\r\n")
_LONGEST_CHUNK_LINE_BYTES = 4096
# RFC 9110, section 5.5: no control characters. Here they would decide framing.
_PLAIN_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
# What the parser must see to know where the message ends and whether the connection stays.
_BODY = frozenset({b"content-length", b"transfer-encoding"})
# No RFC defines Proxy-Connection; a recipient may ignore it (RFC 9112, appendix C.2.2).
_FRAMING = _BODY | {b"connection"}


class OpaqueHead:
    """A head that was read here, in the place of the parser's own values."""

    __slots__ = ("flat", "method", "plain", "reason", "target")

    def __init__(self, method: bytes, target: bytes, reason: bytes, flat: list[bytes]) -> None:
        self.method = method
        """Empty for a response, as is `target`."""
        self.target = target
        self.reason = reason
        """The reason phrase of a response; empty for a request."""
        self.flat = flat
        """Fields as received: name, value, name, …"""
        self.plain = b""
        """A head with the same framing, for the parser."""


def begins_opaque_request(data: bytes) -> bool:
    """Say whether `data`, which ends within a head, may become a request that can be read here."""
    # A line end that some recipients do not see, or see where others do not.
    line_ends = data.count(b"\r\n")
    if data.count(b"\n") > line_ends or data[:-1].count(b"\r") > line_ends:
        return False
    first, end, _ = data.partition(b"\r\n")
    return (_LINE if end else _LINE_START).fullmatch(first) is not None


def read_opaque_request(lines: bytes) -> OpaqueHead | None:
    """Return the request head in `lines`, or None if it is not clear how it is framed.

    `lines` is the head without the empty line at its end; each line ends with CRLF, except the
    last. An upgrade is ignored if a body follows (RFC 9110, section 7.8): the parser would read the
    body as another protocol.
    """
    first, *rest = lines.split(b"\r\n")
    line = _LINE.fullmatch(first)
    flat = _fields(rest)
    if line is None or flat is None:
        return None
    head = OpaqueHead(line[1], line[2], b"", flat)
    # RFC 9110, section 2.5: a higher minor version is read as the highest one that is known.
    version = b"0" if line[3] == b"0" else b"1"
    fields = zip(flat[::2], flat[1::2], strict=True)
    has_body = any(name.lower() in _BODY and value.strip(b"0") for name, value in fields)
    head.plain = _plain(b"GET / HTTP/1.%b\r\n" % version, flat, not has_body)
    return head


def response_head_end(data: bytes) -> tuple[int, int]:
    """Return where the lines of a response head end, and where its body begins.

    Returns (0, 0) if `data` may still become a response that can be read here, and (-1, -1) if it
    cannot.
    """
    end = _HEAD_END.search(data)
    if end is not None:
        return end.span()
    first, line_end, _ = data.partition(b"\n")
    if line_end:
        may_become = _STATUS.fullmatch(first.removesuffix(b"\r")) is not None
    else:
        may_become = data[:7] == b"HTTP/1."[: len(data)]
    return (0, 0) if may_become else (-1, -1)


def read_opaque_response(lines: bytes) -> OpaqueHead | None:
    """Return the response head in `lines`, or None if it is not clear how it is framed.

    As for a request, but a line may end with a bare LF, as nginx and Envoy accept it of an
    application.
    """
    first, *rest = [line.removesuffix(b"\r") for line in lines.split(b"\n")]
    line = _STATUS.fullmatch(first)
    flat = _fields(rest)
    if line is None or flat is None:
        return None
    head = OpaqueHead(b"", b"", line[3] or b"", flat)
    version = b"0" if line[1] == b"0" else b"1"
    head.plain = _plain(b"HTTP/1.%b %b OK\r\n" % (version, line[2]), flat, keeps_upgrade=True)
    return head


def _fields(lines: list[bytes]) -> list[bytes] | None:
    """Return names and values; None if a line is no field or could be framed differently."""
    flat: list[bytes] = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        name, value = field[1], field[2].rstrip(b" \t")
        if name.lower() in _FRAMING and not _PLAIN_VALUE.fullmatch(value):
            return None
        flat += (name, value)
    return flat


def _plain(first: bytes, flat: list[bytes], keeps_upgrade: bool) -> bytes:
    fields = iter(flat)
    pieces = [first]
    for name, value in zip(fields, fields, strict=True):
        lower = name.lower()
        if lower == b"upgrade":
            if keeps_upgrade:
                pieces.append(b"Upgrade: x\r\n")
        elif lower in _FRAMING:
            pieces.append(b"%b: %b\r\n" % (name, value))
    pieces.append(b"\r\n")
    return b"".join(pieces)


class PlainChunks:
    """Removes the extensions of chunk lines, which the parser reads more strictly than RFC 9112.

    Section 7.1.1 allows white space around them, and a recipient must ignore those it does not
    know. Sizes stay as they are, so the parser judges them. An extension that holds a line end or
    NUL is left in place for the parser to refuse.
    """

    __slots__ = ("_left", "_line")

    def __init__(self) -> None:
        self._line = b""
        """The start of an incomplete chunk line."""
        self._left = 0
        """Bytes until the next chunk line; negative from the last chunk on."""

    @property
    def is_within_line(self) -> bool:
        """Whether the start of a chunk line is held."""
        return bool(self._line)

    def plain(self, data: bytes) -> bytes:
        """Return `data`, which continues the body, without extensions.

        What could be an incomplete chunk line is held until its end arrives.
        """
        pieces = []
        while data and self._left >= 0:
            if self._left:
                pieces.append(data[: self._left])
                self._left, data = max(0, self._left - len(data)), data[self._left :]
                continue
            line, end, rest = (self._line + data).partition(b"\n")
            if not end and len(line) <= _LONGEST_CHUNK_LINE_BYTES:
                self._line = line
                return b"".join(pieces)
            pieces.append(self._plain_line(line + end))
            data = rest
        pieces.append(data)
        return b"".join(pieces)

    def _plain_line(self, line: bytes) -> bytes:
        """Return what the parser gets of a complete chunk line, or of what is none."""
        self._line = b""
        chunk = _CHUNK_LINE.fullmatch(line)
        size = int(chunk[1], 16) if chunk is not None else 0
        self._left = size + 2 if size else -1  # the data of a chunk ends with CRLF
        return line if chunk is None or not chunk[2] else chunk[1] + b"\r\n"
