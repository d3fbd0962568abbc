import json

from estimator.migration.order.plan import Plan
from estimator.report.order.data import to_json


def test_everything_is_in_the_json(planned: Plan) -> None:
    document = json.loads(to_json(planned))
    assert (document["format"], document["version"]) == ("kagami-order", 1)
    assert document["groups"] == {"switch now": 1, "mirror first": 1, "needs work": 2}
    assert (document["notes"], document["confidence"]["reasons"]) == (["a note"], ["a doubt"])
    cart, api, _, other = document["paths"]
    assert (cart["template"], cart["group"], cart["peak_rps"]) == ("/cart", "switch now", 2.0)
    assert cart["seen"]["methods"] == {"GET": 9, "PUT": 1}
    assert cart["seen"]["rules"][0] == {"rule": "r.yaml:1: HTTPRoute shop/site", "requests": 4}
    assert cart["state"]["authorization"] == 10
    assert cart["rehearsal"] == {
        "copies": 1000,
        "errors": {"5xx": 2},
        "error_ratio": 0.002,
        "production_error_ratio": 0.0,
        "new_error_ratio": 0.0,
        "is_paired": False,
    }
    assert (api["state"], api["rehearsal"]) == (None, None)
    assert api["seen"]["why"] == "GET /api/*: `x`"
    assert (other["tag"], other["template"], other["moves"]) == ("other", None, [])
    assert other["seen"]["methods"] == {"unknown": 1}
    first, second = cart["moves"]
    assert (first["program"], second["program"]) == ("apache", "virtual-service")
    assert [step["percent"] for step in first["steps"]] == [1, 5, 25, 50, 100]
    assert first["steps"][0]["rollback"] == first["start"]
    assert first["steps"][1]["rollback"] == first["steps"][0]["text"]
