from pathlib import Path

TABLE = """
components:
  - name: "[red]api"
    kind: pod
    routes: ["*"]
    requests: {app: {cpu: 1, memory: 1Gi}}
    points:
      - {replicas: 1, rps: 100, error_ratio: 0, usage: {app: {cpu: 100m, memory: 1Mi}}}
      - {replicas: 1, rps: 200, error_ratio: 0, usage: {app: {cpu: 200m, memory: 1Mi}}}
      - {replicas: 2, rps: 600, error_ratio: 0.2, usage: {app: {cpu: 300m, memory: 1Mi}}}
      - {replicas: 1, rps: 400, error_ratio: 0, usage: {app: {cpu: 400m, memory: 1Mi}}}
"""


def test_verdicts_are_shown_with_their_rules(run_table) -> None:
    Path("t.yaml").write_text(TABLE)
    result = run_table("check", "t.yaml")
    assert result.exit_code == 0
    assert "[red]api (pod)" in result.output
    assert "row 3 failing: error_ratio 0.2 is above 0.01" in result.output
    assert "rows 1, 2, 4 ok: not checked, because not stated: rps_target" in result.output


def test_spoilt_row_is_low_confidence(run_table) -> None:
    Path("t.yaml").write_text(TABLE.replace("rps: 400,", "rps: 400, rps_target: 900,"))
    result = run_table("check", "t.yaml")
    assert result.exit_code == 3
    assert "row 4 generator-bound: reached 400 of 900 rps" in result.output
    assert "[red]api: row 4 should be measured again" in result.output
    assert "[red]api: has 2 usable loads" in result.output


def test_doubted_latency_is_said(run_table) -> None:
    Path("t.yaml").write_text(TABLE.replace("rps: 400,", "rps: 400, p99_ms: 9, loop: closed,"))
    assert "row 4: p99 of a closed loop" in run_table("check", "t.yaml").output


def test_bad_table_is_bad_input(run_table) -> None:
    Path("t.yaml").write_text(TABLE.replace("rps: 400", "rps: many").replace("pod", "cow"))
    result = run_table("check", "t.yaml")
    assert result.exit_code == 2
    assert [line.split(": ")[2] for line in result.output.splitlines()] == ["t.yaml:4", "t.yaml:11"]


def test_of_many_rows_those_that_are_not_ok_are_listed(run_table) -> None:
    usage = "usage: {{app: {{cpu: {}m, memory: 1Mi}}}}"
    row = "      - {{replicas: 1, rps: {}, error_ratio: {}, " + usage + "}}\n"
    head = TABLE[: TABLE.index("      - ")]
    rows = "".join(row.format(n, 0.2 if n == 7 else 0, 100 + n) for n in range(1, 301))
    Path("t.yaml").write_text(head + rows)
    output = run_table("check", "t.yaml").output
    assert output.count("failing") == 2 and "299 more rows; of many, only those" in output
    assert "rows 1, 2, 3, 4, 5, 6, 8, 9" in output and "and 279 more ok:" in output
