"""Checks which values are a secret by their form alone. Every credential here is invented."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.redaction.values import is_random, secret_kind


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "JWT"),
        ("Bearer abcdef0123", "bearer token"),
        ("basic dXNlcjpwYXNz", "password"),
        ("AKIA" + "A1" * 8, "AWS key"),
        ("ASIA" + "A1" * 8, "AWS key"),
        ("AIza" + "x" * 35, "Google key"),
        ("ya29." + "x" * 24, "Google token"),
        ("ghp_" + "a1" * 18, "GitHub token"),
        ("github_pat_" + "a1" * 12, "GitHub token"),
        ("glpat-" + "a1" * 10, "GitLab token"),
        ("xoxb-" + "12345-" * 3, "Slack token"),
        ("sk_live_" + "a1" * 8, "Stripe key"),
        ("rk_test_" + "a1" * 8, "Stripe key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        ("4111111111111111", "card number"),
        ("5555 5555 5555 4444", "card number"),
        ("3714-496353-98431", "card number"),
    ],
)
def test_secret_is_known_wherever_it_stands(value: str, kind: str) -> None:
    for text in (value, f"before {value}", f"a={value} after"):
        assert secret_kind(text) == kind


@pytest.mark.parametrize(
    "value",
    [
        *("", "/", "eyJ", "eyJshort.x", "bearer", "the bearer of news", "AKIA", "4111111111111112"),
        *(
            "1767225600000",
            "1767225600123456",
            "2026-01-01 00:00:00",
            "41111111111111111",
            "ghost_x",
        ),
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36",
    ],
)
def test_ordinary_value_is_no_secret(value: str) -> None:
    assert secret_kind(value) is None


@given(st.integers(4 * 10**14, 5 * 10**14 - 1))
def test_exactly_one_check_digit_makes_a_card_number(first: int) -> None:
    assert [secret_kind(f"{first}{last}") for last in range(10)].count("card number") == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("9f8a7c6d5e4b3a2918ff07d6", True),
        ("Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5", True),
        ("018f2e3c-7a5b-7c1d-9e2f-3a4b5c6d7e8f", False),
        ("12345678901234567890123", False),
        ("a-quiet-and-ordinary-slug-of-words", False),
        ("short1", False),
        ("with spaces 1234567890 and more", False),
    ],
)
def test_random_values_are_told_from_words_numbers_and_uuids(value: str, expected: bool) -> None:
    assert is_random(value) == expected
