"""Checks which heads are given on; test_discarding.py checks what follows from them."""

import httptools
import pytest

from mirror.core.http1 import CHUNKED, MOST_FIELDS, NONE, UNTIL_CLOSE, Framing
from mirror.core.response_head import ResponseHead
from mirror.errors import RemoteProtocolError
from mirror.proxy.upstream.head_reader import HeadReader

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


def read(data: bytes, answers_head: bool = False) -> list[ResponseHead]:
    heads: list[ResponseHead] = []
    HeadReader(answers_head, heads.append).parser.feed_data(data)
    return heads


@pytest.mark.parametrize(
    ("fields", "answers_head", "framing"),
    [
        (b"", False, UNTIL_CLOSE),
        (b"Transfer-Encoding: chunked\r\n", False, CHUNKED),
        (b"Content-Length: 9\r\n", True, NONE),
    ],
)
def test_only_the_final_head_is_given_on(
    fields: bytes, answers_head: bool, framing: Framing
) -> None:
    (head,) = read(HINTS + b"HTTP/1.1 404 No\r\n" + fields + b"\r\n", answers_head)
    assert (head.status, head.framing) == (404, framing)


@pytest.mark.parametrize(
    ("data", "answers_head"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", True),
        (b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * (MOST_FIELDS + 1) + b"\r\n", False),
    ],
    ids=["body", "second", "fields"],
)
def test_surplus_and_too_many_fields_are_refused(data: bytes, answers_head: bool) -> None:
    with pytest.raises(httptools.HttpParserCallbackError) as refused:
        read(data, answers_head)
    assert isinstance(refused.value.__context__, RemoteProtocolError)
