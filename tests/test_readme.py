"""Checks that the README stays one screen to the first result, and names commands that exist."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
MOST_LINES = 120


def test_the_readme_is_short() -> None:
    assert len(TEXT.splitlines()) <= MOST_LINES


def test_the_readme_shows_both_commands() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in ("demo", "test"):
        assert f"make {name} " in TEXT and f"\n{name}:" in makefile
