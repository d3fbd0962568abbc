import pytest

from estimator.model.figure import Assumption, Figure, Flag
from estimator.report import wording


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (1820, "rps", "1,820 rps"),
        (305.24, "rps per replica", "305.2 rps per replica"),
        (450.2, "millicores", "451m"),
        (2**28, "bytes", "256Mi"),
        (90, "seconds", "1m30s"),
        (0.1, "seconds", "0.1 s"),
        (60, "percent", "60%"),
        (4, "replicas", "4"),
        (1.43, "ratio", "1.43"),
        (310.5, "pod-hours", "310.5 pod-hours"),
        (840.2, "USD per month", "841 USD per month"),
        (1000, "millicores", "1 core"),
        (12_350, "millicores", "12.35 cores"),
        (0, "millicores", "0m"),
    ],
)
def test_amounts_read_in_the_unit_people_use(value: float, unit: str, words: str) -> None:
    assert wording.amount(value, unit) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (13_471, "millicores", "13.5 cores"),
        (13_400, "millicores", "13.4 cores"),
        (2_341, "millicores", "2.35 cores"),
        (999.2, "millicores", "1 core"),
        (960, "millicores", "960m"),
        (120_400, "millicores", "121 cores"),
        (2**30, "bytes", "1Gi"),
        (2**30 + 1, "bytes", "1.01Gi"),
        (2**28, "bytes", "256Mi"),
    ],
)
def test_large_amounts_are_rounded_up(value: float, unit: str, words: str) -> None:
    assert wording.rounded(Figure(value, unit, "")) == words


def test_bounds_and_flags_follow_the_value() -> None:
    figure = Figure(4, "replicas", "", 4, 6, flags=(Flag.EXTRAPOLATED, Flag.NO_INTERVAL))
    assert wording.shown(figure) == "4 (4 to 6; extrapolated; no interval)"
    assert str(wording.cell(figure)) == "4 (4 to 6; extrapolated; no interval)"
    assert wording.percent(Figure(0.5, "ratio", "", flags=(Flag.ASSUMED,))) == "50% (assumed)"
    assert wording.factor(Figure(1.5, "ratio", "", flags=(Flag.ASSUMED,))) == "x 1.5 (assumed)"


def test_bounds_in_cores_name_the_unit_once() -> None:
    assert wording.bounds(Figure(1200, "millicores", "", 1000, 1250)) == "1 to 1.25 cores"
    assert wording.bounds(Figure(990, "millicores", "", 900, 1250)) == "900m to 1.25 cores"


def test_an_exact_figure_has_no_brackets() -> None:
    assert wording.shown(Figure(4, "replicas", "")) == "4"
    assert wording.shown(Figure(4, "replicas", "", 4, 4)) == "4"


def test_one_missing_bound_is_a_question_mark() -> None:
    assert wording.shown(Figure(4, "replicas", "", high=6)) == "4 (? to 6)"


def test_a_column_names_the_unit_itself() -> None:
    assert wording.cell(Figure(1820, "rps", "")).text == "1,820"
    assert wording.cell(None, "no price").text == "no price"


def test_rows_are_counted_in_grammar() -> None:
    assert [wording.rows(numbers) for numbers in ((), (3,), (1, 2))] == ["", "row 3", "rows 1, 2"]


def test_an_assumption_says_who_chose_it() -> None:
    default = Assumption("zones", "1", "no zones were named", True)
    by_user = Assumption("zones", "3", "given", False)
    assert wording.assumption(default) == "zones: 1 (default); no zones were named"
    assert wording.assumption(by_user) == "zones: 3 (given)"
