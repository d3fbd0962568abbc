"""Checks the examples of one worker: what they name, what they hide, and how many there are."""

import pytest

from mirror.core.comparison.answer import Answer
from mirror.core.comparison.examples import MOST, MOST_ID_CHARACTERS, Examples, RequestReader
from mirror.core.comparison.piece import ExampleAddition
from mirror.core.redaction.redactor import Redactor
from mirror.core.uri_counts.piece import Uri

OK = Answer(200, "2xx")
MISS = Answer(404, "4xx", is_from_proxy=True)


def request(target: bytes = b"/items/7?page=2&sort=up", fields: bytes = b"") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: Shop.example\r\n%b\r\n" % (target, fields)


def reader(id_header: str | None = "X-Request-Id") -> RequestReader:
    return RequestReader(id_header, Redactor((), ("token",)))


def add(examples: Examples, data: bytes, second: int = 10, result: str = "route_miss") -> None:
    examples.add("/items/_", result, (OK, MISS), data, second)


def test_equal_requests_are_one_example_with_the_newest_id() -> None:
    examples = Examples(reader())
    add(examples, request(fields=b"x-request-id: 1a\r\n"), 10)
    add(examples, request(b"/items/7?page=3&sort=down", b"X-REQUEST-ID:  2b \r\n"), 12)
    add(examples, request(b"/items/8"), 12)
    uri = Uri("shop.example", "GET", "/items/7", ("page", "sort"), False)
    taken, not_kept = examples.take()
    assert not_kept == 0 and [example.count for example in taken] == [2, 1]
    assert taken[0] == ExampleAddition("/items/_", "route_miss", uri, 200, 404, "", 2, 10, 12, "2b")
    assert (taken[1].uri.path, taken[1].request_id) == ("/items/8", "")
    assert examples.take() == ([], 0)


def test_other_statuses_and_results_are_other_examples() -> None:
    examples = Examples(reader())
    add(examples, request())
    add(examples, request(), result="app_not_found")
    examples.add("/items/_", "route_miss", (Answer(304, "3xx"), MISS), request(), 10)
    assert len(examples.take()[0]) == 3


def test_a_flood_of_different_requests_is_counted_and_not_kept() -> None:
    examples = Examples(reader())
    for number in range(MOST + 50):
        add(examples, request(b"/items/%d" % number))
    add(examples, request(b"/items/0"))
    taken, not_kept = examples.take()
    assert (len(taken), not_kept) == (MOST, 50)
    assert taken[0].count == 2
    assert examples.take() == ([], 0)


def test_what_is_shown_has_no_secret() -> None:
    examples = Examples(reader())
    secret = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
    add(examples, request(b"/reset/%b?token=%b" % (secret, secret)))
    shown = repr(examples.take())
    assert "/reset/" in shown and "token" in shown
    assert "eyJ" not in shown and "c2ln" not in shown


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/login", "/login"),
        ("https://user:word@shop.example/login", "https://shop.example/login"),
        ("https://shop.example", "https://shop.example"),
        ("//user:word@shop.example/login", "//shop.example/login"),
        ("/a//user@b", "/a//user@b"),
        ("/@user/a", "/@user/a"),
        ("https:/user:word@shop.example/login", "https:/shop.example/login"),
        ("https:\\\\user:word@shop.example\\login", "https:\\\\shop.example\\login"),
        ("/\\user:word@shop.example/login", "/\\shop.example/login"),
        ("https:user:word@shop.example/login", "https:shop.example/login"),
        ("", ""),
    ],
)
def test_location_is_shown_without_a_password(location: str, shown: str) -> None:
    examples = Examples(reader())
    shadow = Answer(302, "3xx", location=location)
    examples.add("/items/_", "redirect", (OK, shadow), request(), 10)
    assert examples.take()[0][0].location == shown


def test_location_is_redacted_like_a_path() -> None:
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
    for begin in ("https://shop.example/reset/", "app:"):
        assert "eyJ" not in reader().location(f"{begin}{jwt}")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"X-Request-Id: 9f3a\r\n", "9f3a"),
        (b"Cookie: a=b\r\nx-request-id:  9f \r\nA: b\r\n", "9f"),
        (b"X-Request-Id: %b\r\n" % (b"a" * MOST_ID_CHARACTERS), "a" * MOST_ID_CHARACTERS),
        (b"X-Request-Id: %b\r\n" % (b"a" * (MOST_ID_CHARACTERS + 1)), ""),
        (b"X-Request-Id: \xff\r\n", ""),
        (b"X-Request-Id: a\x1b[1m\r\n", ""),
        (b"", ""),
    ],
)
def test_id_of_a_request(fields: bytes, expected: str) -> None:
    assert reader().id_of(request(fields=fields)) == expected
    head_start, _, _ = request(fields=fields).rpartition(b"\r\n")
    assert reader().id_of(head_start) == expected
    assert reader(None).id_of(request(fields=fields)) == ""


def test_no_id_is_taken_from_a_body() -> None:
    data = request(fields=b"Content-Length: 21\r\n") + b"a\r\nx-request-id: 9f\r\n"
    assert reader().id_of(data) == ""
