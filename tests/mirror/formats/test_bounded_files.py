import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from mirror.formats.bounded_files import (
    BoundedFileError,
    Limit,
    open_regular,
    open_unpacked,
    read_bytes,
    read_text,
    unpacked,
)

TEXT = b"GET /\n" * 1000
LIMIT = Limit(len(TEXT), "--more")
SKIPPABLE = b"\x50\x2a\x4d\x18\x02\x00\x00\x00hi"


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "packed",
    [
        TEXT,
        gzip.compress(TEXT),
        gzip.compress(TEXT[:60]) + gzip.compress(TEXT[60:]),
        zstd(TEXT),
        zstd(TEXT[:60]) + SKIPPABLE + zstd(b"") + zstd(TEXT[60:]),
        SKIPPABLE + zstd(TEXT),
    ],
    ids=["plain", "gzip", "two gzip members", "zstd", "zstd frames", "zstd after another frame"],
)
def test_content_is_unpacked_up_to_its_limit(packed: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, packed)
    with open_unpacked(path, LIMIT) as file:
        assert file.read() == TEXT
    less = Limit(len(TEXT) - 1, "--more")
    with open_unpacked(path, less) as file, pytest.raises(BoundedFileError) as caught:
        file.read()
    what = "" if packed == TEXT else " unpacked"
    assert str(caught.value) == (
        f"{path}: has more than 5,999 bytes{what}, which is the limit; --more reads more"
    )


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_damaged_content_is_an_error(pack: type[bytes], tmp_path: Path) -> None:
    packed = pack(os.urandom(500))
    for damaged in (packed[:-3], packed[:30] + b"\xff" * 90 + packed[120:]):
        with (
            open_unpacked(written(tmp_path, damaged), LIMIT) as file,
            pytest.raises(BoundedFileError, match="cannot be read"),
        ):
            file.read()


def test_a_stream_such_as_standard_input_is_unpacked_too() -> None:
    assert unpacked(io.BytesIO(zstd(TEXT)), "-", LIMIT).read() == TEXT


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbfa\r\nb")
    assert read_bytes(path, Limit(7)) == path.read_bytes()
    assert read_text(path, Limit(7)) == "a\r\nb"
    with pytest.raises(BoundedFileError, match="has more than 6 bytes, which is the limit$"):
        read_text(path, Limit(6))


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(BoundedFileError, match="is no regular file"):
            open_regular(path)
    with pytest.raises(BoundedFileError, match="absent: no such file"):
        open_regular(tmp_path / "absent")
    with pytest.raises(BoundedFileError, match="not UTF-8|cannot be read"):
        read_text(written(tmp_path, b"\xff"), LIMIT)


def test_a_link_is_followed_only_where_a_user_names_it(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(written(tmp_path, b"x"))
    assert read_bytes(link, LIMIT) == b"x"
    with pytest.raises(BoundedFileError, match="is a symbolic link"):
        read_bytes(link, LIMIT, follows_links=False)


BOMBS = {
    "gzip": "__import__('gzip').compress(bytes(1 << 20)) * 2000",
    "zstd": "__import__('zstandard').ZstdCompressor().compress(bytes(1 << 28)) * 8",
    # A frame that asks for a window of 2 GiB.
    "window": r"b'\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00'",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_costs_no_more_than_its_limit(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, eval(BOMBS[kind]))
    program = (
        "import resource, sys\n"
        "from mirror.formats.bounded_files import *\n"
        "import zstandard\n"
        "resource.setrlimit(resource.RLIMIT_AS, (400 << 20,) * 2)\n"
        "try: open_unpacked(sys.argv[1], Limit(64 << 20)).read()\n"
        "except BoundedFileError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    words = "Frame requires too much memory" if kind == "window" else "67,108,864 bytes unpacked"
    assert words in done.stdout


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_text_of_windows_is_named(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(BoundedFileError, match="it may be UTF-16, expected UTF-8"):
        read_text(written(tmp_path, "\ufeffkind: X".encode(encoding)), LIMIT)
