"""Runs the report's command in this process; test_estimate.py starts it as a user does."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from estimator.cluster.files import EXAMPLE as EXAMPLE_NODES
from estimator.commands.estimate import main
from tests.estimator.commands.test_estimate import TABLE
from tests.estimator.series.test_files import SCHEMA

Estimate = Callable[..., Result]


@pytest.fixture
def estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Estimate:
    """Return a function that runs `estimate` on a table and twenty minutes of two routes.

    The series is shorter than a day, so the confidence is low.
    """
    rows = [(second, "/api/_", 300 if second == 1500 else 50) for second in range(1000, 2200)]
    rows += [(second, "other", 20) for second in range(1000, 2200)]
    with closing(sqlite3.connect(tmp_path / "series.db")) as database:
        database.executescript(SCHEMA)
        database.executemany("INSERT OR IGNORE INTO seconds VALUES (?)", [row[:1] for row in rows])
        database.executemany("INSERT INTO counts VALUES (?, 'requests', ?, 'safe', ?)", rows)
        database.commit()
    (tmp_path / "table.yaml").write_text(TABLE)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        source = ["--from-series", "series.db", "--table", "table.yaml"]
        return CliRunner().invoke(main, [*source, *arguments])

    return run


def test_everything_wrong_is_told_at_once(estimate: Estimate) -> None:
    result = estimate(
        *("--growth", "lots", "--slo-p99", "250", "--table", "none.yaml", "--nodes", "no.yaml"),
        *("--html", "none/report.html", "--against", "nothing"),
    )
    assert (result.exit_code, result.stdout) == (2, "")
    places = [line.split(": ")[2] for line in result.stderr.splitlines()]
    assert places == [*("--slo-p99", "--growth", "none.yaml", "no.yaml", "--html", "--against")]


def test_unknown_components_name_the_known_ones(estimate: Estimate) -> None:
    result = estimate("--explain", "apy", "--downstream", "db=5")
    assert result.exit_code == 2
    for option, name in (("--explain", "apy"), ("--downstream", "db")):
        message = f"{option}: no component '{name}' in the table; it has gateway, api\n"
        assert message in result.stderr


def test_unknown_paths_name_the_known_ones(estimate: Estimate) -> None:
    result = estimate("--paths", "/api/*,/watch/{id}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--paths: route /watch/_id_ is not in the series; it has /api/_, other" in result.stderr


def test_page_and_manifests_are_written_beside_the_report(
    estimate: Estimate, tmp_path: Path
) -> None:
    result = estimate("--html", "report.html", "--manifests", "k8s/deep", "--format", "markdown")
    assert result.exit_code == 3
    assert result.stdout.startswith("# Capacity projection\n")
    page = (tmp_path / "report.html").read_text()
    assert page.startswith("<!doctype html>") and page.count("<svg viewBox") >= 4
    assert (tmp_path / "k8s" / "deep" / "api-hpa.yaml").exists()
    assert "low confidence: only 20m were observed" in result.stderr


def test_manifests_of_an_earlier_projection_are_named(estimate: Estimate, tmp_path: Path) -> None:
    assert "not of this projection" not in estimate("--manifests", "k8s").stderr
    (tmp_path / "k8s" / "old-hpa.yaml").write_text("kind: HorizontalPodAutoscaler\n")
    result = estimate("--manifests", "k8s")
    assert result.exit_code == 3
    (line,) = [line for line in result.stderr.splitlines() if "not of this projection" in line]
    assert line.startswith("estimate: k8s/old-hpa.yaml: ")
    assert (tmp_path / "k8s" / "old-hpa.yaml").exists()


def test_what_cannot_be_made_writes_nothing(estimate: Estimate, tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_text(TABLE.replace("name: api", "name: Api_1"))
    result = estimate("--html", "report.html", "--manifests", "k8s")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected a Kubernetes name" in result.stderr and "'Api_1'" in result.stderr
    assert not (tmp_path / "report.html").exists() and not (tmp_path / "k8s").exists()


def test_a_place_that_cannot_be_written_is_named(estimate: Estimate, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = estimate("--manifests", "file")
    assert result.exit_code == 2
    result = estimate("--manifests", "file/deep")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "cannot be written" in result.stderr


def test_own_manifests_have_not_drifted(estimate: Estimate) -> None:
    estimate("--manifests", "k8s")
    result = estimate("--against", "k8s")
    assert result.exit_code == 3
    assert "No drift: " in result.stdout


def test_drift_is_exit_code_five(estimate: Estimate, tmp_path: Path) -> None:
    estimate("--manifests", "k8s")
    (tmp_path / "k8s" / "api-pdb.yaml").unlink()
    for form, begin in (
        ("text", "DRIFT: 1 difference in k8s"),
        ("markdown", "# Drift of manifests"),
        ("csv", "resource,field,has,wants,why,file,too_small\nPodDisruptionBudget/api,,missing,"),
    ):
        result = estimate("--against", "k8s", "--format", form)
        assert result.exit_code == 5
        assert result.stdout.startswith(begin)
    data = json.loads(estimate("--against", "k8s", "--format", "json").stdout)
    assert [drift["resource"] for drift in data["drifts"]] == ["PodDisruptionBudget/api"]


def test_explain_prints_the_arithmetic_alone(estimate: Estimate) -> None:
    result = estimate("--explain", "api")
    assert result.exit_code == 3
    assert result.stdout.startswith("api: ")
    assert "  1. " in result.stdout and "ASSUMED" in result.stdout
    assert "istio-proxy" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "are_printed"),
    [
        ((), True),
        (("--explain", "api"), False),
        (("--against", "k8s"), False),
        (("--format", "json"), False),
    ],
)
def test_only_the_report_as_text_contains_its_doubts(
    estimate: Estimate,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    are_printed: bool,
) -> None:
    assert estimate("--manifests", "k8s").exit_code == 3
    told: list[bool] = []

    def end(doubts: tuple[str, ...], are_printed: bool, has_drifted: bool) -> None:
        told.append(are_printed)

    monkeypatch.setattr("estimator.commands.report.end_with_doubts", end)
    result = estimate(*arguments)
    assert told == [are_printed]
    assert ("only 20m were observed" in result.stdout) is (are_printed or "json" in arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--explain", "api", "--against", "."),
        ("--explain", "api", "--format", "json"),
        *(
            ("--full", "--format", "csv"),
            ("--full", "--explain", "api"),
            ("--full", "--against", "."),
        ),
    ],
)
def test_what_excludes_each_other_is_refused(
    estimate: Estimate, arguments: tuple[str, ...]
) -> None:
    result = estimate(*arguments)
    assert result.exit_code == 2
    assert "Error" in result.stderr or "Usage" in result.stderr


def test_nodes_come_from_their_file(estimate: Estimate, tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(EXAMPLE_NODES.read_text())
    report = json.loads(estimate("--nodes", "nodes.yaml", "--format", "json").stdout)
    example = json.loads(estimate("--nodes", "example", "--format", "json").stdout)
    without = json.loads(estimate("--format", "json").stdout)
    assert report["nodes"]["nodes"]["value"] >= 1
    assert (report["nodes"]["is_example"], example["nodes"]["is_example"]) == (False, True)
    assert without["nodes"] is None


def test_options_reach_the_model(estimate: Estimate) -> None:
    def peak(*arguments: str) -> float:
        data = json.loads(estimate("--format", "json", *arguments).stdout)
        return float(data["components"][1]["peak"]["value"])

    assert peak("--event", "2x") == 2 * peak()
    data = json.loads(estimate("--format", "json", "--zones", "3").stdout)
    by_default = {assumption["name"]: assumption["default"] for assumption in data["assumptions"]}
    assert by_default["zones"] is False and by_default["lose pods"] is True


def test_every_default_that_was_used_is_listed(estimate: Estimate) -> None:
    text = " ".join(estimate("--full").stdout.split())
    for words in ("target utilisation 0.6 default", "imbalance 1.1 default", "zones 1 default"):
        assert words in text


def test_a_gate_accepts_what_it_is_told_to(estimate: Estimate, tmp_path: Path) -> None:
    estimate("--manifests", "k8s")
    path = tmp_path / "k8s" / "api-hpa.yaml"
    text = path.read_text()
    line = next(line for line in text.splitlines() if "averageUtilization" in line)
    value = int(line.partition(": ")[2])
    path.write_text(text.replace(line, line.replace(str(value), str(value - 1))))
    assert estimate("--against", "k8s").exit_code == 5
    assert estimate("--against", "k8s", "--tolerance", "10%").exit_code == 3
    assert estimate("--against", "k8s", "--only", "too-small").exit_code == 3


@pytest.mark.parametrize("words", ["10", "-1%", "lots", "nan"])
def test_a_tolerance_is_a_share(estimate: Estimate, tmp_path: Path, words: str) -> None:
    result = estimate("--against", str(tmp_path), "--tolerance", words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "estimate: bad input: --tolerance: expected a ratio from 0 to 1" in result.stderr


@pytest.mark.parametrize("arguments", [("--tolerance", "10%"), ("--only", "too-small")])
def test_a_gate_needs_manifests(estimate: Estimate, arguments: tuple[str, ...]) -> None:
    assert "are for --against DIR" in estimate(*arguments).stderr
