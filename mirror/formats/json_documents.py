"""JSON documents that begin with their format and version: what each reader of one checks first."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from mirror.errors import InputError
from mirror.formats import bounded_files
from mirror.formats.bounded_files import Limit
from mirror.formats.foreign_text import visible

_Document = TypeVar("_Document")


class _Head(msgspec.Struct):
    format: str = ""
    version: int = 0


class _Error(msgspec.Struct):
    error: str


def error_of(body: bytes) -> str:
    """Return what an admin port says of an error, as the end of a sentence; empty if nothing."""
    try:
        return f": {visible(msgspec.json.decode(body, type=_Error).error)}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def decode_document(
    data: bytes | str, kind: type[_Document], name: str, version: int, origin: str
) -> _Document:
    """Return the document of this format name and version.

    `origin` says what makes such documents. Raises ValueError that says what was expected.
    """
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"expected the JSON {origin}") from error
    if head.format != name:
        raise ValueError(f"format: expected {name}")
    if head.version != version:
        raise ValueError(f"version: expected {version}, got {head.version}")
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise ValueError(visible(str(error))) from error


def read_document(path: Path, limit: Limit, decode: Callable[[bytes], _Document]) -> _Document:
    """Return the document in a file, decoded. Raises InputError that names the file."""
    try:
        return decode(bounded_files.read_bytes(path, limit))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
