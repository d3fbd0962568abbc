"""Checks that the lines of a capture read back as written, and that unsafe ones are refused."""

import base64
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core import http1
from mirror.errors import InputError
from mirror.formats.capture.record import (
    MAX_LINE_BYTES,
    WRITTEN_ANEW,
    FieldError,
    Record,
    Summary,
    decode,
    decode_header,
    encode,
    encode_header,
    encode_summary,
    is_host,
)

HEADER = b'{"format":"kagami-capture","version":1}\n'
LINE = {"t": 1.5, "method": "GET", "host": "www.example.com", "target": "/a?x=1"}

TOKENS = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30
)
RECORDS = st.builds(
    Record,
    st.floats(0, 1e10),
    TOKENS.filter(lambda method: method != "CONNECT"),
    st.from_regex(r"[a-z0-9.-]{1,20}(:[0-9]{1,5})?", fullmatch=True),
    st.from_regex(r"/[\x21-\x7e\x80-\xff]{0,40}", fullmatch=True),
    st.lists(st.tuples(TOKENS.filter(lambda n: n.lower() not in WRITTEN_ANEW), VALUES)).map(tuple),
    st.none() | st.binary(max_size=64),
    st.booleans(),
    st.none() | st.integers(0, 1 << 40),
)


def read(*lines: bytes | dict[str, object]) -> list[Record]:
    """Decode a capture with a valid header and these lines."""
    encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return list(decode([HEADER, *encoded], "list"))


def failure(lines: Iterable[bytes]) -> str:
    with pytest.raises(InputError) as error:
        list(decode(lines, "list"))
    return str(error.value)


@given(st.lists(RECORDS, max_size=5))
def test_records_survive_the_file(records: list[Record]) -> None:
    lines = b"".join([encode_header(), *map(encode, records)]).splitlines(keepends=True)
    assert list(decode(lines, "list")) == records


@given(RECORDS)
def test_request_has_one_head_end(record: Record) -> None:
    head, _, rest = record.to_request().partition(b"\r\n\r\n")
    assert record.is_chunked or rest == (record.body or b"")
    lines = head.split(b"\r\n")
    assert len(lines) == 3 + len(record.headers) + (record.body is not None)
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)


def test_request_bytes() -> None:
    record = Record(0, "POST", "www.example.com", "/a", (("accept", "*/*"),), b"xy")
    assert record.to_request() == (
        b"POST /a HTTP/1.1\r\nHost: www.example.com\r\naccept: */*\r\nContent-Length: 2\r\n"
        b"X-Mirror-Leg: replay\r\n\r\nxy"
    )


def test_no_body_is_not_an_empty_body() -> None:
    assert b"Content-Length" not in Record(0, "GET", "a", "/").to_request()
    assert b"Content-Length: 0\r\n" in Record(0, "POST", "a", "/", (), b"").to_request()


def test_chunks_are_sent_again() -> None:
    record = Record(0, "POST", "a", "/", (), b"0123456789abcdef", True)
    assert record.to_request(marked=False) == (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"10\r\n0123456789abcdef\r\n0\r\n\r\n"
    )
    empty = Record(0, "POST", "a", "/", (), b"", True)
    assert empty.to_request().endswith(b"\r\n\r\n0\r\n\r\n")


def test_summaries_are_no_records_and_add_up() -> None:
    line = encode_summary(Summary(1, 2, {"disk": 3}))
    summary = Summary()
    assert list(decode([encode_header(1.5, "here"), line, line], "list", None, summary)) == []
    assert summary == Summary(2, 4, {"disk": 6})
    assert list(decode([encode_header(), line], "list")) == []
    assert "summary: expected" in failure([encode_header(), b'{"summary":1}'])


def test_losses_are_told_where_they_are_taken() -> None:
    losses: list[str] = []
    lines = [b"no header", b"x", json.dumps(LINE).encode(), b'{"summary":{"redacted":"x"}}']
    assert len(list(decode(lines, "list", losses.append))) == 1
    assert [loss.split(": ")[0] for loss in losses] == ["list:1", "list:2", "list:4"]
    with pytest.raises(InputError, match="is empty"):
        list(decode([], "list", losses.append))


def test_header_says_when_it_begins() -> None:
    header = decode_header(encode_header(1.5, "here"), "list")
    assert (header.begin, header.instance) == (1.5, "here")


def test_host_can_be_replaced() -> None:
    assert b"\r\nHost: other:80\r\n" in Record(0, "GET", "a", "/").to_request("other:80")


def test_bytes_above_ascii_are_kept() -> None:
    (record,) = read(LINE | {"target": "/\u00e9", "headers": [["x-name", "\u00ff"]]})
    assert b"GET /\xe9 HTTP/1.1" in record.to_request()
    assert b"x-name: \xff\r\n" in record.to_request()


def test_defaults_are_no_headers_no_body() -> None:
    assert read(LINE) == [Record(1.5, "GET", "www.example.com", "/a?x=1")]


def test_asterisk_only_with_options() -> None:
    assert read(LINE | {"method": "OPTIONS", "target": "*"})[0].target == "*"
    with pytest.raises(InputError, match="list:2: target: expected a path that starts with /"):
        read(LINE | {"target": "*"})


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\r\nx-evil: 1", "\x1f", "\x7f", "\u0100"])
def test_control_characters_are_refused(bad: str) -> None:
    for line, key in [
        (LINE | {"target": f"/a{bad}"}, "target"),
        (LINE | {"host": f"a{bad}"}, "host"),
        (LINE | {"method": f"GET{bad}"}, "method"),
        (LINE | {"headers": [["a", "b"], ["accept", f"a{bad}"]]}, r"headers\[1\]\[1\]"),
        (LINE | {"headers": [[f"accept{bad}", "a"]]}, r"headers\[0\]\[0\]"),
    ]:
        with pytest.raises(InputError, match=f"^list:2: {key}: expected "):
            read(line)


@pytest.mark.parametrize("name", sorted(WRITTEN_ANEW))
def test_connection_fields_are_refused(name: str) -> None:
    with pytest.raises(FieldError, match="end-to-end"):
        Record(0, "GET", "a", "/", ((name.title(), "1"),))


def test_same_fields_are_apart_in_http1() -> None:
    # A hop forwards trailers, but a recorded request has a complete body without trailers.
    assert {name.encode() for name in WRITTEN_ANEW} == http1._SET_APART | {b"trailer"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (LINE | {"t": "1"}, "t: expected Unix time in seconds"),
        (LINE | {"t": 1_700_000_000_000}, "t: expected Unix time in seconds"),
        (LINE | {"t": -1}, "t: expected Unix time in seconds"),
        (LINE | {"method": "GE T"}, "method: expected an HTTP method"),
        (LINE | {"method": "CONNECT"}, "method: expected an HTTP method"),
        (LINE | {"method": None}, "method: expected an HTTP method"),
        (LINE | {"host": ""}, "host: expected a host name"),
        (LINE | {"host": "user@host"}, "host: expected a host name"),
        (LINE | {"target": "a"}, "target: expected a path"),
        (LINE | {"target": "http://www.example.com/"}, "target: expected a path"),
        (LINE | {"target": "/a b"}, "target: expected a path"),
        (LINE | {"headers": {"a": "b"}}, "headers: expected a list of"),
        (LINE | {"headers": [["a"]]}, "headers[0]: expected a list of"),
        (LINE | {"headers": [["a", 1]]}, "headers[0][1]: expected a list of"),
        (LINE | {"headers": [["", "b"]]}, "headers[0][0]: expected a header name"),
        (LINE | {"body": "***"}, "body: expected base64"),
        (LINE | {"body": "\u00e9"}, "body: expected base64"),
        (LINE | {"bodi": ""}, "bodi: unknown key"),
        ({"t": 1, "method": "GET", "host": "a"}, "target: is required and missing"),
        (b"[1, 2]", "expected one JSON object"),
        (b"", "expected one JSON object"),
        (b'{"t": 1, "method"', "expected one JSON object"),
        (b'{"t": 1, "method": "\xff"}', "expected one JSON object"),
        (b'{"t": ' + b"[" * 100_000, "t: expected"),
        (b" " * (MAX_LINE_BYTES + 1), "line: expected at most"),
    ],
)
def test_bad_line_names_its_key(line: dict[str, object] | bytes, expected: str) -> None:
    encoded = line if isinstance(line, bytes) else json.dumps(line).encode()
    good = json.dumps(LINE).encode()
    assert failure([HEADER, good, encoded]).startswith(f"list:3: {expected}")


def test_lines_before_a_bad_one_are_read() -> None:
    records = decode([HEADER, json.dumps(LINE).encode(), b"x"], "list")
    assert next(records).target == "/a?x=1"
    with pytest.raises(InputError):
        next(records)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"format": "kagami-capture", "version": 2}', "list:1: version: expected 1, got 2"),
        (b'{"format": "har", "version": 1}', "list:1: format: expected"),
        (b"GET / HTTP/1.1", "list:1: expected {"),
        (b'{"t": 1}', "list:1: expected {"),
        (b"\x1f\x8b\x08\x00\xff", "list:1: expected {"),
        (b'{"format": "\xff"}', "list:1: expected {"),
        (b'{"x": ' + b"[" * 100_000, "list:1: expected {"),
    ],
)
def test_foreign_file_is_refused(line: bytes, expected: str) -> None:
    assert failure([line]).startswith(expected)


def test_empty_file_is_refused() -> None:
    assert failure([]).startswith("list: is empty; expected {")


def test_header_alone_is_an_empty_list() -> None:
    assert list(decode([encode_header()], "list")) == []


def test_body_is_base64() -> None:
    (record,) = read(LINE | {"body": base64.b64encode(b"\0\xff").decode()})
    assert record.body == b"\0\xff"


def test_host_check_is_that_of_a_record() -> None:
    assert is_host("[::1]:80") and is_host("www.example.com")
    assert not is_host("") and not is_host("a b") and not is_host("a\r\nb")
