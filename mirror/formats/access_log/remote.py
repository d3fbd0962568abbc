"""Logs that are named by a URL, such as s3://bucket/access.log.gz: whatever fsspec can open.

fsspec is imported only here and only for a URL, because it is an optional part of the installation
(`kagami[dask]`). Its own packages know the protocols (s3fs, gcsfs, adlfs, ...) and read credentials
from the environment or their configuration files; a URL with a password is refused, because names
of logs stand in reports.
"""

from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from mirror.formats.bounded_files import BoundedFileError

_PATTERN = frozenset("*?[")


def is_url(name: str) -> bool:
    """Return whether a name is a URL and not the path of a file."""
    scheme, mark, _ = name.partition("://")
    return bool(mark) and scheme.replace("+", "").replace(".", "").isalnum()


def open_url(url: str) -> tuple[BinaryIO, int | None]:
    """Return the bytes that a URL names, and how many they are if that is known.

    Raises BoundedFileError.
    """
    files, path = _file_system(url)
    try:
        # Blocks of this size are read ahead: a log is read once, from its beginning to its end.
        stream = files.open(path, "rb", block_size=8 << 20, cache_type="readahead")
        size = files.size(path)
    except Exception as error:  # Each protocol brings the exceptions of its own client.
        raise BoundedFileError(url, f"cannot be read: {_reason(error)}") from error
    return cast(BinaryIO, stream), size if isinstance(size, int) else None


def matching(pattern: str) -> list[str]:
    """Return the URLs that a pattern such as s3://bucket/2026-*.gz names, sorted.

    Raises BoundedFileError.
    """
    if not _PATTERN & set(pattern):
        return [pattern]
    files, path = _file_system(pattern)
    try:
        found = files.glob(path)
    except Exception as error:  # As above.
        raise BoundedFileError(pattern, f"cannot be listed: {_reason(error)}") from error
    return sorted(files.unstrip_protocol(name) for name in found)


def _file_system(url: str) -> tuple[Any, str]:
    try:
        if urlsplit(url).password is not None:
            rule = "leave the password out, and give it to the client of this protocol"
            raise BoundedFileError(url.partition("://")[0] + "://…", rule)
        from fsspec.core import url_to_fs

        return cast("tuple[Any, str]", url_to_fs(url))
    except ImportError as error:
        rule = f"cannot be read: {error}. URLs need `pip install 'kagami[dask]'`"
        raise BoundedFileError(url, f"{rule} and fsspec's package for this protocol") from error
    except ValueError as error:
        raise BoundedFileError(url, f"cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
