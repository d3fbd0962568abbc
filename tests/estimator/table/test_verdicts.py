from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.table.rows import LoadPoint, Loop, Resources, Verdict
from estimator.table.verdicts import judge

LADDER = tuple(
    LoadPoint(n, 1, rps, {"app": Resources(rps, 1)}, error_ratio=0.0)
    for n, rps in enumerate((100.0, 200.0, 300.0, 400.0), start=1)
)


def cpu(point: LoadPoint, millicores: float) -> LoadPoint:
    return replace(point, usage={"app": Resources(millicores, 1)})


def verdict(point: LoadPoint) -> tuple[Verdict, str]:
    (judgement,) = judge([point])
    return judgement.verdict, judgement.rule


def test_measured_ladder_is_judged_as_its_owners_did(nginx_ladder) -> None:
    targets: dict[Verdict, set[float | None]] = {}
    for point, judgement in zip(nginx_ladder, judge(nginx_ladder), strict=True):
        targets.setdefault(judgement.verdict, set()).add(point.rps_target)
    assert targets == {
        Verdict.OK: {25, 50, 100, 150, 200, 250, 300},
        Verdict.GENERATOR_BOUND: {400},  # with a single connection
        Verdict.SATURATED: {600, 700, 800, 1000, 1300},
    }


def test_worked_rows_of_the_docstring(nginx_ladder) -> None:
    rules = {p.rps_target: j.rule for p, j in zip(nginx_ladder, judge(nginx_ladder), strict=True)}
    assert rules[1300] == (
        "nginx used 949.1m, 95% of its 1 worker(s), which can use 1000m (saturated from 90%);"
        " reached 475.6 of 1300 rps"
    )
    assert rules[400] == (
        "reached 382.7 of 400 rps, less than 97%, while no container was saturated"
    )


def test_without_ceilings_the_plateau_shows_saturation(nginx_ladder) -> None:
    blind = [replace(point, workers={}) for point in nginx_ladder]
    by_target = {p.rps_target: j for p, j in zip(blind, judge(blind), strict=True)}
    assert by_target[1000].verdict is Verdict.SATURATED
    assert "rps no longer rises" in by_target[1000].rule
    assert by_target[400].verdict is Verdict.GENERATOR_BOUND
    assert "cpu_limit or workers is not stated" in by_target[400].rule


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"error_ratio": 0.0101}, Verdict.FAILING),
        ({"error_ratio": 0.01}, Verdict.OK),
        ({"duration_s": 119.9}, Verdict.TOO_SHORT),
        ({"duration_s": 120.0}, Verdict.OK),
        ({"rps_target": 103.2}, Verdict.GENERATOR_BOUND),
        ({"rps_target": 103.0}, Verdict.OK),
        ({"rps": 9.0, "rps_target": 10.0}, Verdict.OK),
        ({"cpu_limit_millicores": {"app": 111.0}}, Verdict.SATURATED),
        ({"cpu_limit_millicores": {"app": 112.0}}, Verdict.OK),
        ({"workers": {"app": 1}}, Verdict.OK),
        ({"cpu_max_millicores": {"app": 200.1}}, Verdict.NOISY),
        ({"cpu_max_millicores": {"app": 200.0}}, Verdict.OK),
    ],
)
def test_each_rule_has_its_edge(change: dict, expected: Verdict) -> None:
    assert verdict(replace(LADDER[0], **change))[0] is expected


def test_burst_of_nearly_nothing_is_not_noise() -> None:
    quiet = replace(cpu(LADDER[0], 4), cpu_max_millicores={"app": 49.0})
    assert verdict(quiet)[0] is Verdict.OK


def test_rules_carry_their_numbers() -> None:
    short = replace(LADDER[0], duration_s=30)
    assert verdict(short)[1] == "duration_s 30 is below 120: too few samples of cpu"
    bursting = replace(LADDER[0], cpu_max_millicores={"app": 250})
    assert verdict(bursting)[1] == (
        "cpu_max of app, 250m, is above 2 times its mean, 100m: the load was not steady"
    )


def test_failing_row_without_cpu_got_no_request() -> None:
    failing = replace(LADDER[0], error_ratio=1.0)
    assert verdict(failing)[1] == "error_ratio 1 is above 0.01"
    assert verdict(cpu(failing, 0))[1] == (
        "error_ratio 1 is above 0.01; it used no cpu, so no request reached it"
    )


def test_ok_says_what_was_not_checked() -> None:
    assert verdict(LADDER[0])[1] == (
        "not checked, because not stated: rps_target, duration_s, cpu_limit or workers"
    )
    whole = replace(LADDER[0], rps_target=100, duration_s=300, workers={"app": 1})
    assert verdict(whole) == (Verdict.OK, "all rules held")


def test_connections_that_bring_nothing_show_saturation() -> None:
    closed = [replace(LADDER[0], loop=Loop.CLOSED, connections=16, rps=700)]
    closed.append(replace(closed[0], row=2, connections=64, rps=712))
    assert [j.verdict for j in judge(closed)] == [Verdict.OK, Verdict.SATURATED]
    assert (
        "64 connections reached 712 rps, and 16 connections 700 rps in row 1"
        in judge(closed)[1].rule
    )
    open_loop = [replace(point, loop=Loop.OPEN) for point in closed]
    assert {j.verdict for j in judge(open_loop)} == {Verdict.OK}


def test_majority_decides_among_repeats() -> None:
    rows = [replace(cpu(LADDER[1], used), row=n) for n, used in enumerate((200, 204, 300), start=1)]
    assert [j.verdict for j in judge(rows)] == ["ok", "ok", "noisy"]
    assert judge(rows)[2].rule == (
        "app used 300m, more than 25% away from the 204m at the same load in row(s) 1, 2"
    )


@pytest.mark.parametrize("used", [(200, 300), (200, 200, 300, 300)])
def test_repeats_without_a_majority_are_all_kept(used: tuple[float, ...]) -> None:
    rows = [replace(cpu(LADDER[1], value), row=n) for n, value in enumerate(used, start=1)]
    assert {j.verdict for j in judge(rows)} == {Verdict.OK}


def test_falling_row_is_named_with_what_it_contradicts() -> None:
    rows = [*LADDER[:2], cpu(LADDER[2], 120), LADDER[3]]
    judgements = judge(rows)
    assert [j.verdict for j in judgements] == ["ok", "ok", "non-monotone", "ok"]
    assert judgements[2].rule == (
        "app used 120m at 300 rps per replica, and 200m at 200 in row 2: cpu should not fall as"
        " rps rises"
    )


def test_one_high_row_does_not_condemn_those_after_it() -> None:
    rows = [cpu(LADDER[0], 900), *LADDER[1:]]
    assert [j.verdict for j in judge(rows)] == ["non-monotone", "ok", "ok", "ok"]


def test_repetitions_at_one_load_are_no_fall() -> None:
    # The generator reached 100.0 rps in one run and 100.1 in the other; only the CPU differs.
    again = [replace(cpu(point, 0.8 * point.rps), rps=point.rps * 1.001) for point in LADDER]
    assert {j.verdict for j in judge([*LADDER, *again])} == {Verdict.OK}


def test_small_falls_are_noise_and_slow_falls_are_not() -> None:
    gentle = [cpu(LADDER[0], 110), cpu(LADDER[1], 100)]
    assert {j.verdict for j in judge(gentle)} == {Verdict.OK}
    slide = [cpu(point, used) for point, used in zip(LADDER, (200, 185, 171, 158), strict=True)]
    assert [j.verdict for j in judge(slide)].count(Verdict.NON_MONOTONE) == 2


def test_closed_loop_latency_is_doubted_when_full() -> None:
    closed = replace(LADDER[3], p99_ms=9.0, loop=Loop.CLOSED)
    assert "at an unknown utilisation" in (judge([closed])[0].latency_doubt or "")
    half_full = replace(closed, cpu_limit_millicores={"app": 800})
    assert judge([half_full])[0].latency_doubt is None
    fuller = replace(closed, cpu_limit_millicores={"app": 500})
    assert "at 80% of the cpu" in (judge([fuller])[0].latency_doubt or "")
    assert judge([replace(fuller, loop=Loop.OPEN)])[0].latency_doubt is None


rows = st.lists(
    st.builds(
        lambda rps, used, target, full, errors: replace(
            cpu(LADDER[0], used),
            rps=rps,
            rps_target=target,
            workers={"app": 1} if full else {},
            error_ratio=errors,
        ),
        st.sampled_from([0.0, 50.0, 51.0, 100.0, 200.0, 400.0]),
        st.floats(0, 2000),
        st.none() | st.sampled_from([100.0, 200.0, 500.0]),
        st.booleans(),
        st.sampled_from([None, 0.0, 0.5]),
    ),
    max_size=8,
).map(lambda points: [replace(point, row=n) for n, point in enumerate(points, start=1)])


@given(rows, st.randoms(use_true_random=False))
def test_order_of_rows_changes_no_verdict(points: list[LoadPoint], random) -> None:
    expected = {point.row: j.verdict for point, j in zip(points, judge(points), strict=True)}
    random.shuffle(points)
    shuffled = {point.row: j.verdict for point, j in zip(points, judge(points), strict=True)}
    assert shuffled == expected


@given(rows)
def test_every_verdict_has_its_rule(points: list[LoadPoint]) -> None:
    judgements = judge(points)
    assert len(judgements) == len(points)
    assert all(judgement.rule for judgement in judgements)


@given(st.lists(st.floats(0, 1000), max_size=7))
def test_fewest_rows_are_called_non_monotone(used: list[float]) -> None:
    points = [
        LoadPoint(n, 1, 100.0 * n, {"app": Resources(value, 1)})
        for n, value in enumerate(used, start=1)
    ]
    kept = sum(judgement.verdict is Verdict.OK for judgement in judge(points))

    def fits(chosen: list[float]) -> bool:
        return all(
            late >= early - max(0.1 * early, 5)
            for k, early in enumerate(chosen)
            for late in chosen[k + 1 :]
        )

    subsets = ([v for k, v in enumerate(used) if mask >> k & 1] for mask in range(2 ** len(used)))
    assert kept == max(len(chosen) for chosen in subsets if fits(chosen))
