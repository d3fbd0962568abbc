from pathlib import Path

from tests.estimator.commands.test_table_check import TABLE


def test_fit_says_range_rows_and_error(run_table) -> None:
    Path("t.yaml").write_text(TABLE)
    result = run_table("fit", "t.yaml")
    assert result.exit_code == 0
    assert result.output.splitlines()[:4] == [
        "[red]api, app",
        "  range     100 to 400 rps per replica; beyond it an extrapolation, up to 600",
        "  rows      3 used of 4",
        "  error     median 0.0%, worst +0.0% (measured against predicted,"
        " 1 row(s) left out in turn)",
    ]
    assert result.output.count("●") == 3
    assert result.output.count("○") == 1


def test_unknown_error_is_said(run_table) -> None:
    lines = TABLE.splitlines(keepends=True)
    Path("t.yaml").write_text("".join(lines[:8]))
    assert "error     not known: no row lies between others" in run_table("fit", "t.yaml").output


def test_component_without_usable_rows_is_low_confidence(run_table) -> None:
    Path("t.yaml").write_text(TABLE.replace("error_ratio: 0,", "error_ratio: 1,"))
    result = run_table("fit", "t.yaml")
    assert (result.exit_code, result.output) == (3, "[red]api: has no row that can be used\n")
