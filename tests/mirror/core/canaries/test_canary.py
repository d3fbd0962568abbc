"""Checks which targets name a canary."""

import pytest

from mirror.core.canaries.canary import MARK, MARK_BEGIN, MARK_END, Canary, canary_id

ID = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (f"/?mirror-canary={ID}", ID),
        (f"/a?b=c&mirror-canary={ID}", ID),
        (f"/a?b=c&mirror-canary={ID}&d", ""),
        (f"/?mirror-canary={ID}0", ""),
        (f"/?mirror-canary={ID[1:]}", ""),
        (f"/?mirror-canary={ID}g", ""),
        (f"/?xmirror-canary={ID}", ""),
        (f"/mirror-canary={ID}", ""),
        ("/?mirror-canary=\x1b]0;x\x07", ""),
    ],
)
def test_only_a_short_plain_id_counts(target: str, expected: str) -> None:
    assert canary_id(target.encode()) == expected


def test_the_mark_stands_at_a_fixed_place() -> None:
    assert f"/a?b=c&mirror-canary={ID}".encode()[MARK_BEGIN:MARK_END] == MARK
    assert b"/"[MARK_BEGIN:MARK_END] == b""


def test_a_canary_has_ended_with_an_outcome_or_without_a_leg() -> None:
    assert not Canary(ID, 1.0, legs=1).is_ended
    assert Canary(ID, 1.0, legs=1, outcome="2xx").is_ended
    assert Canary(ID, 1.0, why_none="ratio").is_ended
