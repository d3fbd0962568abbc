from collections.abc import Callable

import pytest

from mirror.commands.arguments import (
    read_instant,
    read_rates,
    read_shard,
    read_share,
    read_target,
)
from mirror.replay.schedule import Shard


def test_rates_shards_and_instants() -> None:
    assert read_rates("100, 200.5") == (100, 200.5)
    assert read_shard("0/3") == Shard(0, 3)
    assert read_instant("1970-01-01T09:00:10+09:00") == 10 == read_instant("10")
    assert read_instant("1970-01-01T00:00:10.5Z") == 10.5


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((read_rates, text) for text in ("", "0", "100,", "a", "nan", "-1", "100;200")),
        *((read_shard, text) for text in ("", "1", "3/3", "-1/3", "0/0", "a/b")),
        *((read_instant, text) for text in ("", "9am", "2026-11-23T09:00:00", "-5")),
        *((read_target, text) for text in ("a.example:80", "ftp://a", "http://a/path")),
    ],
)
def test_bad_text_says_what_was_expected(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        read(text)


def test_missing_scheme_is_named() -> None:
    with pytest.raises(ValueError, match=r"http://a\.example:8080\?"):
        read_target("a.example:8080")


@pytest.mark.parametrize(
    ("text", "share"), [("0.1%", 0.001), ("0", 0.0), ("1", 1.0), ("0.25", 0.25), ("100%", 1.0)]
)
def test_a_share_is_a_ratio_or_a_percentage(text: str, share: float) -> None:
    assert read_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "-1%", "2", "101%", "nan", "1e-3", "0.1 %"])
def test_any_other_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 0.1%"):
        read_share(text)
