import numpy as np
import pytest

from estimator.migration.order.traffic import Traffic, traffic_by_tag
from estimator.series.rps import RpsSeries

NAN = float("nan")


def test_peak_and_share_of_each_path() -> None:
    rps = np.array([[1.0, 3.0, NAN, NAN], [10.0, 6.0, NAN, NAN], [NAN, NAN, NAN, NAN]])
    traffic = traffic_by_tag(RpsSeries("s", 1_000, 60, ("/a", "/b", "/c"), rps))
    assert traffic["/a"] == Traffic(3.0, 1_060, pytest.approx(0.2), 60)
    assert traffic["/b"] == Traffic(10.0, 1_000, pytest.approx(0.8), 60)
    assert traffic["/c"] == Traffic(0.0, None, 0.0, 60)


def test_a_series_of_silence_has_no_shares() -> None:
    traffic = traffic_by_tag(RpsSeries("s", 0, 1, ("/a",), np.zeros((1, 3))))
    assert traffic == {"/a": Traffic(0.0, None, 0.0)}


def test_a_maximum_of_seconds_is_of_a_second() -> None:
    series = RpsSeries("s", 0, 60, ("/a",), np.ones((1, 2)), averaging_s=1)
    assert traffic_by_tag(series)["/a"].averaging_s == 1
