import pickle

from estimator.errors import InputError, Problem, Refusal, Refused


def test_problem_names_every_place_it_knows() -> None:
    problem = Problem("t.yaml", "expected x", component="api", row=2, key="usage.app.cpu")
    assert str(problem) == "t.yaml: component api, row 2, usage.app.cpu: expected x"


def test_problem_without_place_is_file_and_rule() -> None:
    assert str(Problem("t.yaml", "is empty")) == "t.yaml: is empty"


def test_input_error_lists_every_problem() -> None:
    error = InputError([Problem("a", "first"), Problem("a", "second")])
    assert str(error) == "a: first\na: second"
    assert len(error.problems) == 2


def test_refusal_says_what_to_do() -> None:
    refused = Refused([Refusal("api", "no rows", "Measure some")])
    assert str(refused) == "api: no rows. Measure some"
    assert refused.refusals[0].subject == "api"


def test_an_error_of_another_process_keeps_its_problems() -> None:
    error = InputError([Problem("a.log", "is empty"), Problem("b.log", "is cut", row=2)])
    arrived = pickle.loads(pickle.dumps(error))
    assert (str(arrived), arrived.problems) == (str(error), error.problems)
