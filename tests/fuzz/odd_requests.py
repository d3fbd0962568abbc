"""Generates the odd requests that production gets, and some whose framing is broken.

Unlike grammar.py, which generates what every strict reader accepts, this module generates what
nginx may carry. Left out is only what we answer in the application's place because RFC 9110 asks
for it: Max-Forwards (section 7.6.2).
"""

from collections.abc import Callable
from random import Random

from tests.fuzz.grammar import TOKEN, tampered

METHODS = (b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"DELETE", b"PATCH", b"PROPFIND", b"LOCK")
RARE_METHODS = (
    b"BAN",
    b"PURGE",
    b"M-SEARCH",
    b"SOURCE",
    b"PRI",
    b"get",
    b"X_Y",
    b"CONNECT",
    b"TRACE",
)
VERSIONS = (
    *[b"HTTP/1.1"] * 14,
    *[b"HTTP/1.0"] * 4,
    b"HTTP/1.2",
    b"HTTP/1.9",
    b"HTTP/1.01",
    b"HTTP/2.0",
)
HOSTS = (
    *(
        b"h",
        b"h.example",
        b"h:80",
        b"H.Example:8080",
        b"[::1]:80",
        b"127.0.0.1",
        b"h.",
        b"h:",
        b"a_b",
    ),
    *(
        b"caf\xc3\xa9.example",
        b"h:x",
        b"a,b",
        b"a;b",
        b"a@b",
        b"a%41",
        b"a'b",
        b'a"b',
        b"a<b",
        b"a b",
    ),
    *(b"a/b", b"a\\b", b"a?b", b"a#b", b"a\x7fb", b"[::1", b"h..x", b"*", b"-", b"h:80:80", b""),
)
AUTHORITIES = (b"h", b"h:80", b"H.Example", b"[::1]", b"u@h", b"h_x", b"")
PATHS = (
    *(
        b"/",
        b"/a",
        b"/a/../b",
        b"//a//b",
        b"/a%20b",
        b"/a%2fb",
        b"/a;b=c",
        b"/%7Ea",
        b"/%e9",
        b"/*",
    ),
    *(
        b"/caf\xc3\xa9",
        b"/\x94L",
        b"/\xff\xfe",
        b"/a|b",
        b'/a"b',
        b"/<a>",
        b"/{a}",
        b"/a\\b",
        b"/a^b`c",
    ),
    *(
        b"/a\x7fb",
        b"/a\x01b",
        b"/a\x1bb",
        b"/%2e%2e/x",
        b"/a%zz",
        b"/%00",
        b"/%",
        b"/.",
        b"/..",
        b"/a b",
        b"/a\tb",
        b"/a\x0bb",
        b"/a?",
        b"/?",
    ),
)
TAILS = (
    *(b"", b"", b"", b"?b=c", b"?q=\x94L", b"?q=%E3%81", b"??", b"?a=b?c", b"?a[]=1", b"?a=%"),
    *(b"?u=http://h/", b"#b", b"#", b"?a#b", b"#a?b", b"?\xe9#\xe9"),
    *(b"?\x01", b"?\x7f", b"?a b", b"? HTTP/1.1"),
)
NAMES = (
    *(b"Accept", b"Cookie", b"cookie", b"X-A", b"x-a", b"User-Agent", b"Referer", b"Authorization"),
    *(b"X-Forwarded-For", b"Via", b"Forwarded", b"Range", b"Trailer", b"Content-Type", b"Date"),
    *(
        b"Proxy-Connection",
        b"Keep-Alive",
        b"Connection",
        b"TE",
        b"Proxy-Authorization",
        b"Priority",
    ),
    *(
        b"X_A",
        b"X.A",
        b"X-%41",
        b"1",
        b"-",
        b"X!#$",
        b"X-Request-Id",
        b"X-Mirror-Request-Id",
        b"Host2",
    ),
    *(
        b"Content-Length2",
        b"Content_Length",
        b"Transfer_Encoding",
        b"HTTP2-Settings",
        b"Sec-WebSocket-Key",
    ),
    *(b"A b", b"X\xe9", b"X-A ", b"", b" X", b"X\x01", b"X@", b"X:Y", b"(x)"),
)
VALUES = (
    *(
        b"",
        b"1",
        b"a=b; c=d",
        b"*/*",
        b"keep-alive",
        b"close",
        b"X-A",
        b"trailers",
        b"bytes=0-1",
        b" \t ",
    ),
    *(
        b"a=\x7fb",
        b"a\x01b",
        b"\x07",
        b"a\x1b[1mb",
        b"\x80\xff",
        b"caf\xc3\xa9",
        b"\x94L",
        b"a\x0bb",
        b"a\x0cb",
    ),
    *(
        b"a\x00b",
        b"a\rb",
        b"a\tb",
        b"%",
        b"%s%b%(x)d",
        b"a,b,,c",
        b'"a',
        b"a:b",
        b":",
        b"\\",
        b"close, X-A",
    ),
)
UPGRADES = (
    b"h2c",
    b"websocket",
    b"WebSocket",
    b"h2c, websocket",
    b"TLS/1.0",
    b"foo/2",
    b"",
    b"a\x01",
)
EXPECTS = (b"100-continue", b"100-Continue", b"200-ok", b"", b"100-continue, x")
CODINGS = (
    b"chunked",
    b"Chunked",
    b"chunked ",
    b"gzip, chunked",
    b"identity",
    b"chunked, chunked",
    b"x",
    b"",
)
EXTENSIONS = (
    b"",
    b"",
    b";a",
    b"; a=b",
    b" ;a",
    b"; some; parameters=stuff",
    b' ; a="b c"',
    b"\t",
    b" ",
    b"  ",
)


def odd_request(random: Random) -> bytes:
    """Return the bytes of one connection; most, but not all, are one request that nginx carries."""
    method = _pick(random, METHODS, RARE_METHODS, _method)
    version = random.choice(VERSIONS)
    lines = [_field(random) for _ in range(random.choice((0, 0, 1, 1, 2, 3, 8)))]
    lines += _asking(random)
    framing, body = _framed(random)
    lines += framing
    random.shuffle(lines)
    # Most have one Host, and few of HTTP/1.1 have none, because nginx answers those itself.
    count = random.choice((0, 0, 1, 1) if version == b"HTTP/1.0" else (*[1] * 20, 0, 2))
    hosts = random.choices(HOSTS[:1] if random.random() < 0.7 else HOSTS, k=count)
    for host in hosts:
        name = random.choice((b"Host", b"Host", b"host", b"HOST"))
        lines.insert(random.randint(0, len(lines)), b"%b: %b" % (name, host))
    first = b"%b %b %b" % (method, _target(random), version)
    if random.random() < 0.01:
        first = b"GET " + _target(random)  # HTTP/0.9
    data = b"\r\n".join((first, *lines, b"", b""))
    kind = random.random()
    if kind < 0.03:
        data = data.replace(b"\r\n", b"\n")
    elif kind < 0.06:
        data = random.choice((b"\r\n", b"\n", b"\r\n\r\n", b"\r\n" * 5)) + data
    data += body
    return tampered(random, data) if random.random() < 0.05 else data


def _pick(
    random: Random,
    common: tuple[bytes, ...],
    rare: tuple[bytes, ...],
    make: Callable[[Random], bytes],
) -> bytes:
    kind = random.random()
    if kind < 0.8:
        return random.choice(common)
    return random.choice(rare) if kind < 0.9 else make(random)


def _method(random: Random) -> bytes:
    """Return letters that nginx takes for a method."""
    return bytes(random.choices(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", k=random.choice((1, 2, 5, 20))))


def _token(random: Random) -> bytes:
    return bytes(random.choices(TOKEN, k=random.choice((1, 2, 5, 20))))


def _bytes(random: Random) -> bytes:
    """Return any bytes but line ends; a few are as long as nginx accepts."""
    most = random.choice((3, 10, 10, 40, 40, 200, 8100 if random.random() < 0.1 else 3))
    anything = random.randbytes(random.randint(0, most))
    if random.random() < 0.8:  # nginx refuses most control bytes in a target
        return anything.translate(None, bytes((*range(0x20), 0x7F)))
    return anything.translate(None, b"\r\n\0")


def _target(random: Random) -> bytes:
    path = _pick(random, PATHS[:10], PATHS, lambda random: b"/" + _bytes(random).replace(b" ", b""))
    kind = random.random()
    if kind < 0.01:
        return random.choice((b"*", b"h:80", b"a", b"?a", b"#", b"", b"urn:x"))
    start = b""
    if kind < 0.1:
        scheme = random.choice((b"http", b"https", b"HTTP", b"ws", b"ftp"))
        start = b"%b://%b" % (scheme, random.choice(AUTHORITIES))
        path = random.choice((path, path, b""))
    return start + path + _pick(random, TAILS[:16], TAILS, _tail)


def _tail(random: Random) -> bytes:
    return b"?" + _bytes(random).replace(b" ", b"")


def _field(random: Random) -> bytes:
    name = _pick(random, NAMES[:21], NAMES, _token)
    value = _pick(random, VALUES[:10], VALUES, _bytes)
    left, right = random.choice(
        ((b" ", b""), (b" ", b""), (b"", b""), (b" \t", b" "), (b"  ", b"\t"))
    )
    line = b"%b:%b%b%b" % (name, left, value, right)
    if random.random() < 0.01:
        return b"\r\n".join(
            [b"X-Long: " + b"x" * random.choice((4000, 8100))] * random.randint(1, 4)
        )
    if random.random() < 0.01:
        return line + b"\r\n\tfolded"
    return line


def _asking(random: Random) -> list[bytes]:
    """Return the fields of an upgrade or an expectation, in one request of six."""
    kind = random.random()
    if kind < 0.1:
        protocol = random.choice(UPGRADES)
        options = random.choice(
            (b"Upgrade", b"Upgrade, HTTP2-Settings", b"upgrade, close", b"close")
        )
        lines = [b"Upgrade: " + protocol, b"Connection: " + options]
        return [*lines, b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"]
    if kind < 0.16:
        return [b"Expect: " + random.choice(EXPECTS)]
    return []


def _framed(random: Random) -> tuple[list[bytes], bytes]:
    """Return the fields that frame a body, and the body."""
    body = random.randbytes(
        random.choice((0, 1, 7, 60, 60, 20_000 if random.random() < 0.05 else 5))
    )
    kind = random.random()
    if kind < 0.5:
        return [], b""
    length = b"Content-Length: %b%d" % (
        random.choice((b"", b"", b"", b"0", b"000", b" ")),
        len(body),
    )
    coding = b"Transfer-Encoding: " + random.choice((*CODINGS[:1] * 20, *CODINGS))
    if kind < 0.75:
        return [length], body
    if kind < 0.95:
        return [coding], _chunks(random, body)
    if kind < 0.96:
        return [length, coding], _chunks(random, body)
    wrong = random.choice(
        (b"-1", b"+5", b"0x5", b"5,5", b"5 5", b"", b"5;", b"99999999999999999999", b"1_0")
    )
    return [b"Content-Length: " + wrong], body


def _chunks(random: Random, body: bytes) -> bytes:
    pieces = []
    while body:
        size_bytes = random.randint(1, len(body))
        size = random.choice((b"%x", b"%X", b"0%x", b"0000%x")) % size_bytes
        pieces.append(size + random.choice(EXTENSIONS) + b"\r\n" + body[:size_bytes] + b"\r\n")
        body = body[size_bytes:]
    trailers = random.choice(
        (b"", b"", b"X-T: 1\r\n", b"X-T: \x01\xff\r\n", b"Content-Length: 5\r\n")
    )
    return b"".join((*pieces, b"0", random.choice(EXTENSIONS), b"\r\n", trailers, b"\r\n"))
