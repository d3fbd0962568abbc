"""The plan of a switch as JSON, in the stable shape of docs/formats.md, "Switch plan".

Every number that answers something is an object of value, unit and reason, as in the report of
`estimate` (report/data.py).
"""

from typing import Any

from estimator.migration.switch_plan.plan import SwitchPlan
from estimator.report.data import confidence_data, json_text, plain_data

FORMAT = "kagami-switch-plan"
VERSION = 1


def plan_json(plan: SwitchPlan) -> str:
    """Return the plan as JSON text that ends in a newline."""
    return json_text(plan_data(plan))


def plan_data(plan: SwitchPlan) -> dict[str, Any]:
    """Return the plan as plain dicts, lists, strings and numbers."""
    projection, timetable = plan.projection, plan.timetable
    return {
        "format": FORMAT,
        "version": VERSION,
        "confidence": confidence_data(plan.low_confidence),
        "series": {"source": projection.series.source, "routes": list(projection.series.routes)},
        "table": {"source": projection.table, "is_example": projection.is_example_table},
        "paths": list(plan.paths),
        "start": timetable.start,
        "start_is_chosen": plan.is_chosen,
        "end": timetable.end,
        "zone": str(timetable.zone),
        "hold_s": timetable.hold_s,
        "mirror_sees_all": plan.sees_all,
        "steps": [
            plain_data(step)
            | {
                "warm_up_begins": step.warm_up_begins,
                "rests_on": {"what": load.basis.value, "times": load.times},
            }
            for step, load in zip(plan.steps, plan.loads, strict=True)
        ],
        "simulation": plain_data(plan.worst)
        | {"components": {name: plain_data(item) for name, item in plan.rehearsals}}
        if plan.worst is not None
        else None,
        "releases": plain_data(plan.releases),
        "warnings": list(plan.warnings),
    }
