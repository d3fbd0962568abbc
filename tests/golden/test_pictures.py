"""Checks that the pictures are those of their texts, and how a text becomes one."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.golden.pictures import OURS, PICTURES, svg

HOW = "draw it anew: .venv/bin/python -m tests.golden.pictures"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("text", sorted(PICTURES.glob("*.txt")), ids=lambda path: path.stem)
def test_the_picture_is_that_of_its_text(text: Path) -> None:
    assert text.with_suffix(".svg").read_text() == svg(text.read_text()), HOW


def test_the_picture_has_both_programs_and_both_colours() -> None:
    picture = (PICTURES / "where-it-sits.svg").read_text()
    tree = ElementTree.fromstring(picture)
    ours = tree.findall(f"{SVG}g[@class='ours']")
    words = {text.text for text in tree.iter(f"{SVG}text")}
    assert len(ours) == len(OURS) and words >= OURS
    assert "prefers-color-scheme: dark" in picture


def test_a_box_its_text_and_its_arrow() -> None:
    tree = ElementTree.fromstring(svg("┌───┐\n│ a ├──► b c\n└───┘\n"))
    assert len(tree.findall(f"{SVG}rect")) == 1
    assert [text.text for text in tree.iter(f"{SVG}text")] == ["a", "b c"]
    ways = [path.get("d") for path in tree.iter(f"{SVG}path")]
    # From the middle of the box's edge to that of the arrow's character, and no way of a copy.
    assert ways[:2] == ["M40.5 30H67.5", ""]
    assert ways[2:] == ["M72 30L63 25L63 35Z"]


def test_a_box_that_is_open_is_refused() -> None:
    with pytest.raises(ValueError, match="line 1, column 1: this box is not closed"):
        svg("┌───┐\n│ a │\n└──\n")
