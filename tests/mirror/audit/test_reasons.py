"""Checks which logged requests may have no copy."""

import pytest

from mirror.audit.reasons import REASONS, WORDS, why_unmirrored


@pytest.mark.parametrize(
    ("status", "has_asked_upstream", "expected"),
    [
        (200, True, ""),
        (404, True, ""),
        (301, True, ""),
        (403, True, ""),
        (200, None, ""),
        (404, None, ""),
        (304, None, ""),
        (502, True, ""),
        (200, False, "answered_by_nginx"),
        (404, False, "answered_by_nginx"),
        (444, None, "answered_by_nginx"),
        (301, None, "redirected"),
        (308, False, "redirected"),
        (401, False, "denied"),
        (403, None, "denied"),
        (429, False, "limited"),
        (503, None, "limited"),
        (400, None, "malformed"),
        (414, False, "malformed"),
        (None, None, "malformed"),
        (499, True, "client_aborted"),
        (499, False, "client_aborted"),
    ],
)
def test_nginx_answers_before_its_mirror(
    status: int | None, has_asked_upstream: bool | None, expected: str
) -> None:
    assert why_unmirrored(status, has_asked_upstream) == expected


def test_every_reason_has_words() -> None:
    assert set(REASONS) <= set(WORDS)
