"""Text from outside (a server, a file, a request) as a terminal, a log or a message may show it.

A terminal obeys control characters: they retitle its window, write to the clipboard and clear the
screen. A bidirectional override shows words in an order that nobody wrote. Every exit of both
commands passes foreign text through `visible`. The result is plain text and never markup: rich
prints it only as `Text`, or with markup switched off.
"""

import json
from urllib.parse import quote_from_bytes


def visible(text: str) -> str:
    r"""Return `text` with everything but printable characters and spaces as an escape: `\x1b`.

    That covers controls (line ends, too), bidirectional overrides, zero-width characters,
    surrogates and unassigned code points; printable Unicode stays.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else _escape(character) for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def text_of(characters: str) -> str:
    """Return the text of characters that stand for one byte each, and any other text as it is."""
    if characters.isascii() or not all(character <= "\xff" for character in characters):
        return characters
    return characters.encode("latin-1").decode("utf-8", "surrogateescape")


def readable(characters: str) -> str:
    """Return the same as a person reads it: bytes that are no printable UTF-8 become `%XX`."""
    text = text_of(characters)
    if text == characters:
        return text
    return "".join(
        character
        if character.isprintable()
        else quote_from_bytes(character.encode("utf-8", "surrogateescape"))
        for character in text
    )


def visible_json(text: str) -> str:
    r"""Return a JSON text in which such characters are escapes of JSON: `\u202e`.

    It means the same: JSON has them only within its strings, except for line ends.
    """
    return "\n".join(
        line
        if line.isprintable()
        else "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)
        for line in text.split("\n")
    )
