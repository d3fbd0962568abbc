"""Checks the times of logs in every form."""

from datetime import UTC

import pytest

from mirror.formats.access_log.request import NO_OFFSET, NO_TIME, BadLine
from mirror.formats.access_log.times import instant, local_second, written_time, zone_of

NEW_YEAR_S = 1767193199
"""31 December 2025, 23:59:59 in Tokyo, 14:59:59 in UTC."""


@pytest.mark.parametrize(
    ("zone", "shift_s"), [(b"+0000", 9 * 3600), (b"-0330", 12.5 * 3600), (b"+0900", 0)]
)
def test_the_zone_counts(zone: bytes, shift_s: float) -> None:
    assert local_second(b"31/Dec/2025:23:59:59 " + zone) == NEW_YEAR_S + shift_s


@pytest.mark.parametrize(
    ("text", "seconds", "is_whole"),
    [
        ("31/Dec/2025:23:59:59 +0900", NEW_YEAR_S, True),
        ("31/Dec/2025:23:59:59.125 +0900", NEW_YEAR_S + 0.125, False),
        ("2025-12-31T14:59:59Z", NEW_YEAR_S, True),
        ("2025-12-31T14:59:59.5Z", NEW_YEAR_S + 0.5, False),
        ("2025-12-31 14:59:59,500+00:00", NEW_YEAR_S + 0.5, False),
        ("2025-12-31T14:59:59.500000000Z", NEW_YEAR_S + 0.5, False),
    ],
)
def test_written_times_are_read(text: str, seconds: float, is_whole: bool) -> None:
    assert written_time(text, None) == (seconds, is_whole)


def test_a_time_without_offset_needs_a_zone() -> None:
    for text in ("31/Dec/2025:23:59:59.000", "2025-12-31T23:59:59.000"):
        with pytest.raises(BadLine, match="no offset from UTC: give --time-zone") as error:
            written_time(text, None)
        assert error.value.reason == NO_OFFSET
        assert written_time(text, zone_of("+09:00"))[0] == NEW_YEAR_S
        assert written_time(text, zone_of("Asia/Tokyo"))[0] == NEW_YEAR_S


def test_the_offset_of_a_zone_changes_with_the_season() -> None:
    berlin = zone_of("Europe/Berlin")
    winter, summer = (
        written_time(f"2025-{month}-01T12:00:00", berlin)[0] for month in ("01", "07")
    )
    assert (winter % 86400, summer % 86400) == (11 * 3600, 10 * 3600)
    assert zone_of("UTC") is UTC


@pytest.mark.parametrize("name", ["", "Nowhere/City", "+25:00", "../etc/passwd", "9", "+"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected UTC, an offset such as"):
        zone_of(name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1767193199, (NEW_YEAR_S, True)),
        ("1767193199", (NEW_YEAR_S, True)),
        (1767193199.5, (NEW_YEAR_S + 0.5, False)),
        (1767193199500, (NEW_YEAR_S + 0.5, False)),
        (1767193199500000, (NEW_YEAR_S + 0.5, False)),
        (1767193199500000000, (NEW_YEAR_S + 0.5, False)),
    ],
)
def test_unix_time_is_read_in_its_unit(value: object, expected: tuple[float, bool]) -> None:
    assert instant(value, None) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("32/Dec/2025:23:59:59 +0900", "31/Dez/2025:23:59:59 +0900", "31/Dec/2025:23:59:59 +9900"),
        *("29/Feb/2025:00:00:00 +0000", "yesterday", "", "1969-12-31T00:00:00Z", "20x5"),
    ],
)
def test_times_that_are_none_say_so(text: str) -> None:
    with pytest.raises(BadLine) as error:
        written_time(text, UTC)
    assert error.value.reason == NO_TIME
