"""Checks that what redaction leaves is recognised, against the redaction itself."""

import pytest

from mirror.core.redaction.redactor import Redactor
from mirror.formats.capture.redacted import has_redacted_segment, is_hashed, may_be_missing

KEY = b"k" * 16
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize("name", ["authorization", "cookie", "x-api-key", "Cookie", "x-csrf-token"])
def test_what_redaction_touches_is_recognised(name: str) -> None:
    fields = [(name, "a=secret; b=secret")]
    ((_, hashed),) = Redactor(key=KEY).fields(fields)
    assert is_hashed(hashed)
    assert Redactor().fields(fields) == ()
    assert may_be_missing(name)


@pytest.mark.parametrize(
    "value", ["", "redacted", "redacted-1", "canary", "a=1; redacted-" + "0" * 24]
)
def test_other_values_are_known(value: str) -> None:
    assert not is_hashed(value)


@pytest.mark.parametrize("name", ["accept", "x-canary", "page", "user-agent"])
def test_other_names_are_absent_where_they_are_missing(name: str) -> None:
    assert Redactor().fields([(name, "1")]) == ((name, "1"),)
    assert not may_be_missing(name)


@pytest.mark.parametrize("key", [None, KEY])
def test_redacted_segments_are_recognised(key: bytes | None) -> None:
    target = Redactor(key=key).target(f"/reset/{JWT}/now?x=1")
    assert JWT not in target
    assert has_redacted_segment(target.partition("?")[0])
    assert not has_redacted_segment("/redacted-items/unredacted")
