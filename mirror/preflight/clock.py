"""This host's clock: against the `Date` of a server, and as the kernel sees it.

`Date` has whole seconds (RFC 9110 section 5.6.7), and Envoy renews its text twice a second
(source/common/http/date_provider_impl.cc). So an answer says only within which second and a half
the other clock was, at an instant between question and answer. Only a difference that no such
instant explains is reported.
"""

import ctypes
from email.utils import parsedate_to_datetime

from mirror.core.acceptance import Headers
from mirror.preflight.findings import Finding
from mirror.preflight.rules import CLOCK_DIFFERS, CLOCK_NOT_SYNCHRONISED

DATE_SPAN_S = 1.5
"""Seconds that one text of `Date` may stand for."""
TOLERANCE_S = 1.0
"""Smaller differences are not reported: seconds of both sides can still be laid side by side."""

_TIME_ERROR = 5
_STA_UNSYNC = 0x40


def clock_gap(headers: Headers, asked_s: float, answered_s: float) -> float | None:
    """Return by how many seconds the other clock is ahead of ours at least; negative is behind.

    0 where it may be right; None without a `Date` that can be read. `asked_s` and `answered_s` are
    Unix times just before the question and just after the answer.
    """
    text = next((value for name, value in headers if name == "date"), "")
    try:
        date_s = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    if date_s > answered_s:
        return date_s - answered_s
    return min(0.0, date_s + DATE_SPAN_S - asked_s)


def compare_clocks(
    where: str, headers: Headers, asked_s: float, answered_s: float
) -> list[Finding]:
    """Return a finding where the clock of the server at `where` is another than this host's."""
    gap_s = clock_gap(headers, asked_s, answered_s)
    if gap_s is None or abs(gap_s) < TOLERANCE_S:
        return []
    side = "ahead of" if gap_s > 0 else "behind"
    what = f"The clock there is at least {abs(gap_s):.1f} s {side} this host's (header Date)."
    return [CLOCK_DIFFERS.at(where, what)]


def kernel_clock() -> list[Finding]:
    """Return a finding where the kernel says that nothing synchronises its clock."""
    if _is_synchronised() is not False:
        return []
    what = "adjtimex reports that the clock is not synchronised."
    return [CLOCK_NOT_SYNCHRONISED.at("this host", what)]


class _Timex(ctypes.Structure):
    """`struct timex` of <sys/timex.h>, see adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),  # more than any platform has
    )


def _is_synchronised() -> bool | None:
    """Return what the kernel says; None where it cannot be asked."""
    timex = _Timex()  # modes 0 only reads
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    if state < 0:  # a container's filter of system calls may forbid even reading
        return None
    return not (state == _TIME_ERROR or timex.status & _STA_UNSYNC)
