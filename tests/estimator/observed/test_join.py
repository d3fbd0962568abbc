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
    # Neither the ramp before nor the idle time after must count.
    *(Sample("api", pod, "app", second, 5.0, 1e9) for pod in "ab" for second in (990, 1200)),
    *(Sample("api", "a", "app", second, 300.0, 5e6) for second in range(1000, 1200, 20)),
    *(Sample("api", "b", "app", second, 400.0, 6e6) for second in range(1000, 1200, 40)),
]
USAGE = usage_of("usage.csv", SAMPLES)
MINUTES = {970: 5.0, 1030: 100.0, 1090: 300.0, 1150: 900.0}


def problems(run: LoadRun = RUN, setup: Setup = SETUP, usage=USAGE) -> list[str]:
    found = join(run, usage, setup, "r.json")
    assert isinstance(found, list)
    assert all(isinstance(problem, Problem) for problem in found)
    return [str(problem) for problem in found]


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
    assert [problem.partition(" (")[0] for problem in late] == [
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


def test_mean_over_a_minute_must_not_reach_into_another_step() -> None:
    # The run is from 1000 to 1200. Minutes start at 970, 1030, 1090 and 1150; the last ends later.
    minutes = [Sample("api", "a", "app", at, cpu, 1.0) for at, cpu in MINUTES.items()]
    setup = replace(SETUP, replicas=None)
    point = join(RUN, usage_of("Datadog", minutes, covers_s=(0.0, 60.0)), setup, "r.json")
    assert isinstance(point, LoadPoint)
    assert point.usage["app"].cpu_millicores == 200
    # Here each minute ends at its timestamp, as for values of rate().
    point = join(RUN, usage_of("Prometheus", minutes, covers_s=(60.0, 0.0)), setup, "r.json")
    assert isinstance(point, LoadPoint)
    assert point.usage["app"].cpu_millicores == (300 + 900) / 2


def test_single_mean_is_a_row_without_a_highest_sample() -> None:
    usage = usage_of("Datadog", [Sample("api", "a", "app", 1060, 100.0, 1.0)], (), (0.0, 60.0))
    point = join(RUN, usage, replace(SETUP, replicas=None), "r.json")
    assert isinstance(point, LoadPoint)
    assert (point.replicas, point.cpu_max_millicores) == (1, {})


def test_unknown_container_is_no_guess() -> None:
    samples = [Sample("api", "a", name, 1000 + k, 1.0, 1.0) for name in "xy" for k in range(3)]
    setup = replace(SETUP, containers=("x",), replicas=None)
    (problem,) = problems(setup=setup, usage=usage_of("u.csv", samples))
    assert "container y was measured, and the requests of the component lack it" in problem


def test_different_numbers_of_pods_are_no_guess() -> None:
    samples = [Sample("api", "a", name, 1000 + k, 1.0, 1.0) for name in "xy" for k in range(3)]
    samples += [Sample("api", "b", "x", 1000 + k, 1.0, 1.0) for k in range(3)]
    setup = replace(SETUP, containers=(), replicas=None)
    (problem,) = problems(setup=setup, usage=usage_of("u.csv", samples))
    assert "seen in different numbers of pods: 2 of x, 1 of y" in problem
