import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from estimator.commands.estimate import main
from estimator.series.rps import RpsSeries
from mirror.formats.series_db import SCHEMA
from tests.estimator.migration.switch_plan.cases import MONDAY, STEP_S, recorded

Plan = Callable[..., Result]
AT = ("--at", "2026-01-20T10:00Z")
TABLE = """
components:
  - name: api
    kind: pod
    routes: ["/api/*"]
    requests: {app: {cpu: 500m, memory: 256Mi}}
    points:
      - {replicas: 1, rps: 100, p99_ms: 31, error_ratio: 0, usage: {app: {cpu: 100m, memory: 128Mi}}}
      - {replicas: 1, rps: 300, p99_ms: 33, error_ratio: 0, usage: {app: {cpu: 300m, memory: 128Mi}}}
      - {replicas: 1, rps: 500, p99_ms: 35, error_ratio: 0, usage: {app: {cpu: 500m, memory: 128Mi}}}
"""  # noqa: E501 - rows as people write them


def write_csv(series: RpsSeries) -> None:
    # Every other bucket has a little less: rates that hardly ever fall would be those of a counter.
    rates = [rps * (1 - n % 2 / 1000) for n, rps in enumerate(series.rps[0])]
    rows = [f"{MONDAY + n * STEP_S},/api/_,{rps:g}" for n, rps in enumerate(rates)]
    Path("series.csv").write_text("\n".join(["second,route,rps", *rows]) + "\n")


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Return a function that runs the command on two weeks of one route."""
    monkeypatch.chdir(tmp_path)
    write_csv(recorded())
    Path("table.yaml").write_text(TABLE)

    def run(*arguments: str) -> Result:
        given = ["--from-series", "series.csv", "--table", "table.yaml"]
        return CliRunner().invoke(main, ["switch-plan", *given, *arguments], catch_exceptions=False)

    return run


def test_plan_is_printed(plan: Plan) -> None:
    result = plan(*AT)
    assert result.exit_code == 0, result.output
    assert "Raise minReplicas before each step" in result.stdout
    assert "Begins     Tuesday 2026-01-20 10:00 UTC" in result.stdout
    assert result.stderr == ""


def test_json_says_the_same(plan: Plan) -> None:
    data = json.loads(plan(*AT, "--format", "json", "--steps", "10,100").stdout)
    assert [step["percent"] for step in data["steps"]] == [10, 100]
    assert data["steps"][1]["components"][0]["pinned"] == 6


def test_files_are_written_beside_it(plan: Plan) -> None:
    result = plan(
        *AT,
        *("--markdown", "runbook.md", "--output", "switch/tuesday"),
        *("--app-on-swarm", "swarm:8080", "--app", "api:80", "--paths", "/api/*"),
    )
    assert result.exit_code == 0, result.output
    assert Path("runbook.md").read_text().startswith("# Switch on Tuesday 2026-01-20 10:00 UTC\n")
    folder = Path("switch/tuesday")
    route = "api-720be2c7.virtual-service.yaml"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("prepare", "release", "step-1", "step-2", "step-3", "step-4", "step-5")
    ]
    assert (folder / "step-5" / "rollback" / route).exists()
    # A command of the runbook names a file that is there.
    assert f"kubectl apply -f step-5/{route}" in Path("runbook.md").read_text()


def test_low_confidence_is_said_and_exits_with_3(plan: Plan) -> None:
    write_csv(recorded(weeks=4 / 7))
    result = plan("--at", "2026-01-14T10:00Z")
    assert result.exit_code == 3
    assert "estimate: low confidence: the hours of the switch were not" not in result.stderr
    assert "estimate: low confidence: 4d were observed, without a whole" in result.stderr
    assert "Confidence: low" in result.stdout
    other_day = plan("--at", "2026-01-16T10:00Z")
    assert "estimate: low confidence: the hours of the switch were not" in other_day.stderr


def test_everything_wrong_is_told_at_once(plan: Plan) -> None:
    Path("used").mkdir()
    Path("used/file").write_text("")
    result = plan(
        *("--at", "soon", "--steps", "0", "--pod-start", "x", "--table", "none.yaml"),
        *("--markdown", "none/runbook.md", "--output", "used"),
    )
    assert (result.exit_code, result.stdout) == (2, "")
    places = [line.split(": ")[2] for line in result.stderr.splitlines()]
    assert places == ["--pod-start", "--steps", "--at", "none.yaml", "--markdown", "--output"]


def test_folder_of_another_plan_is_kept(plan: Plan) -> None:
    assert plan(*AT, "--output", "switch").exit_code == 0
    result = plan(*AT, "--output", "switch")
    assert result.exit_code == 2
    assert "--output: switch is not empty" in result.stderr


def test_unknown_path_names_the_known_ones(plan: Plan) -> None:
    result = plan(*AT, "--paths", "/watch/{id}")
    assert result.exit_code == 2
    assert "--paths: route /watch/_id_ is not in the series; it has /api/_" in result.stderr


def test_no_traffic_is_refused(plan: Plan) -> None:
    series = recorded()
    series.rps.setflags(write=True)
    series.rps[:] = 0
    write_csv(series)
    result = plan(*AT)
    assert (result.exit_code, result.stdout) == (4, "")
    assert "refused" in result.stderr


def test_name_that_kubernetes_refuses_writes_nothing(plan: Plan) -> None:
    Path("table.yaml").write_text(TABLE.replace("name: api", "name: Api_1"))
    result = plan(*AT, "--markdown", "runbook.md")
    assert result.exit_code == 2 and "Api_1" in result.stderr
    assert not Path("runbook.md").exists()
    assert plan(*AT).exit_code == 0


def test_snippets_need_their_folder(plan: Plan) -> None:
    result = plan(*AT, "--app", "a:1", "--swarm", "b:1")
    assert result.exit_code == 2
    assert "--app, --swarm: only the snippets of --output DIR show it." in result.stderr


def test_phase_2_is_done_by_the_front(plan: Plan) -> None:
    gateway = TABLE.replace("kind: pod", "kind: gateway")
    Path("table.yaml").write_text(gateway)
    result = plan(*AT, "--phase", "2", "--output", "switch", "--front", "nginx")
    assert result.exit_code == 0, result.output
    commands = Path("switch/step-4/commands.sh").read_text()
    assert "nginx -t && nginx -s reload" in commands
    # From 25 to 50 % of what nginx sees, which is everything.
    assert "mirror set ratio 0.25\n" in commands
    assert "it sees all" in plan(*AT, "--phase", "2", "--front", "nginx").stdout
    assert "what the old side still gets" in plan(*AT, "--phase", "2").stdout


def test_help_has_its_sections_and_no_option_of_years() -> None:
    text = CliRunner().invoke(main, ["switch-plan", "--help"]).output
    headings = [line[:-1] for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == [
        *("The day", "Series", "Evidence and targets", "Demand", "Failure and updates"),
        *("Autoscaling", "Phases", "Output", "Snippets of --output", "Other"),
    ]
    assert "--horizon" not in text and "--return-level" not in text
    assert "  3  confidence: low" in text


def test_new_errors_of_a_series_db_are_a_doubt(plan: Plan) -> None:
    seconds = range(MONDAY, MONDAY + 14 * 86_400, 3_600)
    with closing(sqlite3.connect("series.db")) as database, database:
        database.executescript(SCHEMA)
        database.executemany("INSERT INTO seconds VALUES (?)", [(second,) for second in seconds])
        counts = [(second, "requests", "/api/_", "safe", 100) for second in seconds]
        pairs = [(MONDAY, "compared", "/api/_", result, 500) for result in ("same", "app_error")]
        database.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?)", [*counts, *pairs])
    given = ["--from-series", "series.db", "--table", "table.yaml", "--format", "json", *AT]
    result = CliRunner().invoke(main, ["switch-plan", *given], catch_exceptions=False)
    reasons = json.loads(result.stdout)["confidence"]["reasons"]
    assert result.exit_code == 3
    assert any("api: 50% of 1,000 copies that were compared" in reason for reason in reasons)
