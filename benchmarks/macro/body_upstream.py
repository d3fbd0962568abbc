"""An app that receives and sends large bodies at the full speed of a core, with blocking sockets.

    GET  /length/N    sends N bytes with a Content-Length
    GET  /chunked/N   sends N bytes in chunks of 64 KiB
    POST /…           reads a body with any framing and answers with the number of bytes

Any other request gets an empty response. With --hung, the app stops reading a request for a body
and never answers it.

nginx cannot serve as this app, because it cannot discard a large body before it answers. Every byte
that bodies.py sends is an `x`, so the app finds the end of a chunked body without parsing it.

Run: python -m benchmarks.macro.body_upstream PORT [--hung]
"""

import argparse
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

BLOCK = b"x" * (1 << 20)
CHUNK_BYTES = 1 << 16
CHUNK = b"%x\r\n%b\r\n" % (CHUNK_BYTES, BLOCK[:CHUNK_BYTES])
CHUNKS = CHUNK * (len(BLOCK) // CHUNK_BYTES)
ASKED = re.compile(rb"POST |GET /(length|chunked)/(\d+) ")
SERVER_NAME = "bodies"
ANSWER = b"HTTP/1.1 200 OK\r\nServer: %b\r\n" % SERVER_NAME.encode()
LAST_CHUNK = b"0\r\n\r\n"
"""The last chunk; no body of `x` contains these bytes."""


def blocks(size_bytes: int, is_chunked: bool) -> Iterator[bytes]:
    """Yield a body of this size, a multiple of 1 MiB, with its framing."""
    for _ in range(size_bytes // len(BLOCK)):
        yield CHUNKS if is_chunked else BLOCK
    if is_chunked:
        yield LAST_CHUNK


def framing_field(size_bytes: int, is_chunked: bool) -> bytes:
    if is_chunked:
        return b"Transfer-Encoding: chunked\r\n"
    return b"Content-Length: %d\r\n" % size_bytes


def read_head(connection: socket.socket, buffered: bytes) -> tuple[bytes, bytes]:
    """Read the next head; return it and the bytes after it, both empty at the end."""
    while b"\r\n\r\n" not in buffered:
        data = connection.recv(65536)
        if not data:
            return b"", b""
        buffered += data
    head, _, rest = buffered.partition(b"\r\n\r\n")
    return head, rest


def read_body(connection: socket.socket, head: bytes, buffered: bytes) -> int:
    """Read a body; return the number of its bytes on the wire."""
    length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
    buffer = bytearray(len(BLOCK))
    received, tail = len(buffered), buffered[-len(LAST_CHUNK) :]
    while received < int(length[1]) if length else tail != LAST_CHUNK:
        count = connection.recv_into(buffer)
        if not count:
            raise ConnectionError("the connection ended within a body")
        received += count
        tail = (tail + bytes(buffer[max(0, count - len(LAST_CHUNK)) : count]))[-len(LAST_CHUNK) :]
    return received


def serve(connection: socket.socket, is_hung: bool) -> None:
    """Answer one request after the other until the connection closes."""
    with connection:
        buffered = b""
        with suppress(ConnectionError):  # the client has left
            while True:
                head, buffered = read_head(connection, buffered)
                if not head:
                    return
                match = ASKED.match(head)
                if match and is_hung:
                    threading.Event().wait()
                elif match and not match[1]:
                    answer = b"%d" % read_body(connection, head, buffered)
                    buffered = b""
                    connection.sendall(
                        ANSWER + framing_field(len(answer), False) + b"\r\n" + answer
                    )
                else:
                    size_bytes = int(match[2]) if match else 0
                    is_chunked = match is not None and match[1] == b"chunked"
                    connection.sendall(ANSWER + framing_field(size_bytes, is_chunked) + b"\r\n")
                    for block in blocks(size_bytes, is_chunked):
                        connection.sendall(block)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--hung", action="store_true")
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", options.port), backlog=128) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection, options.hung), daemon=True).start()


if __name__ == "__main__":
    main()
