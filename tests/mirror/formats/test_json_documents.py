import msgspec
import pytest

from mirror.formats.json_documents import decode_document, error_of


class Note(msgspec.Struct):
    text: str


def decode(data: bytes) -> Note:
    return decode_document(data, Note, "kagami-note", 2, "that a test writes")


def test_document_is_read() -> None:
    assert decode(b'{"format":"kagami-note","version":2,"text":"a","more":1}') == Note("a")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{", "expected the JSON that a test writes"),
        (b"\xff", "expected the JSON that a test writes"),
        (b"[" * 100_000, "expected the JSON that a test writes"),
        (b"{}", "format: expected kagami-note"),
        (b'{"format":"kagami-note","version":1}', "version: expected 2, got 1"),
        (b'{"format":"kagami-note","version":2}', "missing required field `text`"),
    ],
)
def test_what_is_no_such_document_says_what_was_expected(data: bytes, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        decode(data)


def test_an_error_of_an_admin_port_ends_a_sentence() -> None:
    assert error_of(b'{"error": "set it\\u001b"}') == r": set it\x1b"
    for body in (b"<html>", b"\xff", b"{}", b"[" * 100_000):
        assert error_of(body) == ""
