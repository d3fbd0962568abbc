"""Checks the estimate of how far two clocks are apart."""

import math
import random
from array import array

from mirror.audit.clocks import Offset, lag_by_shape, offset_of


def test_the_median_ignores_a_slow_request() -> None:
    assert offset_of([2.5, 2.4, 90.0, 2.6, 2.5]) == Offset(2.5, 5)
    assert offset_of([]) is None
    assert Offset(-1.5, 1).is_apart and not Offset(0.4, 1).is_apart


def shape(seed: int) -> list[int]:
    chance = random.Random(seed)
    return [chance.randrange(5, 100) for _ in range(900)]


def test_a_shift_of_the_same_shape_is_seen() -> None:
    numbers = shape(1)
    later = [0] * 7 + numbers[:-7]
    assert lag_by_shape(array("L", numbers), array("L", later)) == 7
    assert lag_by_shape(array("L", later), array("L", numbers)) == -7


def test_a_shift_that_explains_little_more_is_none() -> None:
    wave = [round(1000 + 500 * math.sin(at / 50)) for at in range(900)]
    assert lag_by_shape(array("L", wave), array("L", wave[:4] + wave[:-4])) is None


def test_equal_steady_and_unlike_shapes_are_no_shift() -> None:
    numbers = array("L", shape(1))
    assert lag_by_shape(numbers, numbers) is None
    assert lag_by_shape(array("L", [50] * 900), array("L", [50] * 900)) is None
    assert lag_by_shape(numbers, array("L", shape(2))) is None
    assert lag_by_shape(numbers[:100], numbers[:100]) is None
