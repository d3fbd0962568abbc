import json

import pytest

from mirror.formats.foreign_text import visible, visible_json


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


def test_json_stays_the_same_json() -> None:
    value = {"a\u202eb": "\x9b\x7f\U000e0001 héhé \ud83d", "c": [1]}
    text = json.dumps(value, ensure_ascii=False, indent=1)
    shown = visible_json(text)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert json.loads(shown) == value
    assert "héhé" in shown
