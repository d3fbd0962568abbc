from dataclasses import replace

from estimator.model.projection import Projection
from estimator.report.explain import explained, explanation_lines


def test_a_line_has_formula_numbers_result_and_inputs(complete: Projection) -> None:
    lines = explanation_lines(complete.components[0])
    assert lines[:6] == (
        "REPLICAS",
        "  1. R = ceil(peak x imbalance / x_cpu)",
        "     R = ceil(3,283.8 x 1.1 / 420)",
        "     -> 9 (scaled linearly) [rows 2, 3]",
        "        peak = 3,283.8 rps  observed x growth",
        "        x_cpu = 420 rps  because",
    )
    assert lines[6:8] == ("", "HPA")


def test_a_formula_without_symbols_is_not_told_twice(complete: Projection) -> None:
    component = complete.components[0]
    line = replace(component.explanation[0], substituted=component.explanation[0].formula)
    lines = explanation_lines(replace(component, explanation=(line,)))
    assert sum("x_cpu)" in one for one in lines) == 1


def test_whole_explanation_names_evidence_and_assumptions(complete: Projection) -> None:
    text = explained(complete, complete.components[0])
    for part in (
        "api: 2 replicas, decided by cpu of app\n",
        "series  a test\n",
        "table   t.yaml, rows 1, 2, 3 used\n",
        "row 4 not used: error_ratio 0.2 is above 0.01\n",
        "target utilisation: 0.6 (default); an HPA acts only above it\n",
        "  p99 is not stated in row 2\n",
    ):
        assert part in text
    assert text.endswith("\n")
