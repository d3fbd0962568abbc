"""Checks what is taken from around a line, line by line and block by block."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.access_log.request import OTHER_MESSAGE, PART, BadLine, NotARequest
from mirror.formats.access_log.wrappers import unwrapped, unwrapped_block

LINE = b'192.0.2.1 - - [07/Dec/2024:11:05:07 +0000] "GET /a HTTP/1.1" 200 59 "-" "curl"'
PREFIXES = [
    b"Dec  7 11:05:07 web1 nginx: ",
    b"Dec 17 11:05:07 web1 nginx: ",
    b"Dec 07 11:05:07.123 web1 nginx[12]: ",
    b"<190>Dec  7 11:05:07 web1 nginx: ",
    b"<190>Dec  7 11:05:07 nginx: ",
    b"2024-12-07T11:05:07.123456+00:00 web1 nginx: ",
    b"2024-12-07T11:05:07+0000 web1 nginx[1]: ",
    b"<190>1 2024-12-07T11:05:07.003Z web1 nginx - - - ",
    b"<190>1 2024-12-07T11:05:07.003Z web1 nginx 7 - - \xef\xbb\xbf",
    rb'<13>1 2024-12-07T11:05:07Z web1 nginx 7 id [a@1 b="\] c"][d@2 e="f"] ',
    b"93 <190>1 2024-12-07T11:05:07Z web1 nginx - - - ",
    b"2024-12-07T11:05:07.123456789Z stdout F ",
    b"2024-12-07T11:05:07.123456789+09:00 stderr F ",
    b"web_nginx.1.k2jx@node-1    | ",
    b"nginx-1  | ",
    b"2024-12-07T11:05:07.123456789Z web_nginx.1.k2jx@node-1    | ",
    b"web_nginx.1.k2jx@node-1    | 2024-12-07T11:05:07.123456789Z ",
    b"[pod/web-5d8/nginx] ",
    b"2024-12-07T11:05:07.123456789Z ",
    b"MESSAGE=",
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_layers_are_taken_off(prefix: bytes) -> None:
    assert unwrapped(prefix + LINE) == (LINE, 1)
    assert unwrapped_block((prefix + LINE + b"\n") * 2) == (LINE + b"\n") * 2


def test_layers_within_layers_are_taken_off() -> None:
    line = PREFIXES[0] + PREFIXES[11] + PREFIXES[13] + LINE
    assert unwrapped(line) == (LINE, 3)
    assert unwrapped_block(line) == LINE


@pytest.mark.parametrize("start", [b"", b"www.example.com:443 ", b"2001:db8::1 - a b ["])
def test_what_begins_a_line_is_no_layer(start: bytes) -> None:
    assert unwrapped(start + LINE) == (start + LINE, 0)


def test_a_part_of_a_line_is_a_loss() -> None:
    with pytest.raises(BadLine) as error:
        unwrapped(b"2024-12-07T11:05:07.1Z stdout P " + LINE)
    assert (error.value.reason, isinstance(error.value, NotARequest)) == (PART, False)


@pytest.mark.parametrize(
    "line",
    [
        *(b"__CURSOR=s=1;i=2", b"_HOSTNAME=web1", b"PRIORITY=6", b"SYSLOG_IDENTIFIER=nginx"),
        *(b"CONTAINER_NAME=web", b"2023/11/14 22:13:20 [error] 7#7: *1 open() failed"),
        b"web-1  | 2023/11/14 22:13:20 [notice] 1#1: start worker processes",
        b"[Tue Nov 14 22:13:20.5 2023] [core:error] [pid 1] no",
    ],
)
def test_other_lines_of_the_same_stream_are_no_loss(line: bytes) -> None:
    with pytest.raises(NotARequest) as error:
        unwrapped(line)
    assert error.value.reason == OTHER_MESSAGE


def docker(text: str) -> bytes:
    return json.dumps({"log": text, "stream": "stdout", "time": "2024-12-07T11:05:07Z"}).encode()


def test_a_block_of_docker_is_unwrapped_at_once() -> None:
    block = b"".join(
        docker(text).replace(b'{"log": ', b'{"log":') + b"\n" for text in ("a\n", "\u3042\n")
    )
    assert unwrapped_block(block) == "a\n\u3042\n".encode()


@pytest.mark.parametrize("text", ["", "a part", "two\nlines\n", "half \ud800\n"])
def test_a_block_of_docker_that_is_not_line_by_line_stays(text: str) -> None:
    block = b"".join(
        docker(text).replace(b'{"log": ', b'{"log":') + b"\n" for text in ("a\n", text)
    )
    assert unwrapped_block(block) == block


@given(st.lists(st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"")), max_size=5))
def test_lines_stay_lines(texts: list[bytes]) -> None:
    for prefix in PREFIXES:
        block = b"".join(prefix + text + b"\n" for text in texts)
        inner = unwrapped_block(block)
        assert inner.count(b"\n") == block.count(b"\n")
