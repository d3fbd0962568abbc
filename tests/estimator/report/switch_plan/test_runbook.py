from dataclasses import replace

from estimator.migration.switch_plan.plan import SwitchPlan
from estimator.report.markdown import to_markdown
from estimator.report.switch_plan.runbook import runbook_of
from tests.estimator.migration.switch_plan.cases import moves, planned


def shown(plan: SwitchPlan, has_program: bool = True) -> str:
    return to_markdown(runbook_of(plan, moves() if has_program else ()))


def part(text: str, heading: str) -> str:
    """Return the text of one section."""
    return text.split(f"## {heading}")[1].split("\n## ")[0]


def test_every_step_is_a_section_with_its_way_back() -> None:
    text = shown(planned())
    assert text.startswith("# Switch on Tuesday 2026-01-20 10:00 UTC\n")
    step = part(text, "Step 2: 25% at 10:30")
    order = [
        "Warm up from 10:23\n",
        "kubectl patch hpa api",
        "mirror set ratio 0.2424",
        "Take the step at 10:30\n",
        "mirror set ratio 0\n",
        "kubectl apply -f step-2/api-",
        "| api | 2m | 1% |",
        "Watch until 11:00\n",
        "Back to 1%\n",
        "kubectl apply -f step-2/rollback/api-",
    ]
    places = [step.index(words) for words in order]
    assert places == sorted(places)


def test_reason_of_the_replicas_is_there() -> None:
    numbers = part(shown(planned()), "Where the numbers come from")
    first, step = numbers.split("**Step 3: 100%**")
    assert "api: 6" in step and "loss of a pod" in step
    assert "an HPA alone would take 1m30s" in step
    assert "at saturation with the HPA alone, 0s with the raised minimum" in step
    assert "an HPA alone" not in first.split("**Step 2: 25%**")[0]


def test_way_back_is_said_before_the_steps() -> None:
    text = shown(planned())
    rules = part(text, "At every step")
    assert "All the way back, from any step: the commands of step 1, Back to 0%." in rules
    assert "istiod waits 0.1 s" in rules and "set the ratio to 0" in rules
    assert text.index("## At every step") < text.index("## Step 1") < text.index("## Where the")


def test_release_says_how_to_see_the_recommendation() -> None:
    after = part(shown(planned()), "After the last step")
    assert "kubectl get hpa api --watch" in after
    assert """kubectl patch hpa api --type merge --patch '{"spec":{"minReplicas":2}}'""" in after
    assert "0s at saturation in the hour after" in after


def test_count_without_an_hpa_has_no_recommendation() -> None:
    after = part(shown(planned(is_flat=True)), "After the last step")
    assert "kubectl get hpa" not in after
    # The count of the last step is the count afterwards.
    assert "no minimum was raised" in after and "kubectl scale" not in after


def test_preparation_needs_a_program() -> None:
    before = part(shown(planned()), "Before the day")
    assert "prepare/ holds" in before
    # The addresses are there to see that they are the right ones.
    assert "0% of /api/\\* to api.shop:80, the rest to 10.0.0.7:8080." in before
    assert "prepare/ holds" not in part(shown(planned(), has_program=False), "Before the day")


def test_few_copies_ask_for_more_time() -> None:
    plan = planned()
    first = replace(plan.steps[0], warm_up=replace(plan.steps[0].warm_up, copies=999.0))
    slow = replace(plan, steps=(first, *plan.steps[1:]))
    assert "too few copies for a p99" in part(shown(slow), "Step 1")
    assert "too few copies for a p99" not in part(shown(slow), "Step 2")


def test_doubts_come_before_the_steps() -> None:
    text = shown(replace(planned(), low_confidence=("a doubt",)))
    assert text.index("a doubt") < text.index("## All steps")
