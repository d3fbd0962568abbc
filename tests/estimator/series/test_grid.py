import tracemalloc

import numpy as np
import pytest

from estimator.errors import InputError, Refused
from estimator.series.grid import Period, Points, points_of, refuse_counters, series_of
from estimator.series.rps import RpsSeries

NOW = 10_000.0


def made(
    rows: list[tuple[float, int, float]],
    names: tuple[str, ...] = ("a", "b"),
    period: Period | None = None,
) -> RpsSeries:
    columns = np.array(rows, dtype=np.float64).T
    return series_of(
        Points(columns[0], columns[1].astype(np.int64), columns[2], names), "test", NOW, period
    )


def test_points_land_on_their_bucket() -> None:
    series = made([(120, 0, 1), (180, 0, 2), (180, 1, 5), (300, 0, 3)])
    assert (series.start, series.resolution_s) == (120, 60)
    np.testing.assert_array_equal(series.rps, [[1, 2, np.nan, 3], [np.nan, 5, np.nan, np.nan]])


def test_what_was_asked_for_is_there_gaps_included() -> None:
    series = made([(120, 0, 1), (180, 0, 2)], period=Period(60, 300, 10))
    assert (series.start, series.resolution_s, series.duration_s) == (60, 10, 240)
    assert series.observed_s == 20


def test_a_point_of_now_is_not_of_the_future() -> None:
    series = made(
        [(NOW, 0, 1), (NOW + 60, 0, 2), (NOW + 61, 0, 9)], period=Period(10_000, 10_001, 1)
    )
    assert series.peak(["a"]).rps == 2
    assert "1 of 3 points of the future" in series.repairs[0]


def test_routes_are_ordered_each_for_itself() -> None:
    # Datadog groups its answer by route; the second group starts earlier, which is no disorder.
    assert made([(60, 0, 1), (120, 0, 1), (60, 1, 1), (120, 1, 1)]).repairs == ()


def test_seconds_too_far_apart_are_refused() -> None:
    with pytest.raises(InputError, match="was a clock wrong"):
        series_of(
            Points(np.array([0.0, 1.0, 9e9]), np.zeros(3, dtype=np.int64), np.ones(3), ("a",)),
            "test",
            1e10,
        )


def test_equal_tags_become_one_route() -> None:
    points = points_of(np.zeros(3), np.array([0, 1, 2]), ["b", "a", "b"], np.ones(3))
    assert points.names == ("a", "b")
    assert points.routes.tolist() == [1, 0, 1]


def test_late_points_keep_the_resolution() -> None:
    rows = [(60.0 * n + (n % 9 == 5), 0, 1.0) for n in range(150)]  # some 59 and 61 s apart
    assert made([*rows, (70.0, 0, 1.0)]).resolution_s == 60
    halves = [(30.0 * n, 0, 1.0) for n in (1, 3, 5, 6, 8, 10)]
    assert made(halves).resolution_s == 30


@pytest.mark.parametrize(
    ("bad", "warnings", "doubts"),
    [(1, 0, 0), (2, 1, 0), (5, 1, 0), (6, 0, 1)],
)
def test_many_points_left_out_are_said_first_or_doubted(
    bad: int, warnings: int, doubts: int
) -> None:
    series = made([(float(n), 0, np.nan if n < bad else 1.0) for n in range(100)])
    assert (len(series.warnings), len(series.doubts)) == (warnings, doubts)
    for words in series.warnings + series.doubts:
        assert words.startswith(f"{bad}.0% of its points were left out")


def test_a_counter_is_refused() -> None:
    with pytest.raises(Refused, match="a counter and not a rate"):
        made([(60.0 * n, 0, 1e6 + n) for n in range(50)])


def routes(*rows: np.ndarray) -> RpsSeries:
    names = tuple(f"/r{n}" for n in range(len(rows)))
    return RpsSeries("test", 0, 60, names, np.array(rows))


def test_a_counter_is_refused_also_with_restarts_and_gaps() -> None:
    counter = 17e6 + np.arange(1000) * 60.0
    with pytest.raises(Refused, match="route /r0 falls 0 times in 999 changes, from 1.7e"):
        refuse_counters(routes(counter))
    counter[500:] -= counter[500]
    counter[100:200] = np.nan
    with pytest.raises(Refused, match="falls 1 times .* a counter and not a rate"):
        refuse_counters(routes(np.ones(1000), counter))


def test_traffic_is_no_counter() -> None:
    random = np.random.default_rng(1)
    quiet = random.poisson(0.01, 1000).astype(float)
    busy = random.poisson(np.linspace(1000, 5000, 1000)).astype(float)
    steps = np.repeat([100.0, 200, 300], 300)
    refuse_counters(routes(quiet, busy))
    refuse_counters(routes(steps, np.full(900, 7.0)))
    # Half an hour of a morning may rise all the time.
    refuse_counters(routes(np.arange(30.0)))


def test_no_more_than_a_few_arrays_of_points_are_in_memory() -> None:
    count = 200_000
    seconds, values = np.arange(float(count)), np.arange(float(count)) % 7
    points = Points(seconds, np.zeros(count, dtype=np.int32), values, ("a",))
    tracemalloc.start()
    series_of(points, "test", float(count))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 * seconds.nbytes
