from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from estimator.commands.switching.plan_options import MOST_STEPS, read_wanted
from estimator.errors import InputError
from estimator.migration.switch_plan.plan import Wanted
from estimator.model.policy import Policy

AT = int(datetime(2026, 12, 1, 10, tzinfo=UTC).timestamp())


def read(policy: Policy | None = None, **texts: Any) -> Wanted:
    usual = {"at": None, "zone": None, "steps": "1,5,25,50,100", "hold": "30m"}
    return read_wanted({**usual, **texts}, policy or Policy())


def problems(policy: Policy | None = None, **texts: Any) -> list[str]:
    with pytest.raises(InputError) as error:
        read(policy, **texts)
    return [str(problem) for problem in error.value.problems]


def test_defaults_are_five_steps_at_a_time_of_our_choice() -> None:
    assert read() == Wanted((1, 5, 25, 50, 100), 1800, UTC, None)


@pytest.mark.parametrize(
    ("at", "zone", "second"),
    [
        ("2026-12-01T10:00Z", None, AT),
        ("2026-12-01T10:00+09:00", None, AT - 9 * 3600),
        ("2026-12-01T10:00", "Europe/Berlin", AT - 3600),
        ("2026-12-01T10:00+09:00", "UTC", AT - 9 * 3600),
        (f"{AT}", None, AT),
        (f"{AT}", "Asia/Tokyo", AT),
    ],
)
def test_time_is_one_instant(at: str, zone: str | None, second: int) -> None:
    assert read(at=at, zone=zone).at == second


def test_zone_is_that_of_the_time_unless_it_is_given() -> None:
    assert read(at="2026-12-01T10:00+09:00").zone == timezone(timedelta(hours=9))
    assert read(at="2026-12-01T10:00+09:00", zone="UTC").zone == UTC
    assert read(zone="Europe/Berlin").zone == ZoneInfo("Europe/Berlin")


def test_time_without_a_zone_is_refused() -> None:
    (problem,) = problems(at="2026-12-01T10:00")
    assert problem == (
        "--at: expected an offset from UTC, as in 2026-12-01T10:00+09:00, or --zone beside"
        " '2026-12-01T10:00'"
    )


@pytest.mark.parametrize("at", ["tomorrow", "2026-13-01T10:00Z", "nan", "99999999999999"])
def test_no_time_is_refused(at: str) -> None:
    (problem,) = problems(at=at)
    assert problem.startswith("--at: expected Unix seconds or a time such as")


def test_percent_signs_and_spaces_are_read() -> None:
    assert read(steps="10%, 100%").percents == (10, 100)
    assert read(steps="20").percents == (20,)


@pytest.mark.parametrize(
    "steps",
    ["", "0,50", "5,5", "50,25", "1,101", "1.5", "-1", "a", "1,,5", "²", ",".join(["1"] * 30)],
)
def test_steps_that_do_not_rise_are_refused(steps: str) -> None:
    (problem,) = problems(steps=steps)
    assert problem.startswith("--steps: expected at most 20 rising percentages from 1 to 100")


def test_too_many_steps_are_refused() -> None:
    many = ",".join(str(percent) for percent in range(1, MOST_STEPS + 1))
    assert len(read(steps=many).percents) == MOST_STEPS
    assert problems(steps=f"{many},100")


def test_hold_is_at_least_the_warm_up() -> None:
    (problem,) = problems(hold="6m")
    assert problem == (
        "--hold: expected at least 7m, got 6m: the warm-up of a step passes while the step before"
        " it is held"
    )
    assert read(hold="7m").hold_s == 420
    # Pods that start slowly have a longer warm-up, and one step has no other before it.
    assert "at least 16m" in problems(Policy(pod_start_s=600), hold="15m")[0]
    assert read(hold="1m", steps="100").hold_s == 60


@pytest.mark.parametrize("hold", ["8d", "0m", "soon"])
def test_hold_that_is_none_is_refused(hold: str) -> None:
    (problem,) = problems(hold=hold)
    assert problem.startswith("--hold: expected")


def test_everything_wrong_is_told_at_once() -> None:
    found = problems(at="x", zone="Nowhere/At-all", steps="x", hold="x")
    assert [problem.split(":")[0] for problem in found] == ["--zone", "--at", "--steps", "--hold"]
