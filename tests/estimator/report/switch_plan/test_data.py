import json
from dataclasses import replace

from estimator.report.switch_plan.data import plan_json
from tests.estimator.migration.switch_plan.cases import TUESDAY_10, planned


def test_data_are_those_of_the_plan() -> None:
    data = json.loads(plan_json(planned()))
    assert (data["format"], data["version"]) == ("kagami-switch-plan", 1)
    assert data["confidence"] == {"level": "ok", "reasons": []}
    assert (data["start"], data["end"], data["zone"]) == (TUESDAY_10, TUESDAY_10 + 5400, "UTC")
    assert data["mirror_sees_all"] is False
    step = data["steps"][1]
    assert (step["percent"], step["percent_before"]) == (25, 1)
    assert step["warm_up_begins"] == step["begins"] - 420
    assert step["rests_on"] == {"what": "the same hour of the week", "times": 2}
    assert (step["expected"]["value"], step["new_rps"]["value"]) == (1000, 250)
    part = step["components"][0]
    assert (part["name"], part["kind"], part["pinned"]) == ("api", "pod", 3)
    assert part["replicas"]["constraint"] == "cpu of app"
    limits = {item["what"]: item["limit"]["value"] for item in part["thresholds"]}
    assert limits["error ratio"] == 0.01 and limits["ready pods"] == 2
    assert data["simulation"]["planned"] == {"steps": [0, 0, 0], "after": 0, "total": 0}
    assert data["simulation"]["components"]["api"]["times"] == 2
    assert data["releases"][0]["released"] == 2


def test_plan_that_was_not_simulated_says_null() -> None:
    plan = replace(planned(), worst=None, rehearsals=(("api", None),), low_confidence=("why",))
    data = json.loads(plan_json(plan))
    assert data["simulation"] is None
    assert data["confidence"] == {"level": "low", "reasons": ["why"]}
