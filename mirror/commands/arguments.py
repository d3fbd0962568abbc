"""Parsers of rates, shards and instants on a command line; each error says what is expected."""

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from mirror.addresses import Url, read_url
from mirror.replay.schedule import Shard

Value = TypeVar("Value")


class Number(click.FloatRange):
    """A float range that excludes NaN, which click finds neither too small nor too large."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail("expected a number", param, ctx)
        return number


class Written(click.ParamType):  # type: ignore[type-arg]
    """A value that `read` parses; `read` raises ValueError with what is expected."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value  # a default
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(f"{error}, got {value!r}", param, ctx)


def read_rates(text: str) -> tuple[float, ...]:
    """Return the rates in `100,200,400`, in requests per second. Raises ValueError."""
    try:
        rates = tuple(float(rate) for rate in text.split(","))
    except ValueError:
        rates = ()
    if not rates or not all(0.001 <= rate <= 1e6 for rate in rates):
        raise ValueError("expected rates above 0 such as 100,200,400")
    return rates


def read_shard(text: str) -> Shard:
    """Return the shard `INDEX/N`, whose index counts from 0. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if match is None or not int(match[1]) < int(match[2]):
        raise ValueError("expected INDEX/N with 0 <= INDEX < N, such as 0/4 for the first of four")
    return Shard(int(match[1]), int(match[2]))


def read_share(text: str) -> float:
    """Return the share `0.1%` or `0.001` as a number from 0 to 1. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(%?)", text)
    share = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= share <= 1:
        raise ValueError("expected a share such as 0.1% or 0.001")
    return share


def read_instant(text: str) -> float:
    """Return Unix time for RFC 3339 with an offset, or for Unix seconds. Raises ValueError."""
    expected = "expected a time such as 2026-11-23T09:00:00Z, or Unix seconds"
    if re.fullmatch(r"[0-9]{1,11}(\.[0-9]+)?", text):
        return float(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(expected) from None
    if instant.tzinfo is None:
        raise ValueError(
            f"{expected}: without an offset it would depend on the machine's time zone"
        )
    return instant.timestamp()


def read_target(text: str) -> Url:
    """Return the URL of an upstream. Raises ValueError."""
    try:
        return read_url(text)
    except ValueError as error:
        hint = "" if "://" in text else f" (http://{text}?)"
        raise ValueError(f"expected {error}{hint}") from None
