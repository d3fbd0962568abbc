"""Checks the URI of a request: what it keeps, and that no secret and no value is in it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.redaction.redactor import Redactor
from mirror.core.uri_counts.canonical import (
    MOST_PATH_BYTES,
    MOST_QUERY_BYTES,
    raw_names,
    raw_path,
    uri_of,
)
from mirror.core.uri_counts.piece import Uri

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
CARD = "4111111111111111"
RESET_KEY = "9fQ2xZ7bLmT4cVd8RkW1"


def uri(target: str, host: bytes = b"Shop.Example:8080", method: bytes = b"GET") -> Uri:
    path, _, query = target.encode("latin-1").partition(b"?")
    return uri_of(method, host, raw_path(path), raw_names(query), Redactor(), False)


def test_a_uri_has_host_method_path_and_names() -> None:
    found = uri("/Items/7?sort=price&page=2&sort=name")
    assert found == Uri("shop.example:8080", "GET", "/Items/7", ("page", "sort"), False)
    assert uri("*", method=b"OPTIONS").path == "*"
    assert uri("/caf\xe9") == Uri("shop.example:8080", "GET", "/caf\xe9", (), False)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (f"/reset/{JWT}/now", "/reset/redacted/now"),
        (f"/pay/{CARD}", "/pay/redacted"),
        (f"/reset/{RESET_KEY}", "/reset/redacted"),
        (f"/reset/{RESET_KEY};v=1", "/reset/redacted"),
        ("/a;jsessionid=0123456789abcdef/b", "/a/b"),
        ("/a#access_token=secret", "/a#"),
        (
            "/user/3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "/user/3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        ),
        ("/the-quick-brown-fox-jumps-over", "/the-quick-brown-fox-jumps-over"),
    ],
)
def test_secrets_of_the_path_are_redacted(target: str, path: str) -> None:
    assert uri(target).path == path


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("wsdl", ("wsdl",)),
        ("a=1&a=2&b", ("a", "b")),
        ("&&a=&", ("a",)),
        ("filter[name]=x&a.b=1&%24top=2", ("*", "a.b", "filter[name]")),
        ("1700000000", ("*",)),
        (JWT, ("*",)),
        ("a;secret", ("*",)),
        ("john@example.com", ("*",)),
        ("q=a;secret&b=c=d", ("b", "q")),
        (f"{'n' * 65}=1", ("*",)),
        (f"a{RESET_KEY}", ("*",)),
    ],
)
def test_only_names_are_kept_of_a_query(query: str, names: tuple[str, ...]) -> None:
    assert uri(f"/a?{query}").names == names


def test_names_are_few() -> None:
    names = uri("/a?" + "&".join(f"n{number:02}=1" for number in range(40))).names
    assert names == ("*", *(f"n{number:02}" for number in range(16)))


def test_what_is_too_long_is_cut_at_its_segment_or_pair() -> None:
    before = "/a/" + "b" * (MOST_PATH_BYTES - 10) + "/"
    found = uri(f"{before}{JWT}/c")
    assert found.path == f"{before}*" and found.is_shape
    assert uri("/" + "a" * MOST_PATH_BYTES).path == "/*"
    assert uri(f"/a?first=1&value={'v' * MOST_QUERY_BYTES}").names == ("*", "first")
    assert uri(f"/a?value={'v' * MOST_QUERY_BYTES}").names == ("*",)
    assert uri("/", host=b"h" * 256).host == "*"
    for method in (b"M" * 33, b"G\xe4T"):
        assert uri("/", method=method).method == "*"


VALUE = "Val2Ue"


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b[]", "token", ""]), st.text("xyz;%=+/", max_size=9)))
)
def test_no_value_is_in_a_uri(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={VALUE}{rest}{VALUE}" for name, rest in pairs)
    assert not re.search(VALUE, str(uri(f"/a?{query}")))
