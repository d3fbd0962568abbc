"""HTTP/1.1 messages as bytes, for tables of expected bytes.

Owns the short notation of a message, a reader of message boundaries that shares nothing with the
data plane's parser, and the responses of a scripted upstream. A row compares exact bytes. Only the
boundaries of chunks are free, because a proxy may cut a body anew (RFC 9112, section 7.1).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

PROBE_MARK = b"\r\nX-Mirror-Leg: probe\r\n"
"""What the sidecar's first request on a connection to the shadow contains."""
PROBE_ANSWER = b"HTTP/1.1 200 OK\r\nServer: envoy\r\nContent-Length: 0\r\n\r\n"
"""A response that the probe accepts."""
PATIENCE_S = 10.0
"""The longest wait, in seconds, for something that must happen at once."""


def crlf(text: str) -> bytes:
    """Return the bytes of a one-line message: `|` becomes CRLF, Latin-1 characters their byte."""
    return text.replace("|", "\r\n").encode("latin-1")


@dataclass(frozen=True, slots=True)
class Message:
    """One complete message at the start of a stream."""

    head: bytes
    body: bytes
    """The decoded body, without chunk framing."""
    trailers: bytes
    """The field lines after a chunked body."""
    size_bytes: int
    """The number of bytes of the stream that the message takes."""
    is_chunked: bool

    @property
    def tidy(self) -> bytes:
        """Return the message with the chunks of its body, if any, merged into one."""
        if not self.is_chunked:
            return self.head + self.body
        chunk = b"%x\r\n%b\r\n" % (len(self.body), self.body) if self.body else b""
        return b"".join((self.head, chunk, b"0\r\n", self.trailers, b"\r\n"))


def first_message(stream: bytes, is_bodyless: bool = False) -> Message | None:
    """Return the complete message at the start of `stream`; None if it is still incomplete.

    The body of a response without a length is everything that follows. The stream must be
    well-formed: it is either what a test sends or what the test compares for equality.
    """
    end = stream.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = stream[: end + 4]
    lower = head.lower()
    is_response = head.startswith(b"HTTP/")
    if is_response and (head[9:10] == b"1" or head[9:12] in (b"204", b"304")):
        is_bodyless = True
    if is_bodyless:
        return Message(head, b"", b"", len(head), False)
    if b"\r\ntransfer-encoding: chunked\r\n" in lower:
        return _chunked(stream, head)
    _, found, rest = lower.partition(b"\r\ncontent-length:")
    if found:
        size_bytes = len(head) + int(rest.partition(b"\r\n")[0])
        whole = stream[:size_bytes]
        return (
            Message(head, whole[len(head) :], b"", size_bytes, False)
            if (len(whole) == size_bytes)
            else None
        )
    if is_response:
        return Message(head, stream[len(head) :], b"", len(stream), False)
    return Message(head, b"", b"", len(head), False)


def _chunked(stream: bytes, head: bytes) -> Message | None:
    at = len(head)
    body = []
    while True:
        end = stream.find(b"\r\n", at)
        if end < 0:
            return None
        size_bytes = int(stream[at:end].partition(b";")[0], 16)
        at = end + 2
        if not size_bytes:
            break
        if len(stream) < at + size_bytes + 2:
            return None
        body.append(stream[at : at + size_bytes])
        at += size_bytes + 2
    start = at
    while True:
        end = stream.find(b"\r\n", at)
        if end < 0:
            return None
        if end == at:
            return Message(head, b"".join(body), stream[start:at], end + 2, True)
        at = end + 2


def begun(stream: bytes) -> bytes:
    """Return an incomplete message with the complete chunks of its body, if any, merged."""
    head, found, rest = stream.partition(b"\r\n\r\n")
    if not found or b"\r\ntransfer-encoding: chunked" not in head.lower():
        return stream
    body = b""
    while b"\r\n" in rest:
        line, _, data = rest.partition(b"\r\n")
        size_bytes = int(line, 16)
        if not size_bytes or len(data) < size_bytes + 2:
            break
        body += data[:size_bytes]
        rest = data[size_bytes + 2 :]
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return head + found + chunk + rest


def tidy(stream: bytes, head_answers: Sequence[int] = ()) -> bytes:
    """Return the stream with the complete chunks of each chunked body merged into one.

    `head_answers` are the indexes of the final responses that answer a HEAD.
    """
    done = []
    number = 0
    while stream:
        is_final = not stream.startswith(b"HTTP/1.1 1")
        message = first_message(stream, is_final and number in head_answers)
        if message is None:
            break
        done.append(message.tidy)
        stream = stream[message.size_bytes :]
        number += is_final
    return b"".join((*done, begun(stream)))


def messages_of(stream: bytes) -> list[bytes]:
    """Return the complete messages of a stream of requests."""
    messages = []
    while (message := first_message(stream)) is not None:
        messages.append(stream[: message.size_bytes])
        stream = stream[message.size_bytes :]
    return messages


class End(Enum):
    """What an upstream does with its connection after a response."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Reply:
    """The response of a scripted upstream to one request."""

    data: bytes = b""
    at_head: bytes = b""
    """Sent as soon as the head of the request has arrived."""
    end: End = End.KEEP


OK = Reply(crlf("HTTP/1.1 200 OK|Content-Length: 2||ok"))


@dataclass(slots=True)
class Script:
    """The replies of an upstream, one per request; the last one is repeated."""

    replies: Sequence[Reply] = (OK,)
    begun: int = 0
    """The number of requests whose head has arrived."""
    requests: list[bytes] = field(default_factory=list)
    """The complete requests in order of arrival, with chunks merged."""

    def next_reply(self) -> Reply:
        self.begun += 1
        return self.replies[min(self.begun, len(self.replies)) - 1]


class Conversation:
    """The state of one connection to a scripted upstream, independent of the transport."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.unread = b""
        """Received bytes that do not form a complete request yet."""
        self._reply: Reply | None = None
        self.is_raw = False
        """Whether the connection has switched protocols, so that bytes are no requests."""

    def received(self, data: bytes) -> list[tuple[bytes, End]]:
        """Return what to send in response to `data`, each with what happens to the connection."""
        # Each sidecar has a name of its own in Via.
        self.unread += re.sub(rb"kagami-[0-9a-f]{8}", b"kagami", data)
        sent: list[tuple[bytes, End]] = []
        if PROBE_MARK in self.unread and self.unread.endswith(b"\r\n\r\n"):
            # A connection's first request; the sidecar sends nothing behind it before the answer.
            self.unread = b""
            return [(PROBE_ANSWER, End.KEEP)]
        while not self.is_raw and self.unread:
            if self._reply is None and b"\r\n\r\n" in self.unread:
                self._reply = self.script.next_reply()
                if self._reply.at_head:
                    sent.append((self._reply.at_head, End.KEEP))
            message = first_message(self.unread)
            if message is None or self._reply is None:
                break
            self.unread = self.unread[message.size_bytes :]
            self.script.requests.append(message.tidy)
            self.is_raw = self._reply.data.startswith(b"HTTP/1.1 101")
            sent.append((self._reply.data, self._reply.end))
            self._reply = None
        return sent
