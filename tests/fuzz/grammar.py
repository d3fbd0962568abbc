"""Requests and responses made by grammar, valid ones and such that were tampered with.

Everything is drawn from the `Random` that is passed in: with a seed it is a reproducible fuzzer,
and with the one that hypothesis makes it is a strategy that shrinks.
"""

from dataclasses import dataclass
from random import Random

TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VALUE = bytes((*range(0x21, 0x7F), *range(0x80, 0x100)))
METHODS = (b"GET", b"GET", b"HEAD", b"POST", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH")
TARGETS = (b"/", b"/a", b"/a?b=c&d", b"/%2e%2e/x", b"//h/p", b"/a/../b", b"http://h2/p", b"/*")
NAMES = (b"Accept", b"X-A", b"Cookie", b"Via", b"X-Forwarded-For", b"Range", b"Trailer", b"x-a")
HOP = (
    b"Connection: keep-alive",
    b"Connection: X-A",
    b"Connection: close",
    b"Keep-Alive: timeout=5",
    b"TE: trailers",
    b"Proxy-Connection: keep-alive",
    b"Upgrade: h2c",
)
# What has split readers of HTTP/1.1 before.
SPLINTERS = (
    *(b" ", b"\t", b"\r", b"\n", b"\r\n", b"\0", b":", b",", b";", b"\x0b", b"\x0c", b"\x85"),
    *(b"\r\n\r\n", b"\n\n", b"0\r\n\r\n", b"\r\n ", b"\r\n\t", b"+", b"-", b"0x", b"_", b"\xff"),
    b"\r\nContent-Length: 5",
    b"\r\nContent-Length: 0",
    b"\r\nContent-Length : 5",
    b"\r\nTransfer-Encoding: chunked",
    b"\r\nTransfer-Encoding: identity",
    b"\r\nTransfer-Encoding:\x0bchunked",
    b"\r\nTransfer_Encoding: chunked",
    b"\r\nHost: other",
    b"\r\nConnection: close",
    b"\r\nConnection: content-length, transfer-encoding, host",
    b"\r\nUpgrade: websocket\r\nConnection: upgrade",
    b"\r\nExpect: 100-continue",
    b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
    *(b"ffffffffffffffff", b"18446744073709551616", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0"),
)


@dataclass(frozen=True, slots=True)
class Made:
    """Bytes and what their maker meant."""

    data: bytes
    is_valid: bool
    """Nothing was tampered with."""


def body_of(random: Random) -> bytes:
    return random.randbytes(random.choice((0, 1, 2, 7, 60)))


def in_chunks(random: Random, body: bytes) -> bytes:
    pieces = []
    while body:
        size_bytes = random.randint(1, len(body))
        size = b"%x" % size_bytes
        size = size.upper() if random.random() < 0.3 else size
        size = b"00" + size if random.random() < 0.1 else size
        extension = random.choice((b"", b"", b"", b";a", b";a=b", b';a="b c"'))
        pieces.append(b"%b%b\r\n%b\r\n" % (size, extension, body[:size_bytes]))
        body = body[size_bytes:]
    trailers = b"X-T: 1\r\n" if random.random() < 0.2 else b""
    return b"".join((*pieces, b"0\r\n", trailers, b"\r\n"))


def field_line(random: Random) -> bytes:
    if random.random() < 0.7:
        name = random.choice(NAMES)
    else:
        name = b"x" + bytes(random.choices(TOKEN, k=random.randint(0, 8)))
    value = bytes(random.choices(VALUE, k=random.randint(0, 12)))
    left, right = random.choice(((b" ", b""), (b"", b""), (b"\t ", b" "), (b" ", b"\t")))
    return b"%b:%b%b%b" % (name, left, value, right)


def request(random: Random) -> bytes:
    """One valid request that every strict reader takes."""
    method, target = random.choice(METHODS), random.choice(TARGETS)
    is_old = random.random() < 0.1
    lines = [field_line(random) for _ in range(random.choice((0, 1, 2, 5)))]
    if random.random() < 0.3:
        lines.append(random.choice(HOP))
    body = b""
    kind = random.choice(("none", "none", "length", "chunked"))
    if kind == "length" or (kind == "chunked" and is_old):
        body = body_of(random)
        lines.append(b"Content-Length: %d" % len(body))
    elif kind == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        body = in_chunks(random, body_of(random))
    if body and random.random() < 0.1:
        lines.append(b"Expect: 100-continue")
    random.shuffle(lines)
    lines.insert(random.randint(0, len(lines)), random.choice((b"Host: h", b"host:h:80")))
    line = b"%b %b HTTP/1.%d" % (method, target, not is_old)
    return b"\r\n".join((line, *lines, b"", body))


def response(random: Random) -> bytes:
    """One valid response to a GET."""
    status = random.choice((200, 200, 200, 204, 206, 301, 304, 404, 500, 503))
    lines = [field_line(random) for _ in range(random.choice((0, 1, 2, 5)))]
    body = b""
    kind = random.choice(("length", "chunked", "close"))
    if status in (204, 304):
        kind = "none"
    elif kind == "length":
        body = body_of(random)
        lines.append(b"Content-Length: %d" % len(body))
    elif kind == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        body = in_chunks(random, body_of(random))
    else:
        body = body_of(random)
    random.shuffle(lines)
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" if random.random() < 0.1 else b""
    line = b"HTTP/1.1 %d %b" % (status, random.choice((b"OK", b"Any Thing", b"")))
    return interim + b"\r\n".join((line, *lines, b"", body))


def tampered(random: Random, data: bytes) -> bytes:
    """The same with a few splinters in it, bytes gone, or a line twice."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        at = random.randint(0, len(data))
        kind = random.randrange(5)
        if kind == 0:
            data = data[:at] + random.choice(SPLINTERS) + data[at:]
        elif kind == 1:
            # Behind the end of a line, where fields begin.
            ends = [place for place in range(len(data)) if data[place : place + 2] == b"\r\n"]
            at = random.choice(ends) if ends else at
            data = data[:at] + random.choice(SPLINTERS) + data[at:]
        elif kind == 2:
            data = data[:at] + data[at + random.randint(1, 3) :]
        elif kind == 3:
            data = data[:at] + bytes((random.randrange(256),)) + data[at + 1 :]
        else:
            lines = data.split(b"\r\n")
            place = random.randrange(len(lines))
            data = b"\r\n".join((*lines[: place + 1], *lines[place:]))
    return data


def made_request(random: Random) -> Made:
    """One to three requests behind each other, as they are or tampered with."""
    data = b"".join(request(random) for _ in range(random.choice((1, 1, 2, 3))))
    if random.random() < 0.3:
        return Made(data, True)
    return Made(tampered(random, data), False)


def made_response(random: Random) -> Made:
    data = response(random)
    if random.random() < 0.3:
        return Made(data, True)
    return Made(tampered(random, data), False)
