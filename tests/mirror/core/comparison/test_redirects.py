"""Checks which spellings of a Location lead to the same place."""

import pytest

from mirror.core.comparison.redirects import lead_apart

BASE = "//www.example.com/shop/cart"

SAME_PLACE = [
    ("/next", "/next"),
    ("/next", "http://www.example.com/next"),
    ("https://www.example.com/next", "/next"),
    ("http://www.example.com/next", "http://WWW.example.com:80/next"),
    ("https://www.example.com:443/next", "https://www.example.com/next"),
    ("https://www.example.com:443/next", "/next"),
    ("//www.example.com/next", "/next"),
    ("next", "/shop/next"),
    ("../next", "http://www.example.com/next"),
    ("http://www.example.com", "http://www.example.com/"),
    ("", "/next"),
    ("/next", ""),
    ("http://[/", "http://[/"),
]
APART = [
    ("/next", "/login"),
    ("/next", "next"),
    ("/next", "http://other.example/next"),
    ("/next", "http://www.example.com:30080/next"),
    ("http://www.example.com/next", "https://www.example.com/next"),
    ("https://www.example.com/next", "https://www.example.com:80/next"),
    ("/Next", "/next"),
    ("http://[/", "/"),
]


@pytest.mark.parametrize(("ours", "theirs"), SAME_PLACE)
def test_a_place_has_many_names(ours: str, theirs: str) -> None:
    assert not lead_apart(ours, theirs, BASE)
    assert not lead_apart(theirs, ours, BASE)


@pytest.mark.parametrize(("ours", "theirs"), APART)
def test_another_place_is_told(ours: str, theirs: str) -> None:
    assert lead_apart(ours, theirs, BASE)
    assert lead_apart(theirs, ours, BASE)


def test_the_port_that_the_client_named_is_part_of_the_place() -> None:
    assert not lead_apart("/next", "http://localhost:8080/next", "//localhost:8080/")
    assert not lead_apart("/next", "http://localhost/next", "//localhost:80/")
    assert lead_apart("/next", "http://localhost/next", "//localhost:8080/")
