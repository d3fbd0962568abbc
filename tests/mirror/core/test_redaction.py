"""Checks that redaction leaves no secret, whatever the case of a name or the escapes in a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.redaction import HEADERS, QUERY_KEYS, Redactor

SECRET = st.text("abcdefghijklmnopqrstuvwxyz0123456789/+", min_size=8, max_size=30).map(
    lambda text: f"S3CR{text}"
)


def scrambled(name: str, upper: list[bool]) -> str:
    return "".join(c.upper() if up else c for c, up in zip(name, upper * 9, strict=False))


@given(
    st.sampled_from(sorted(HEADERS)),
    st.lists(st.booleans(), min_size=4, max_size=9),
    SECRET,
    st.none() | st.just(b"k" * 16),
)
def test_no_header_value_stays(
    name: str, upper: list[bool], secret: str, key: bytes | None
) -> None:
    redactor = Redactor(key=key)
    fields = redactor.fields([(scrambled(name, upper), f"a={secret}; b={secret}"), ("x", "kept")])
    assert "S3CR" not in repr(fields)
    assert ("x", "kept") in fields
    assert redactor.redacted


@given(
    st.sampled_from(sorted(QUERY_KEYS)),
    st.lists(st.booleans(), min_size=4, max_size=9),
    SECRET,
    st.none() | st.just(b"k" * 16),
    st.sampled_from("&;"),
)
def test_no_query_value_stays(
    name: str, upper: list[bool], secret: str, key: bytes | None, separator: str
) -> None:
    first, rest = scrambled(name, upper)[0], scrambled(name, upper)[1:]
    query = f"a=1{separator}%{ord(first):02X}{rest}={secret}{separator}b={name}"
    redactor = Redactor(key=key)
    target = redactor.target(f"/p?{query}")
    assert "S3CR" not in target
    assert target.startswith("/p?a=1") and target.endswith(f"b={name}")
    assert redactor.redacted == 1
    assert "S3CR" not in repr(redactor.fields([("Referer", f"https://a/p?{query}")]))


@pytest.mark.parametrize("key", ["user[token]", "token[]", "a.token", "user%5Btoken%5D"])
def test_nested_keys_are_found(key: str) -> None:
    assert Redactor().target(f"/p?{key}=1") == "/p"


def test_equal_values_have_equal_hashes() -> None:
    one, two = Redactor(key=b"k" * 16), Redactor(key=b"k" * 16)
    other = Redactor(key=b"o" * 16)
    assert one.target("/?token=a") == two.target("/?token=a") != one.target("/?token=b")
    assert one.target("/?token=a") != other.target("/?token=a")


def test_cookies_are_hashed_one_by_one() -> None:
    redactor = Redactor(key=b"k" * 16)
    ((_, first),) = redactor.fields([("cookie", "sid=1; theme=dark")])
    ((_, second),) = redactor.fields([("cookie", "sid=1; theme=light")])
    assert first.split("; ")[0] == second.split("; ")[0]
    assert first != second
    ((_, bare),) = redactor.fields([("cookie", "nothing")])
    assert "nothing" not in bare


def test_own_names_are_added() -> None:
    redactor = Redactor(["X-Session"], ["Voucher"])
    assert redactor.fields([("x-session", "1"), ("authorization", "1")]) == ()
    assert redactor.target("/a?voucher=1&b=2&token=3") == "/a?b=2"


def test_what_has_no_secret_is_left_alone() -> None:
    redactor = Redactor()
    for target in ("/", "/a?", "/a?b", "/a?b=1&&c=%zz", "/token=1", "/a?token="):
        assert redactor.target(target) == target
    assert redactor.redacted == 0


def test_names_of_clients_do_not_pile_up() -> None:
    redactor = Redactor()
    for number in range(10_000):
        redactor.fields([(f"x-{number}", "1")])
        redactor.target(f"/?k{number}=1")
    assert len(redactor._actions) <= 4096
    assert len(redactor._secret_keys) <= 4096
