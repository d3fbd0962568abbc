import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.commands import quantities
from estimator.commands.quantities import Bounds, Reader

SHARE = quantities.ratio(Bounds(0, 1))
POSITIVE = quantities.number(Bounds(0, 10, is_low_open=True))
STRETCH = quantities.factor(Bounds(1, 10))
FEW = quantities.count(1, 9)


@pytest.mark.parametrize(
    ("read", "words", "value"),
    [
        (SHARE, "0.25", 0.25),
        (SHARE, "25%", 0.25),
        (STRETCH, "1.5x", 1.5),
        (STRETCH, "2", 2),
        (FEW, "9", 9),
        (POSITIVE, "0.5", 0.5),
        (quantities.milliseconds, "250ms", 250),
        (quantities.milliseconds, "1.5s", 1500),
        (quantities.seconds, "1m30s", 90),
        (quantities.days, "52w", 364),
        (quantities.named_rps, "watch=1200", ("watch", 1200)),
        (quantities.named_rps, "a=b=5.5", ("a=b", 5.5)),
    ],
)
def test_words_become_the_models_units(read: Reader, words: str, value: object) -> None:
    assert read(words) == value


@pytest.mark.parametrize(
    ("read", "words", "expected"),
    [
        (SHARE, "1.1", "a ratio from 0 to 1, such as 0.5 or 50%"),
        (SHARE, "nan", "a ratio from 0 to 1"),
        (SHARE, "-1", "a ratio from 0 to 1"),
        (STRETCH, "0.9x", "a factor from 1 to 10, such as 1.5x"),
        (STRETCH, "x", "a factor"),
        (FEW, "0", "a whole number from 1 to 9"),
        (FEW, "1.0", "a whole number from 1 to 9"),
        (FEW, "²", "a whole number"),
        (POSITIVE, "0", "a number above 0 and at most 10"),
        (POSITIVE, "inf", "a number above 0 and at most 10"),
        (quantities.milliseconds, "250", "a latency above 0 such as 250ms or 1.5s"),
        (quantities.milliseconds, "0ms", "a latency above 0"),
        (quantities.seconds, "60", "a duration such as"),
        (quantities.days, "36h", "whole days such as 365d"),
        (quantities.named_rps, "watch", "NAME=RPS such as watch=1200"),
        (quantities.named_rps, "=5", "NAME=RPS"),
        (quantities.named_rps, "watch=0", "NAME=RPS"),
    ],
)
def test_other_words_say_what_was_expected(read: Reader, words: str, expected: str) -> None:
    with pytest.raises(ValueError) as refused:
        read(words)
    assert f"expected {expected}" in str(refused.value)
    assert str(refused.value).endswith(f"got {words!r}")


@given(st.text(max_size=12))
def test_no_words_are_read_as_anything_outside_the_bounds(words: str) -> None:
    for read, low, high in ((SHARE, 0, 1), (STRETCH, 1, 10), (FEW, 1, 9), (POSITIVE, 0, 10)):
        try:
            value = read(words)
        except ValueError:
            continue
        assert low <= value <= high
