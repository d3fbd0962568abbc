"""Checks the files of logs, their blocks, and that the fast path says what the slow one says."""

import gzip
import io
import os
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.access_log import blocks as module
from mirror.formats.access_log.blocks import (
    answered_lines,
    blocks,
    counted_lines,
    line_at,
    open_log,
)
from mirror.formats.access_log.line_reader import LineReader
from mirror.formats.access_log.request import MAX_LINE_BYTES, BadLine
from mirror.formats.access_log.text_lines import unescaped
from mirror.formats.access_log.times import local_second
from mirror.formats.bounded_files import BoundedFileError

COMBINED = (
    b'10.0.0.1 - - [31/Dec/2025:23:59:59 +0900] "GET /watch/7?x=1 HTTP/1.1" 200 512 '
    b'"https://example.com/a" "Mozilla/5.0 (X11)"'
)
TIME = b"31/Dec/2025:23:59:59 +0900"


def test_a_block_yields_its_requests_and_its_other_lines() -> None:
    common = COMBINED[: COMBINED.index(b' "https')]
    block = b"\n".join([COMBINED, b"bad", COMBINED + b' "192.0.2.7"', common, b"", b"{}"])
    line = (TIME, b"/watch/7?x=1", b"")
    assert counted_lines(block) == [line, (b"", b"", b"bad"), line, line, (b"", b"", b"{}")]


def test_a_block_yields_its_requests_with_their_answers() -> None:
    block = b"\n".join([b"www.example.com:443 " + COMBINED + b' "b.example"', b"bad", COMBINED])
    tail = b" 489 0.250 [default-web-80] [] 10.1.1.1:80 33 0.249 200 " + b"0a" * 16
    block += b"\n" + COMBINED + tail
    time = TIME.decode()
    target = "/watch/7?x=1"
    assert answered_lines(block) == [
        ("www.example.com:443", time, "GET", target, "200", ' "b.example"', "", ""),
        ("", "", "", "", "", "", "", "bad"),
        ("", time, "GET", target, "200", "", "", ""),
        ("", time, "GET", target, "200", "", "0.250", ""),
    ]


@given(
    st.binary(max_size=40).filter(lambda text: b"\n" not in text),
    st.sampled_from([b"10.0.0.1", b"/watch/7", b"GET", b"200", b"512 ", b"(X11)"]),
    st.sampled_from([b"", b"www.example.com ", b"app:8080 "]),
)
def test_answered_lines_say_what_the_reader_says(text: bytes, part: bytes, front: bytes) -> None:
    line = front + COMBINED.replace(part, text)
    for host, _, method, target, status, _, _, other in answered_lines(line):
        if not other:
            request = LineReader().read(line)
            assert (request.method, request.target) == (method, target)
            assert str(request.status).zfill(3) == status or request.status is None
            assert not host or request.host == host


@pytest.mark.parametrize(
    "line",
    [
        b"www.example.com:443 " + COMBINED,
        COMBINED + b" 0.005",
        COMBINED + b" 489 0.250 [default-web-80] [] 10.1.1.1:80 33 0.249 200 0123456789abcdef",
        COMBINED + b' "rt=0.005"',
        COMBINED.replace(b"- -", b"- a b"),
        COMBINED.replace(b":59 +", b":59.125 +"),
        COMBINED.replace(b"GET /watch", b"GET http://a.example/watch"),
    ],
)
def test_a_line_that_says_more_is_read_by_itself(line: bytes) -> None:
    assert counted_lines(line) == [(b"", b"", line)]
    assert LineReader().read(line).target == "/watch/7?x=1"


@given(st.binary(max_size=40).filter(lambda text: b"\n" not in text), st.sampled_from(range(4)))
def test_block_and_line_say_the_same(text: bytes, place: int) -> None:
    part = [b"/watch/7", b"10.0.0.1", b"512 ", b"(X11)"][place]
    line = COMBINED.replace(part, text)
    found = [(time, target) for time, target, other in counted_lines(line) if not other]
    try:
        request = LineReader().read(line)
    except BadLine:
        assert found == []
    else:
        for time, target in found:
            assert local_second(time) == request.time_s
            assert unescaped(target) == request.target.encode("latin-1")


@pytest.mark.parametrize("size", [1, 7, 60, 61, 200])
def test_blocks_hold_whole_lines(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", size)
    content = (COMBINED + b"\n") * 5 + b"\n\nlast"
    found = list(blocks(io.BytesIO(content)))
    assert b"".join(found) == content
    assert all(block.endswith(b"\n") for block in found[:-1])


def test_a_line_that_is_too_long_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 1 << 18)
    stream = io.BytesIO(b"x" * (3 << 20) + b"\n" + COMBINED)
    first, second = blocks(stream)
    assert (len(first), second) == (MAX_LINE_BYTES + 1, COMBINED)


def test_a_line_is_found_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 3)
    for number, line in enumerate([b"a", b"", b"ccccc", b"d"], start=1):
        assert line_at(io.BytesIO(b"a\n\nccccc\nd"), number) == line
    assert line_at(io.BytesIO(b"a\n\nccccc\nd"), 5) is None


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_logs_are_unpacked_by_content(tmp_path: Path, pack) -> None:
    (tmp_path / "log").write_bytes(pack(b"a\n") + pack(b"b\n"))
    with open_log(str(tmp_path / "log")) as stream:
        assert stream.read() == b"a\nb\n"


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_packed_log_that_ends_early_is_refused(tmp_path: Path, pack) -> None:
    packed = pack(os.urandom(300_000))
    (tmp_path / "log").write_bytes(packed[:-50_000])
    with open_log(str(tmp_path / "log")) as stream, pytest.raises(BoundedFileError, match="log: "):
        list(blocks(stream))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_log_that_unpacks_without_end_names_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack
) -> None:
    monkeypatch.setattr(module, "MOST_UNPACKED_BYTES", 1000)
    (tmp_path / "log").write_bytes(pack(b"\n" * 10_000_000))
    with (
        open_log(str(tmp_path / "log")) as stream,
        pytest.raises(BoundedFileError, match=r"bytes unpacked, which is the limit; `zcat`"),
    ):
        list(blocks(stream))


def test_special_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(BoundedFileError, match="is no regular file"):
            open_log(str(name))
