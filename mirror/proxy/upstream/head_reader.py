"""Reads the head of one final answer with all its fields, where discarding.py needs them."""

from collections.abc import Callable

import httptools

from mirror.core.http1 import has_too_many_fields
from mirror.core.response_head import ResponseHead, read_response_head
from mirror.errors import RemoteProtocolError


class HeadReader:
    """Reads the head of one final answer with its fields, and gives it to `on_head`.

    `answers_head` as in `read_response_head`: the answer ends with its head (RFC 9112, section
    6.3), and a byte behind it is surplus.
    """

    def __init__(self, answers_head: bool, on_head: Callable[[ResponseHead], None]) -> None:
        self._answers_head = answers_head
        self._on_head = on_head
        self._has_ended = False
        self._flat: list[bytes] = []
        self._reason = b""
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        if self._has_ended:
            raise RemoteProtocolError(502, "surplus")

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._flat += (name, value)
        if has_too_many_fields(self._flat):
            raise RemoteProtocolError(502, "too_many_fields")

    def on_headers_complete(self) -> None:
        flat, self._flat = self._flat, []
        reason, self._reason = self._reason, b""
        head = read_response_head(self.parser, reason, flat, self._answers_head)
        if head.status >= 200:
            self._has_ended = True
            self._on_head(head)

    def on_body(self, data: bytes) -> None:
        if self._answers_head:
            raise RemoteProtocolError(502, "surplus")
