import io
from dataclasses import replace

import pytest

from estimator.migration.switch_plan.plan import SwitchPlan
from estimator.migration.switch_plan.rehearsal import Saturated, Worst
from estimator.report.switch_plan.content import headline, plan_document, share_of
from estimator.report.text import print_text
from tests.estimator.migration.switch_plan.cases import planned

WIDTH = 80


def shown(plan: SwitchPlan) -> str:
    stream = io.StringIO()
    print_text(plan_document(plan), stream)
    return stream.getvalue()


def worst(alone: int, planned_s: int) -> Worst:
    return Worst(Saturated((alone,), 0, alone), Saturated((planned_s,), 0, planned_s), "api")


def test_answer_comes_first_and_numbers_are_those_of_the_plan() -> None:
    plan = planned()
    assert plan.worst is not None
    lines = shown(plan).splitlines()
    alone = plan.worst.alone.total
    assert alone and lines[0].strip() == (
        "Raise minReplicas before each step: no second at saturation then,"
        f" {alone // 60}m{alone % 60}s without."
    ).replace("m0s", "m")
    text = "\n".join(lines)
    for words in (
        "all routes, to 1, 25, 100%, each held 30m",
        "Begins     Tuesday 2026-01-20 10:00 UTC\n",
        "Ends       Tuesday 2026-01-20 11:30 UTC",
        "6m15s before each step: 1m15s to ready pods, then 5m of copies",
        "over 2 recorded weeks",
        "api: from 11:30 on, when the HPA's own recommendation was at least",
        "Confidence: ok",
        "writes reach the new side only with the step",
    ):
        assert words in text


def test_steps_and_minima_are_two_tables() -> None:
    lines = [line.split() for line in shown(planned()).splitlines()]
    assert ["1", "1%", "09:53", "10:00", "10", "0.01", "0s", "0s"] in lines
    assert ["api", "2", "2", "3", "6", "2"] in lines


def test_tables_fit_a_terminal() -> None:
    tables = [line for line in shown(planned()).splitlines() if "──" in line]
    assert tables and all(len(line.rstrip()) <= WIDTH for line in tables)


def test_limits_of_the_last_step_are_shown() -> None:
    (row,) = [line for line in shown(planned()).splitlines() if "app 500m" in line]
    assert row.split() == ["api", "2m", "1%", "38.2", "ms", "app", "500m", "5"]


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [
        ((0, 0), "it costs little, and covers lost pods"),
        ((90, 0), "no second at saturation then, 1m30s without"),
        ((90, 30), "and expect saturation: 30s of it even so"),
    ],
)
def test_answer_follows_the_simulation(seconds: tuple[int, int], answer: str) -> None:
    assert answer in headline(replace(planned(), worst=worst(*seconds))).answer


def test_nothing_to_raise_is_said() -> None:
    plan = planned()
    parts = [replace(part, pinned=2, pinned_before=2) for part in plan.steps[0].components]
    steps = tuple(replace(step, components=tuple(parts)) for step in plan.steps)
    calm = replace(plan, steps=steps, worst=worst(0, 0))
    assert headline(calm).answer.startswith("No minReplicas has to be raised")


def test_nothing_simulated_is_said() -> None:
    plan = replace(planned(), worst=None, rehearsals=(("api", None),))
    text = shown(plan)
    assert "Nothing was simulated" in text and "Simulated  " not in text
    assert "all" in text and "?" in text


def test_recommendation_below_the_pin_is_explained() -> None:
    (release,) = planned().releases
    low = replace(release, recommended=5, condition=5)
    text = shown(replace(planned(), releases=(low,)))
    assert "recommendation was at least 5 for 5m, back to 2 (at this load it asks for 5 and" in text
    assert "count lost pods" not in shown(planned())


def test_count_without_an_hpa_is_marked() -> None:
    text = shown(planned(is_flat=True))
    assert "api (count)" in text
    assert "no minimum was raised, so none is released" in text
    (release,) = planned(is_flat=True).releases
    higher = replace(planned(is_flat=True), releases=(replace(release, pinned=8),))
    assert "api: from 11:30 on, set the count to 6" in shown(higher)


def test_doubts_and_chosen_time_are_said() -> None:
    doubted = replace(planned(), low_confidence=("a doubt",), is_chosen=True, paths=("/api/_",))
    text = shown(doubted)
    assert text.index("Confidence: low") < text.index("a doubt") < text.index("Raise minReplicas")
    assert "the least load of the working hours" in text
    assert "Moves      /api/_, to" in text


@pytest.mark.parametrize(("ratio", "words"), [(0.01, "1%"), (0.0025, "0.25%"), (1.0, "100%")])
def test_shares_keep_their_digits(ratio: float, words: str) -> None:
    assert share_of(ratio) == words


def test_what_the_ratio_is_for_is_said() -> None:
    plan = planned()
    assert "a sidecar that sees what the old side still gets" in shown(plan)
    assert "only the locations of these paths" not in shown(plan)
    front = shown(replace(plan, sees_all=True, paths=("/api/_",)))
    assert "beside the nginx that divides the requests: it sees all" in front
    assert "only the locations of these paths may have its `mirror` directive" in front
