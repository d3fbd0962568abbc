import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from estimator.commands.verify import verify
from estimator.table.files import read_table
from tests.estimator.observed.conftest import START, Backfilled
from tests.estimator.series.test_files import SCHEMA
from tests.fakes_datadog import FakeDatadog, Reply

TABLE = """
components:
  - name: api
    kind: pod
    routes: ["*"]
    requests: {app: {cpu: 1, memory: 1Gi}, istio-proxy: {cpu: 200m, memory: 128Mi}}
    points:
      - {replicas: 1, rps: 50, usage: {app: {cpu: 100m, memory: 100Mi}, istio-proxy: {cpu: 20m, memory: 100Mi}}}
      - {replicas: 1, rps: 100, usage: {app: {cpu: 200m, memory: 100Mi}, istio-proxy: {cpu: 40m, memory: 100Mi}}}
      - {replicas: 1, rps: 150, usage: {app: {cpu: 300m, memory: 100Mi}, istio-proxy: {cpu: 60m, memory: 100Mi}}}
"""  # noqa: E501 - rows as people write them
SECONDS = 2700


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs the command in a folder with its input files.

    They are a table, a series at a constant 200 rps, and samples of 200m and 40m.
    """
    monkeypatch.chdir(tmp_path)
    Path("t.yaml").write_text(TABLE)
    with closing(sqlite3.connect("series.db")) as database, database:
        database.executescript(SCHEMA)
        seconds = range(START, START + SECONDS)
        database.executemany("INSERT INTO seconds VALUES (?)", ((second,) for second in seconds))
        database.executemany(
            "INSERT INTO counts VALUES (?, 'requests', '/', 'safe', 200)",
            ((second,) for second in seconds),
        )
    write_usage(200)

    def invoke(*arguments: str, observed: str = "usage.csv") -> Result:
        given = ["--table", "t.yaml", "--from-series", "series.db", "--observed", observed]
        return CliRunner().invoke(verify, [*given, *arguments], catch_exceptions=False)

    return invoke


def write_usage(millicores: float) -> None:
    lines = ["time,pod,container,cpu,memory"]
    for at in range(0, SECONDS, 15):
        for pod in ("api-1", "api-2"):
            lines.append(f"{START + at},{pod},app,{millicores}m,90Mi")
            lines.append(f"{START + at},{pod},istio-proxy,40m,90Mi")
    Path("usage.csv").write_text("\n".join(lines) + "\n")


def test_true_table_is_a_go(run) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "go"
    assert "because" not in result.output


def test_wrong_table_is_a_no_go_with_its_reason(run) -> None:
    write_usage(260)
    result = run()
    assert result.exit_code == 3
    assert "because: api, app: predicted 23% less cpu than was used" in result.output
    assert result.output.splitlines()[-1] == "no-go"


def test_json_says_the_same(run) -> None:
    write_usage(260)
    result = run("--format", "json")
    document = json.loads(result.output)
    assert (result.exit_code, document["verdict"]) == (3, "no-go")
    app = document["containers"][0]
    assert (app["component"], app["container"], app["buckets"]) == ("api", "app", 45)
    assert app["bias"] == pytest.approx(200 / 260 - 1)
    assert app["observed_memory_bytes"] == 90 * 2**20
    assert document["corrected"] is None


def test_corrected_table_is_written_and_said(run) -> None:
    write_usage(260)
    result = run("--corrected", "better.yaml")
    assert (
        "changed in better.yaml: api, app: cpu of the used rows multiplied by 1.3" in result.output
    )
    (component,) = read_table(Path("better.yaml")).components
    assert component.points[1].usage["app"].cpu_millicores == pytest.approx(260)
    again = run("--corrected", "better.yaml")
    assert again.exit_code == 2
    assert "better.yaml: exists; a corrected table is a new file" in again.output


def test_mirrored_share_is_taken_into_account(run) -> None:
    assert run("--mirror-ratio", "0.5").exit_code == 3
    assert run("--mirror-ratio", "nan").exit_code == 2


@pytest.mark.topology
def test_real_prometheus_is_asked_for_the_time_of_the_series(run, prometheus: Backfilled) -> None:
    # The app containers of its two pods use 100m and 300m, a mean of 200m; istio-proxy uses 40m.
    url = ["--prometheus-url", prometheus.url, "--namespace", "shop"]
    result = run(*url, "--format", "json", observed="prometheus")
    document = json.loads(result.output)
    assert (result.exit_code, document["verdict"]) == (0, "go"), result.output
    for container in document["containers"]:
        # In the last minute rate() has too few samples.
        assert container["bias"] == pytest.approx(0, abs=0.01)
        # Usage covers half an hour of the 45 minutes of the series, minus the window of rate().
        assert container["buckets"] == 30


def test_datadog_is_asked_where_the_options_say(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(unit: float) -> Reply:
        groups = [
            {
                "pointlist": [[(START + at) * 1000, cpu * unit] for at in range(0, SECONDS, 60)],
                "interval": 60,
                "tag_set": [f"pod_name:{pod}", f"kube_container_name:{container}"],
            }
            for pod in ("api-1", "api-2")
            for container, cpu in (("app", 200), ("istio-proxy", 40))
        ]
        return Reply(body=json.dumps({"status": "ok", "series": groups}))

    monkeypatch.setenv("DD_API_KEY", "a")
    monkeypatch.setenv("DD_APP_KEY", "b")
    with FakeDatadog() as fake:
        fake.replies += [answer(1e6), answer(2**18)]
        result = run("--api-url", fake.url, "--format", "json", observed="datadog")
    document = json.loads(result.output)
    assert (result.exit_code, document["verdict"]) == (0, "go"), result.output
    assert document["cautions"] == ["cpu and memory are of whole minutes"]
    assert [each["bias"] for each in document["containers"]] == [pytest.approx(0)] * 2


def test_bad_input_is_named_and_nothing_printed(run) -> None:
    Path("t.yaml").write_text(TABLE.replace("pod", "cow"))
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "t.yaml:4: component api, kind: expected pod or gateway" in result.output
    Path("t.yaml").write_text(TABLE)
    assert "none.csv: no such file" in run(observed="none.csv").output
    assert "--service applies only to --from-datadog" in run("--service", "x").output


def test_help_shows_examples_and_exit_codes() -> None:
    result = CliRunner().invoke(verify, ["--help"])
    assert "estimate verify --table table.yaml --from-series series.db" in result.output
    assert "3  no-go, or low confidence" in result.output


def test_memory_that_was_not_observed_is_unknown(run) -> None:
    text = Path("usage.csv").read_text().replace("90Mi", "")
    Path("usage.csv").write_text(text)
    result = run()
    assert result.exit_code == 0
    assert "mind: api, app: no memory was observed" in result.output
    assert "unknown" in result.output


def test_only_the_time_asked_for_is_compared(run) -> None:
    # Mirroring began after 14 minutes; before, the new cluster was idle.
    idle = Path("usage.csv").read_text().replace("app,200m", "app,1m", 2 * 56)
    Path("usage.csv").write_text(idle)
    assert run().exit_code == 3
    result = run("--start", str(START + 840), "--end", str(START + 2640), "--format", "json")
    document = json.loads(result.output)
    assert (result.exit_code, document["verdict"]) == (0, "go"), result.output
    assert document["containers"][0]["buckets"] == 30


def test_times_are_checked(run) -> None:
    result = run("--start", "noon", "--end", "later")
    assert result.exit_code == 2
    assert "--start: expected Unix seconds" in result.output
    assert "--end: expected Unix seconds" in result.output
    nothing = run("--end", str(START))
    assert "--start and --end: leave nothing of the series" in nothing.output
