import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.replay.patterns import Pattern

PIECES = st.sampled_from(["*", "{id}", "{x}", "/", "a", "b", "ab", ".", "a/"])
TEXTS = st.text(st.sampled_from("ab/.\n"), max_size=12)


@given(st.lists(PIECES, max_size=6).map("".join), TEXTS)
def test_every_pattern_means_what_its_expression_means(pattern: str, text: str) -> None:
    """Compare with the obvious expression, which may take exponential time on long texts."""
    obvious = "".join(
        {"*": ".*", "{id}": "[^/]+", "{x}": "[^/]+"}.get(piece, re.escape(piece))
        for piece in re.split(r"(\*|\{[a-z]+\})", pattern)
    )
    expected = re.fullmatch(obvious, text, re.DOTALL) is not None
    assert Pattern(pattern).matches(text) == expected


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*a*b", "/{x}a{x}a{x}a{x}b", "*{x}/{y}a*b", "*a*"])
def test_a_long_text_takes_no_more_steps_than_it_has_characters(pattern: str) -> None:
    """An expression that goes back would not end within the lifetime of the test."""
    assert not Pattern(pattern).matches("/" + "ab" * 4000 + "\n/c" * 3 + "c") or pattern == "*a*"


def test_other_characters_stand_for_themselves() -> None:
    assert Pattern("/a.b+").matches("/a.b+")
    assert not Pattern("/a.b").matches("/aXb")
    assert Pattern("/{not closed").matches("/{not closed")
    assert not Pattern("").matches("a")
