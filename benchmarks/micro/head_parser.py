"""Parsing bytes into a checked head, as the connections of the proxy do."""

import httptools

from benchmarks.micro import heads
from benchmarks.micro.harness import Case
from mirror.core.request_head import RequestHead, read_request_head
from mirror.core.response_head import ResponseHead, read_response_head


class _Reader:
    """The callbacks of httptools that downstream and upstream connections share."""

    def __init__(self) -> None:
        self._flat: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._flat += (name, value)

    def on_body(self, data: bytes) -> None:
        pass


class RequestReader(_Reader):
    """The callbacks of a downstream connection."""

    head: RequestHead

    def __init__(self) -> None:
        super().__init__()
        self._target = b""
        self.parser = httptools.HttpRequestParser(self)

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_headers_complete(self) -> None:
        flat, self._flat = self._flat, []
        target, self._target = self._target, b""
        self.head = read_request_head(self.parser, target, flat)


class ResponseReader(_Reader):
    """The callbacks of an upstream connection."""

    head: ResponseHead

    def __init__(self) -> None:
        super().__init__()
        self._reason = b""
        self.parser = httptools.HttpResponseParser(self)

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_headers_complete(self) -> None:
        flat, self._flat = self._flat, []
        reason, self._reason = self._reason, b""
        self.head = read_response_head(self.parser, reason, flat, answers_head=False)


def read_request(data: bytes) -> RequestHead:
    reader = RequestReader()
    reader.parser.feed_data(data)
    return reader.head


def read_response(data: bytes) -> ResponseHead:
    reader = ResponseReader()
    reader.parser.feed_data(data)
    return reader.head


def cases() -> dict[str, Case]:
    # All calls share a parser, as on a persistent connection.
    small, browser, response = RequestReader(), RequestReader(), ResponseReader()
    return {
        "read request head, small": lambda: small.parser.feed_data(heads.SMALL),
        "read request head, browser": lambda: browser.parser.feed_data(heads.BROWSER),
        "read response head": lambda: response.parser.feed_data(heads.RESPONSE),
    }
