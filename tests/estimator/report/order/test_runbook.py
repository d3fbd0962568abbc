import re

from estimator.migration.order.plan import Plan
from estimator.report.order.runbook import runbook


def test_every_step_of_every_movable_path_is_there(planned: Plan) -> None:
    text = runbook(planned)
    assert re.findall(r"(?m)^## (.+)$", text)[3:] == [
        *("1. /cart: switch now", "2. /api/\\*: mirror first"),
    ]
    movable = [path for path in planned.paths if path.moves]
    for path in movable:
        for move in path.moves:
            assert move.start.preparation.rstrip() in text
            assert move.start.text.rstrip() in text
            for _, snippet in move.steps:
                assert snippet.text.rstrip() in text
    steps = [("1", "the start"), ("5", "1%"), ("25", "5%"), ("50", "25%"), ("100", "50%")]
    summaries = re.findall(r"(?m)^<details><summary>(\d+)%, and back to (.+)</summary>$", text)
    assert summaries == steps * 4
    for _, back in steps:
        assert text.count(f"Rollback: write the text of {back}, then the same command.") == 4
    assert text.count("</details>") == 20
    assert text.count("```") % 2 == 0


def test_addresses_name_their_options(planned: Plan) -> None:
    lines = runbook(planned).splitlines()
    assert "- Phase 2, apache to the gateway: `127.0.0.1:30081` (`--ingressgateway`)" in lines
    assert any("application on Swarm: `swarm:80` (`--app-on-swarm`)" in line for line in lines)


def test_foreign_words_have_no_meaning(planned: Plan) -> None:
    text = runbook(planned)
    assert "GET /api/\\*: \\`x\\`" in text
    assert "/\\<b\\>: no rule takes it" in text


def test_rules_of_the_new_routes_are_named(planned: Plan) -> None:
    lines = runbook(planned).splitlines()
    taken = [line for line in lines if "HTTPRoute shop/site" in line or "further rules" in line]
    assert taken == [
        "- the new routes take 4 of its 10 requests by r.yaml:1: HTTPRoute shop/site",
        "- the new routes take 3 of its 10 requests by r.yaml:2: HTTPRoute shop/site",
        "- the new routes take 2 of its 10 requests by r.yaml:3: HTTPRoute shop/site",
        "- and others by further rules: 1",
    ]
