"""Checks how requests that a log holds twice are recognised."""

import pytest

from mirror.formats.access_log import request
from mirror.formats.access_log.request import KnownIds


def test_repeats_are_known_by_their_id() -> None:
    known_ids = KnownIds()
    assert [known_ids.is_repeat(request_id) for request_id in "abab"] == [False, False, True, True]


def test_known_ids_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "RECENT_IDS", 3)
    known_ids = KnownIds()
    # An id is remembered for at least 3 and at most 6 further ids.
    assert not any(known_ids.is_repeat(request_id) for request_id in "abcdefg")
    assert known_ids.is_repeat("e")
    assert not known_ids.is_repeat("a")


@pytest.mark.parametrize("ids", ["abc", "abca", "ab", "xbc", "", "abcdefgh"])
def test_several_ids_are_known_as_one_by_one(monkeypatch: pytest.MonkeyPatch, ids: str) -> None:
    monkeypatch.setattr(request, "RECENT_IDS", 4)
    at_once, one_by_one = KnownIds(), KnownIds()
    for several in (ids, "defg", "ax", ids):
        ids_of = ["" if known == "x" else known for known in several]
        expected = {at for at, known in enumerate(ids_of) if known and one_by_one.is_repeat(known)}
        assert at_once.repeats(ids_of) == expected
