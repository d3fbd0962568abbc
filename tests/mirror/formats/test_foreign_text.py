import json

import pytest

from mirror.formats.foreign_text import readable, visible, visible_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),  # a title
        ("\x1b]52;c;AAAA\x1b\\", "\\x1b]52;c;AAAA\\x1b\\"),  # the clipboard
        ("\x9b2J", r"\x9b2J"),  # the one-byte form of ESC [
        ("a\r\nb\tc\x00\x7f", r"a\r\nb\tc\x00\x7f"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),  # an override
        ("a\u2066b\u2069\u200b\u2028", r"a\u2066b\u2069\u200b\u2028"),
        ("\udc9b", r"\udc9b"),  # a byte of a file name that is not UTF-8
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_what_a_terminal_obeys_becomes_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(text).isprintable()


@pytest.mark.parametrize("text", ["", "/watch/{id}", "[red]", r"C:\x", "héhé 日本語 🎉", "a b"])
def test_printable_text_stays(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"/a\x1b", "/a\x1b"),
        ("/caf\xe9/\u65e5\u672c".encode(), "/caf\xe9/\u65e5\u672c"),
        (b"/caf\xe9", "/caf%E9"),
        (b"/%C3%A9\xc3\xa9\xc3", "/%C3%A9\xe9%C3"),
        ("/\u202ea\x9b".encode(), "/%E2%80%AEa%C2%9B"),
    ],
)
def test_bytes_are_shown_as_the_text_that_they_are(sent: bytes, shown: str) -> None:
    assert readable(sent.decode("latin-1")) == shown


def test_a_text_whose_characters_are_no_bytes_stays() -> None:
    assert readable("/\u20ac\xe4\u202e") == "/\u20ac\xe4\u202e"


def test_json_stays_the_same_json() -> None:
    value = {"a\u202eb": "\x9b\x7f\U000e0001 héhé \ud83d", "c": [1]}
    text = json.dumps(value, ensure_ascii=False, indent=1)
    shown = visible_json(text)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert json.loads(shown) == value
    assert "héhé" in shown
