"""Instants on the clock of the plan's zone, and shares, in words."""

from datetime import datetime, tzinfo

from estimator import units
from estimator.model.confidence import WEEKDAYS


def day_and_time(second: int, zone: tzinfo) -> str:
    """Return `Tuesday 2026-01-20 14:00 UTC`."""
    moment = datetime.fromtimestamp(second, zone)
    # The %A of strftime means the days of the locale.
    return f"{WEEKDAYS[moment.weekday()]} {moment:%Y-%m-%d %H:%M %Z}"


def clock(second: int, zone: tzinfo) -> str:
    """Return `13:53`, or `13:53:45` where it is no whole minute."""
    moment = datetime.fromtimestamp(second, zone)
    return moment.strftime("%H:%M:%S" if moment.second else "%H:%M")


def ratio(value: float) -> str:
    """Return a ratio of the mirror with four digits: `0.3333`."""
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """Return whole seconds as `6m15s`."""
    return units.format_duration(round(seconds))
