"""Checks reading the token of the admin port; a file that others could read or replace is none."""

import os
from pathlib import Path

import pytest

from mirror.admin.token_file import LIMIT, read_token
from mirror.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("0123456789abcdef\n")
    path.chmod(0o600)
    return path


def test_the_token_is_the_word_in_the_file(path: Path) -> None:
    assert read_token(str(path)) == b"0123456789abcdef"
    assert read_token(None) is None


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o444])
def test_a_file_that_others_may_open_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    said = f"admin_token_file: .* has mode {mode:04o}: expected .*Kubernetes `defaultMode: 0440`"
    with pytest.raises(ConfigError, match=said):
        read_token(str(path))
    path.chmod(0o640)
    assert read_token(str(path))


def test_a_file_that_others_could_replace_is_refused(path: Path) -> None:
    path.parent.chmod(0o777)
    with pytest.raises(ConfigError, match=r"could be replaced: other users may write"):
        read_token(str(path))


@pytest.mark.parametrize(
    "content", [b"", b"short\n", b"0123456789 abcdef", b"0123456789\xc3\xa4bcdefg", b"0123\n" * 9]
)
def test_what_is_no_long_word_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="expected one word of at least 16 characters"):
        read_token(str(path))


def test_a_file_that_cannot_be_read_is_named(path: Path) -> None:
    with pytest.raises(ConfigError, match="admin_token_file: .*other: no such file"):
        read_token(f"{path.parent}/other")
    os.mkfifo(path.parent / "fifo")
    with pytest.raises(ConfigError, match="is no regular file"):
        read_token(f"{path.parent}/fifo")
    path.write_bytes(b"x" * (LIMIT.most_bytes + 1))
    with pytest.raises(ConfigError, match="has more than 1,048,576 bytes"):
        read_token(str(path))
