import random

import pytest

from mirror.errors import InputError
from mirror.formats.replay_result import ReplayResult
from mirror.noise import Difference
from mirror.replay.diff import compare
from mirror.replay.measurement import Measure
from mirror.replay.result import step_result
from mirror.replay.schedule import Step
from mirror.replay.steps import MeasuredStep
from tests.mirror.replay.test_result import measure, result


def run(seed: int, slower: float = 1.0, number: int = 4000) -> ReplayResult:
    """Return a run with random latencies from one distribution."""
    drawn = random.Random(seed)
    return result(measure(*(int(drawn.lognormvariate(9, 0.4) * slower) for _ in range(number))))


def of(differences: list[Difference], name: str) -> Difference:
    (found,) = (
        difference
        for difference in differences
        if difference.name == name and difference.where == "total"
    )
    return found


def test_two_runs_of_one_system_are_equal() -> None:
    found = compare(run(1), run(2))
    assert [difference.name for difference in found] == ["p50 ms", "p90 ms", "p99 ms", "errors"]
    assert not any(difference.is_beyond_noise for difference in found)
    assert all(difference.low <= difference.ratio <= difference.high for difference in found)


def test_slower_is_worse_beyond_the_ratio_only() -> None:
    p50 = of(compare(run(1), run(2, slower=1.3)), "p50 ms")
    assert p50.is_beyond_noise and p50.low < 1.3 < p50.high
    assert p50.is_worse(1.1) and not p50.is_worse(1.5)
    back = of(compare(run(2, slower=1.3), run(1)), "p50 ms")
    assert back.is_beyond_noise and back.ratio < 1 and not back.is_worse(1.1)


def test_few_requests_prove_nothing() -> None:
    assert not of(compare(run(1, number=10), run(2, 1.3, number=10)), "p99 ms").is_beyond_noise


def test_equal_to_the_resolution() -> None:
    assert not any(
        difference.is_beyond_noise for difference in compare(run(1), run(1, slower=1.003))
    )


def test_errors_are_compared() -> None:
    failing = run(1)
    failing.outcomes = {"2xx": 3600, "5xx": 400}
    found = of(compare(run(1), failing), "errors")
    assert (found.before.value, found.after.value) == (0, pytest.approx(0.1)) and found.is_worse(
        1.1
    )
    assert not of(compare(failing, failing), "errors").is_beyond_noise


def test_steps_at_the_same_rate() -> None:
    def stepped(*rates: float) -> ReplayResult:
        made = run(1, number=50)
        made.steps = [
            step_result(MeasuredStep(Step(rate, 0, 1), Measure(), measure(5000), 1, 1, 0))
            for rate in rates
        ]
        return made

    found = compare(stepped(10, 20), stepped(10, 30))
    assert {difference.where for difference in found} == {"total", "10 rps"}


def test_invalid_results_are_refused() -> None:
    late = run(1)
    late.is_valid, late.invalid_reason = False, "late"
    for pair, which in (((late, run(1)), "first"), ((run(1), late), "second")):
        with pytest.raises(InputError, match=f"the {which} result is invalid: late"):
            compare(*pair)
    broken = run(1)
    broken.histograms = type(broken.histograms)("x", "x", "x")
    with pytest.raises(InputError, match="histograms"):
        compare(broken, run(1))
