"""The times of access logs: $time_local, ISO 8601 and Unix time, as Unix time in seconds.

Invariant: a time without its offset from UTC is not taken for UTC. Wherever the host runs on local
time, that would shift the traffic by hours. The caller may name the zone of such times.
"""

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mirror.formats.access_log.request import NO_OFFSET, NO_TIME, BadLine

LOCAL_TIME = rb"\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
LOCAL_TIME_MS = rb"\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: [+-]\d{4})?"
ISO_TIME = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"

_FIRST_MILLISECONDS = 1e11
"""A greater Unix time is in milliseconds: in seconds it would be after the year 5138."""
_UNITS = ((1e17, 1e9), (1e14, 1e6), (_FIRST_MILLISECONDS, 1e3))
"""The first Unix time in a smaller unit, and how many of it are a second; nanoseconds first."""

# The %b of strptime means the months of the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LOCAL = re.compile(
    r"(\d\d)/([A-Z][a-z][a-z])/(\d{4}):(\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?: ([+-]\d\d)(\d\d))?"
)

Instant = tuple[float, bool]
"""Unix time, and whether it is known only to the second."""


def zone_of(name: str) -> tzinfo:
    """Return the zone `UTC`, `+09:00` or `Europe/Berlin`. Raises ValueError."""
    try:
        if name[:1] in ("+", "-"):
            moment = datetime.fromisoformat(f"2000-01-01T00:00:00{name}")
            assert moment.tzinfo is not None
            return moment.tzinfo
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        rule = f"expected UTC, an offset such as +09:00, or Europe/Berlin, got {name!r}"
        raise ValueError(rule) from error


@lru_cache(maxsize=1024)
def local_second(text: bytes) -> int:
    """Return the Unix time of nginx's $time_local, `31/Dec/2025:23:59:59 +0900`.

    All lines of a second ask for the same text. Raises BadLine for a day or month that is none.
    """
    return int(written_time(text.decode("ascii"), None)[0])


@lru_cache(maxsize=1024)
def written_time(text: str, zone: tzinfo | None) -> Instant:
    """Return the instant of a time in $time_local's form or in ISO 8601.

    `zone` is that of a time without an offset. Raises BadLine.
    """
    fraction = None
    iso = text
    if local := _LOCAL.fullmatch(text):
        day, name, year, clock, fraction, hours, minutes = local.groups()
        month = _MONTHS.index(name) + 1 if name in _MONTHS else 0
        iso = f"{year}-{month:02}-{day}T{clock}" + (f"{hours}:{minutes}" if hours else "")
    elif not text[:4].isdigit():
        raise BadLine(NO_TIME, f"time {text[:40]!r} is neither Unix time nor ISO 8601")
    try:
        moment = datetime.fromisoformat(iso)
        if moment.tzinfo is None:
            if zone is None:
                raise BadLine(
                    NO_OFFSET, f"time {text[:40]!r} has no offset from UTC: give --time-zone"
                )
            moment = moment.replace(tzinfo=zone)
        seconds = moment.timestamp()
    except (ValueError, OverflowError) as error:
        if local:
            raise BadLine(NO_TIME, f"time {text!r} does not exist: {error}") from error
        raise BadLine(NO_TIME, f"time {text[:40]!r} is neither Unix time nor ISO 8601") from None
    if fraction:
        seconds += int(fraction) / 10 ** len(fraction)
    if seconds < 0:
        raise BadLine(NO_TIME, f"time {text[:40]!r} is before 1970")
    return seconds, not fraction and not re.search("[.,]", text)


def instant(value: Any, zone: tzinfo | None) -> Instant:
    """Return the instant of a value of a JSON object. Raises BadLine."""
    if not value or value is True:
        raise BadLine(NO_TIME, "has no time")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return written_time(str(value), zone)
    is_whole = "." not in str(value)
    if number >= _FIRST_MILLISECONDS:
        is_whole = False
        number /= next(unit for first, unit in _UNITS if number >= first)
    if not 0 <= number < _FIRST_MILLISECONDS:
        raise BadLine(NO_TIME, f"time {value!r} is no Unix time")
    return number, is_whole
