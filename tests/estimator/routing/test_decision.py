from estimator.routing.decision import Decision, Outcome


def test_decision_of_a_rejection_has_no_rule() -> None:
    decision = Decision(Outcome.REJECTED, why="no rule takes it", status=404)
    assert (decision.rule, decision.destinations, decision.candidates) == (None, (), ())
