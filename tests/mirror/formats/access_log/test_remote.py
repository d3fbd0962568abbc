"""Checks logs that are named by a URL, with fsspec's file system in memory."""

import sys
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest

from mirror.formats.access_log.blocks import open_log
from mirror.formats.access_log.remote import is_url, matching, open_url
from mirror.formats.bounded_files import BoundedFileError


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()


def test_a_path_is_no_url() -> None:
    for name in (
        "access.log",
        "/var/log/nginx/access.log",
        "-",
        "a:b",
        "C:\\log",
        "://a",
        "a b://c",
    ):
        assert not is_url(name)
    for name in ("s3://bucket/a.gz", "https://h/a", "file:///a", "simplecache::s3://b/a"):
        assert is_url(name) == (":" not in name.partition("://")[0])


def test_a_url_is_read_and_its_size_is_known(memory: Any) -> None:
    memory.pipe("/logs/a.log", b"one line\n")
    stream, size = open_url("memory://logs/a.log")
    assert (stream.read(), size) == (b"one line\n", 9)
    with open_log("memory://logs/a.log") as log:
        assert log.read() == b"one line\n"


def test_a_pattern_names_urls_in_order(memory: Any) -> None:
    for name in ("b.gz", "a.gz", "a.txt"):
        memory.pipe(f"/logs/{name}", b"")
    assert matching("memory://logs/*.gz") == ["memory:///logs/a.gz", "memory:///logs/b.gz"]
    assert matching("memory://logs/none*") == []
    assert matching("memory://logs/a.gz") == ["memory://logs/a.gz"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("memory://logs/missing.log", "memory://logs/missing.log: cannot be read: "),
        ("nonsense://a/b", "nonsense://a/b: cannot be read: Protocol not known"),
    ],
)
def test_what_cannot_be_read_says_why(memory: Any, url: str, why: str) -> None:
    with pytest.raises(BoundedFileError) as caught:
        open_url(url)
    assert str(caught.value).startswith(why)


def test_a_password_is_refused_and_not_shown() -> None:
    with pytest.raises(BoundedFileError) as caught:
        open_url("ftp://user:S3CR@h/a.log")
    assert "S3CR" not in str(caught.value) and "leave the password out" in str(caught.value)


def test_without_fsspec_the_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(BoundedFileError, match=r"pip install 'kagami\[dask\]'"):
        open_url("s3://bucket/a.gz")
