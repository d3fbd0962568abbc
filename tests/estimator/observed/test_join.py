from dataclasses import replace

import pytest

from estimator.errors import Problem
from estimator.observed.join import Setup, join
from estimator.observed.usage import Sample, usage_of
from estimator.table.load_tools.run import LoadRun
from estimator.table.rows import LoadPoint, Loop, Resources

RUN = LoadRun("wrk", Loop.CLOSED, rps=500.12345, duration_s=200.0, start=1000.0, p99_ms=9.0)
SETUP = Setup("api", ("app",), 2, {"app": 1000.0}, {})
SAMPLES = [
    # The ramp before and the idle time after must not count.
    *(Sample("api", pod, "app", second, 5.0, 1e9) for pod in "ab" for second in (990, 1200)),
    *(Sample("api", "a", "app", second, 300.0, 5e6) for second in range(1000, 1200, 20)),
    *(Sample("api", "b", "app", second, 400.0, 6e6) for second in range(1000, 1200, 40)),
]
USAGE = usage_of("usage.csv", SAMPLES)


def problems(run: LoadRun = RUN, setup: Setup = SETUP, usage=USAGE) -> list[str]:
    found = join(run, usage, setup, "r.json")
    assert isinstance(found, list)
    assert all(isinstance(each, Problem) for each in found)
    return [str(each) for each in found]


def test_row_holds_the_window_only() -> None:
    point = join(RUN, USAGE, SETUP, "r.json")
    assert isinstance(point, LoadPoint)
    assert point == LoadPoint(
        1,
        2,
        500.123,
        {"app": Resources(350.0, 6_000_000)},
        p99_ms=9.0,
        duration_s=200.0,
        tool="wrk",
        loop=Loop.CLOSED,
        cpu_max_millicores={"app": 400.0},
        cpu_limit_millicores={"app": 1000.0},
    )


def test_other_number_of_pods_is_no_guess() -> None:
    assert problems(setup=replace(SETUP, replicas=3)) == [
        "r.json: component api: 2 pods of app were seen in its time, and --replicas is 3"
        " (run: 1970-01-01T00:16:40Z to 1970-01-01T00:20:00Z)"
    ]


def test_everything_that_is_missing_is_named() -> None:
    both = replace(SETUP, containers=("app", "proxy"))
    late = problems(replace(RUN, start=5000.0), both)
    assert [each.partition(" (")[0] for each in late] == [
        "r.json: component api: usage.csv has fewer than 2 cpu and memory samples of app in its"
        " time",
        "r.json: component api: usage.csv has fewer than 2 cpu and memory samples of proxy in its"
        " time",
    ]


def test_samples_without_pods_are_of_one_replica() -> None:
    usage = usage_of("x", [Sample("", "", "app", 1000 + k, 100.0, 1.0) for k in range(5)])
    point = join(RUN, usage, SETUP, "r.json")
    assert isinstance(point, LoadPoint)
    assert point.usage["app"].cpu_millicores == pytest.approx(100)
