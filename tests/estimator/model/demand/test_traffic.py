from dataclasses import replace

import numpy as np
import pytest

from estimator.errors import Refused
from estimator.model.demand.traffic import Traffic
from estimator.series.rps import KnownSeconds, RpsSeries

NAN = np.nan
RPS = np.array([[1.0, 5, NAN, 3], [10, NAN, NAN, 30], [0, 0, NAN, 0]])
SERIES = RpsSeries("test", 1000, 60, ("/a", "/b", "/none"), RPS, averaging_s=1)


@pytest.mark.parametrize("routes", [("*",), ("/a",), ("/b", "/a"), ("/unknown",), ("/b", "*")])
def test_demand_is_that_of_the_series(routes: tuple[str, ...]) -> None:
    np.testing.assert_array_equal(Traffic(SERIES).demand(routes), SERIES.demand(routes))


def test_what_was_added_up_is_kept() -> None:
    traffic = Traffic(SERIES)
    assert traffic.demand(("*",)) is traffic.demand(("/a", "/b", "/none"))


def test_component_carries_the_paths_that_move() -> None:
    traffic = Traffic(SERIES)
    assert traffic.carried(("*",), ("/b",)) == ("/b",)
    assert traffic.carried(("/a", "/c"), ("/a", "/b")) == ("/a",)
    assert traffic.carried(("/a", "/c"), ()) == ("/a", "/c")


def test_peak_and_its_second_are_found() -> None:
    found = Traffic(SERIES).observed("api", ("*",))
    assert (found.peak_rps, found.peak_second) == (33, 1180)
    assert (found.what, found.averaging_s) == ("all routes", 1)
    assert Traffic(SERIES).peak("/a") == 5


def test_routes_without_a_request_are_refused() -> None:
    traffic = Traffic(SERIES)
    assert not traffic.has(("/none", "/unknown"))
    assert traffic.has(("/none", "/a"))
    assert traffic.has(("*",))
    with pytest.raises(Refused, match=r"api: none of its routes \(/none\) had a request"):
        traffic.observed("api", ("/none",))


def test_seconds_that_are_known_decide_a_sum() -> None:
    detail = KnownSeconds(1000 // 60 * 60, np.zeros((3, 60)))
    detail.rps[0, 5], detail.rps[1, 6] = RPS[0, 0], RPS[1, 0]
    known = replace(SERIES, start=1000 // 60 * 60, details=(detail,))
    both = Traffic(known).demand(("/a", "/b"))
    # The rates are 1 and 10 in different seconds, never 11 at once.
    assert both[0] == 10
    assert both[0] == known.demand(("/a", "/b"))[0]


def test_components_of_one_route_share_its_demand() -> None:
    traffic = Traffic(SERIES)
    first = traffic.observed("a", ("/a",))
    assert traffic.observed("b", ("/a",)).demand is first.demand
