"""Checks that redaction leaves no secret, whatever the case of a name or the escapes in a key."""

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.redaction import redactor as redactor_module
from mirror.core.redaction.redactor import CACHES_BYTES, Redactor

HEADERS = (
    *("authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"),
    *("x-access-token", "x-amz-security-token", "x-csrf-token", "x-xsrf-token", "X-CSRFToken"),
    *("Private-Token", "X-Vault-Token", "x-goog-api-key", "Ocp-Apim-Subscription-Key"),
)
QUERY_KEYS = (
    *("token", "access_token", "refresh_token", "id_token", "jwt", "code", "auth"),
    *("api_key", "apikey", "key", "secret", "client_secret", "signature", "sig"),
    *("password", "passwd", "pwd", "session", "sessionid", "session_id", "sid"),
    *("x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-goog-signature"),
    *("auth_token", "accessToken", "PHPSESSID", "oauth_token", "api-key", "SAMLResponse"),
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"

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
    for target in ("/", "/a?", "/a?b", "/a?b=1&&c=%zz", "/token=1", "/a?token=", "*", "/a;v=1"):
        assert redactor.target(target) == target
    assert redactor.redacted == 0


def test_names_of_clients_do_not_pile_up() -> None:
    redactor = Redactor()
    for number in range(10_000):
        redactor.fields([(f"x-{number}", "1")])
        redactor.target(f"/?k{number}=1")
    assert len(redactor._actions) <= 4096
    assert len(redactor._secret_keys) <= 4096


def test_what_was_redacted_is_named() -> None:
    redactor = Redactor()
    redactor.fields([("Cookie", "a=1"), ("X-Vault-Token", "s.1"), ("X-Note", f"see {JWT}")])
    redactor.target(f"/reset/{JWT}?token=1&next={JWT}&{JWT}")
    assert redactor.places == {
        "header cookie": 1,
        "header x-vault-token": 1,
        "header x-note: JWT": 1,
        "path: JWT": 1,
        "query key token": 1,
        "query key next: JWT": 1,
        "query key: JWT": 1,
    }
    assert redactor.redacted == 7


@pytest.mark.parametrize("key", [None, b"k" * 16])
@pytest.mark.parametrize(
    ("target", "left"),
    [
        (f"/reset/{JWT}/done?a=1", "/reset/{}/done?a=1"),
        (f"/reset/{JWT.replace('.', '%2E')}?a=1", "/reset/{}?a=1"),
        ("/shop;jsessionid=1A2B/cart", "/shop{;jsessionid=}/cart"),
        ("/a#access_token=1&b=2", "/a#{access_token=&}b=2"),
        ("https://user:S3CR@h.example/a", "https://h.example/a"),
        ("/pay?n=4111+1111+1111+1111&b=2", "/pay?{n=&}b=2"),
    ],
)
def test_secrets_are_found_in_every_part_of_a_target(
    target: str, left: str, key: bytes | None
) -> None:
    result = Redactor(key=key).target(target)
    text, _, _ = left.partition("{")
    assert result.startswith(text) and result.endswith(left.rpartition("}")[2])
    assert not any(secret in result for secret in ("eyJ", "1A2B", "=1&", "S3CR", "4111"))


def test_values_that_look_random_are_doubted_and_kept() -> None:
    redactor = Redactor()
    random = "9f8a7c6d5e4b3a2918ff07d6"
    assert redactor.target(f"/d/{random}?cart={random}") == f"/d/{random}?cart={random}"
    assert redactor.fields([("X-Visit", random)]) == (("X-Visit", random),)
    assert redactor.doubtful == {"path": 1, "query key cart": 1, "header x-visit": 1}
    assert redactor.redacted == 0


def test_counters_are_bounded_too() -> None:
    redactor = Redactor()
    for number in range(5000):
        redactor.target(f"/?token{number}=1")
    assert len(redactor.places) <= 4097
    assert redactor.places["other names"] == 5000 - 4096


_PIECES = st.sampled_from(
    [
        "/",
        "?",
        "&",
        "=",
        "a",
        "token",
        "k",
        "watch/7",
        "%2E",
        ";",
        "#",
        "@",
        JWT,
        "4111111111111111",
    ]
    + ["4111-1111-1111-1111", "378282246310005", "xoxb-0123456789", "AKIA0123456789ABCDEF"]
    + ["9f8a7c6d5e4b3a2918ff", "0123456789a===", "PHPSESSID", "==", "-"]
)


@given(st.lists(_PIECES, max_size=8).map("".join))
def test_the_short_way_says_what_the_long_way_says(text: str) -> None:
    short, long = Redactor(), Redactor()
    with pytest.MonkeyPatch.context() as patch:
        kept = short.target("/" + text)
        patch.setattr(redactor_module, "_NOTABLE", re.compile(""))
        assert long.target("/" + text) == kept
    assert (short.places, short.doubtful) == (long.places, long.doubtful)


@given(st.lists(st.lists(_PIECES, max_size=8).map("".join), max_size=6))
def test_several_targets_are_redacted_as_one_by_one(texts: list[str]) -> None:
    at_once, one_by_one = Redactor(), Redactor()
    targets = [f"/{text}" for text in texts]
    assert at_once.targets(targets) == [one_by_one.target(target) for target in targets]
    assert (at_once.places, at_once.doubtful) == (one_by_one.places, one_by_one.doubtful)


def test_marks_and_long_words_are_seen_in_several_targets() -> None:
    targets = ["/a", "/a;token=1", "/a#token=1", "/?%74oken=1&a=2", f"/{JWT}", "/b?token=1&a=2"]
    assert Redactor().targets(targets) == ["/a", "/a", "/a", "/?a=2", "/redacted", "/b?a=2"]


def test_all_names_stay_within_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    share = redactor_module._MOST_NAMES // 64
    monkeypatch.setattr(redactor_module, "_MOST_NAMES", 64)
    redactor = Redactor()
    tracemalloc.start()
    try:
        for number in range(64):
            name = f"{number:0249d}"
            redactor.fields([(name, "1"), (f"token-{number:0242d}", "1")])
            redactor.fields([(name * 40, "1"), (f"token-{name}" * 40, "1")])  # too long to be kept
            redactor.target(f"/?{name}=1")
            redactor.target("/?" + "&".join(f"{number:04d}{at:010d}" for at in range(16)))
            redactor.target("/?" + "&".join(f"k{number}{at}" for at in range(40)))
            redactor.target(f"/?a={number:06d}" + "%F0%9F%98%80" * 250)
        held_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert CACHES_BYTES / 4 < held_bytes * share <= CACHES_BYTES


def test_what_is_redacted_already_stays() -> None:
    first = Redactor(key=b"k" * 16)
    headers = first.fields([("Cookie", "sid=1; theme=dark"), ("Authorization", "Basic x")])
    target = first.target("/a?token=1&b=2")
    again = Redactor()
    assert (again.fields(headers), again.target(target)) == (headers, target)
    assert again.redacted == 0
    assert again.fields([("Cookie", headers[0][1] + "; other=S3CR")]) == ()
