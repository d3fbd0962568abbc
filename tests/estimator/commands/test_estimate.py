"""Checks the command end to end: its output, its files and its exit code.

A process of its own takes a second to import what it needs. Each exit code is checked with one; the
other tests run the command in the process of the tests.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from estimator.commands.estimate import main
from mirror.demo.processes import free_ports
from tests.estimator.series.test_files import SCHEMA
from tests.fakes_datadog import FakeDatadog, Reply, errors

Run = Callable[..., subprocess.CompletedProcess[str]]

TABLE = """
components:
  - name: gateway
    kind: gateway
    routes: ["*"]
    requests: {istio-proxy: {cpu: 500m, memory: 256Mi}, nginx: {cpu: 100m, memory: 64Mi}}
    points:
      - {replicas: 2, rps: 200, error_ratio: 0, usage: {istio-proxy: {cpu: 100m, memory: 90Mi}, nginx: {cpu: 10m, memory: 9Mi}}}
      - {replicas: 2, rps: 600, error_ratio: 0, usage: {istio-proxy: {cpu: 300m, memory: 99Mi}, nginx: {cpu: 30m, memory: 9Mi}}}
      - {replicas: 4, rps: 2000, error_ratio: 0, usage: {istio-proxy: {cpu: 500m, memory: 97Mi}, nginx: {cpu: 50m, memory: 9Mi}}}
  - name: api
    kind: pod
    routes: ["/api/*"]
    requests: {app: {cpu: 1, memory: 1Gi}}
    points:
      - {replicas: 1, rps: 100, error_ratio: 0, usage: {app: {cpu: 200m, memory: 400Mi}}}
      - {replicas: 1, rps: 250, error_ratio: 0, usage: {app: {cpu: 500m, memory: 450Mi}}}
      - {replicas: 1, rps: 400, error_ratio: 0, usage: {app: {cpu: 800m, memory: 500Mi}}}
      - {replicas: 4, rps: 1600, error_ratio: 0, usage: {app: {cpu: 800m, memory: 500Mi}}}
"""  # noqa: E501 - rows as people write them


def environment_of(folder: Path, keys: bool, changes: dict[str, str]) -> dict[str, str]:
    """Return all variables of a command: the inherited ones, keys if wanted, and the changes."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    secrets = {"DD_API_KEY": "secret-a", "DD_APP_KEY": "secret-b"} if keys else {}
    return {**inherited, "XDG_CACHE_HOME": str(folder / "cache"), **secrets, **changes}


@pytest.fixture
def start(tmp_path: Path) -> Run:
    def run_process(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "estimator", *arguments],
            cwd=tmp_path,
            env=environment_of(tmp_path, True, {}),
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run_process


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    def run_command(
        *arguments: str, keys: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        given = dict.fromkeys(os.environ) | environment_of(tmp_path, keys, environment)
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(main, arguments, env=given, catch_exceptions=False)
        return subprocess.CompletedProcess(
            arguments, result.exit_code, result.stdout, result.stderr
        )

    return run_command


@pytest.fixture
def table(tmp_path: Path) -> str:
    (tmp_path / "table.yaml").write_text(TABLE)
    return "table.yaml"


@pytest.fixture
def series(tmp_path: Path) -> str:
    """Write a week with ten minutes at 10 rps on two routes, each with a peak of half a minute."""
    rows = [
        (second, route, rps if second in peak else 10)
        for route, rps, peak in (
            ("/api/_", 900, range(1500, 1530)),
            ("other", 400, range(1571, 1601)),
        )
        for second in range(1000, 1601)
    ]
    with closing(sqlite3.connect(tmp_path / "series.db")) as database:
        database.executescript(
            SCHEMA + "WITH RECURSIVE week(s) AS (SELECT 1000 UNION ALL SELECT s + 1 FROM week"
            f" WHERE s < {1000 + 7 * 86_400 - 1}) INSERT INTO seconds SELECT s FROM week;"
        )
        database.executemany("INSERT INTO counts VALUES (?, 'requests', ?, 'safe', ?)", rows)
        database.commit()
    return "series.db"


@pytest.fixture
def fake() -> Iterator[FakeDatadog]:
    with FakeDatadog() as fake:
        now = int(time.time())
        minutes = range(now - 7 * 86_400, now, 60)
        points = dict.fromkeys(map(float, minutes), 10.0)
        points.update(dict.fromkeys((now - 7200.0, now - 7140.0, now - 7080.0), 700.0))
        fake.points["mirror.rps"] = {"/api/_": points}
        yield fake


def test_series_comes_out_as_pods(start: Run, table: str, series: str) -> None:
    plain = ("--imbalance", "1x", "--lose-pods", "0")
    result = start("--from-series", series, "--table", table, "--format", "json", *plain)
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    gateway, api = report["components"]
    # The peak is 900 + 10; a replica reaches 0.6 of 500m at 300 rps.
    assert gateway["peak"]["value"] == 910
    assert gateway["peak_second"] == 1500
    assert gateway["decided_by"] == "cpu of istio-proxy"
    # A replica reaches 0.6 of 1 at 300 rps, or at fewer within the error of the curve.
    assert api["replicas"]["value"] in (3, 4)
    for component in report["components"]:
        assert (
            component["replicas"]["value"] * component["capacity"]["value"]
            >= component["peak"]["value"]
        )
    assert report["warnings"][0] == "route other (peak 400 rps) is not covered by any pod"


def test_text_says_the_same(run: Run, table: str, series: str) -> None:
    arguments = ("--from-series", series, "--table", table)
    result = run(*arguments, "--full")
    assert (result.returncode, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    cells = [line.split()[:3] for line in result.stdout.splitlines()]
    for component in json.loads(run(*arguments, "--format", "json").stdout)["components"]:
        peak, replicas = component["peak"]["value"], component["replicas"]["value"]
        assert [component["name"], f"{peak:g}", f"{replicas:g}"] in cells


def test_policy_is_obeyed(run: Run, table: str, series: str) -> None:
    arguments = ("--from-series", series, "--table", table, "--format", "json")
    report = json.loads(
        run(*arguments, "--target-utilisation", "0.8", "--min-replicas", "5").stdout
    )
    assert [component["replicas"]["value"] for component in report["components"]] == [5, 5]
    defaults = {assumption["name"]: assumption["default"] for assumption in report["assumptions"]}
    assert (defaults["target utilisation"], defaults["min replicas"]) == (False, False)


def test_example_table_is_low_confidence(run: Run, series: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / series)) as database:
        database.execute("INSERT INTO counts VALUES (2000, 'requests', '/watch/_id_', '', 30)")
        database.commit()
    for arguments in ((), ("--table", "example")):
        result = run("--from-series", series, *arguments)
        assert result.returncode == 3
        assert result.stdout.startswith("EXAMPLE TABLE")
        assert "low confidence: the table is the bundled example" in result.stderr


def test_component_without_traffic_is_a_warning(run: Run, series: str) -> None:
    # The example has a `watch` pod, which has no route in this series.
    result = run("--from-series", series, "--format", "json")
    assert result.returncode == 3
    report = json.loads(result.stdout)
    assert "watch" not in [component["name"] for component in report["components"]]
    assert report["warnings"][0].startswith("watch: none of its routes (/watch/_id_) had a request")


def test_short_series_is_low_confidence(start: Run, table: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "short.db")) as database:
        database.executescript(
            SCHEMA + "INSERT INTO seconds VALUES (5);"
            "INSERT INTO counts VALUES (5, 'requests', '/api/_', 'safe', 300);"
        )
    result = start("--from-series", "short.db", "--table", table)
    assert result.returncode == 3
    assert "Confidence: low" in result.stdout
    assert "low confidence: only 1s were observed, less than 1d" in result.stderr


def test_datadog_comes_out_as_pods(run: Run, table: str, fake: FakeDatadog) -> None:
    source = ("--from-datadog", "--service", "Watch", "--env", "prod", "--since", "7d")
    result = run(*source, "--api-url", fake.url, "--table", table, "--format", "json")
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert [component["peak"]["value"] for component in report["components"]] == [700, 700]
    assert report["series"]["resolution"]["value"] == 60
    assert any(
        "all together is exact" in assumption["reason"] for assumption in report["assumptions"]
    )
    assert "{env:prod,service:watch}" in fake.requests[0].query
    queries = len(fake.requests)
    assert "secret" not in result.stdout
    # Windows that were complete in the first run come from its cache.
    again = run(*source, "--api-url", fake.url, "--table", table, "--format", "json")
    assert json.loads(again.stdout)["components"] == report["components"]
    assert len(fake.requests) - queries < queries
    queries = len(fake.requests)
    run(*source, "--api-url", fake.url, "--table", table, "--no-cache")
    assert len(fake.requests) - queries >= 3


def test_less_than_was_asked_for_is_low_confidence(run: Run, table: str, fake: FakeDatadog) -> None:
    source = ("--from-datadog", "--service", "watch", "--api-url", fake.url)
    result = run(*source, "--since", "21d", "--table", table)
    assert result.returncode == 3
    assert "67% of 21d are gaps" in result.stderr


def test_rate_limit_is_waited_for(run: Run, table: str, fake: FakeDatadog) -> None:
    fake.replies.append(errors(429, "Rate limit", X_RateLimit_Reset="0"))
    source = ("--from-datadog", "--service", "watch", "--since", "7d", "--api-url", fake.url)
    result = run(*source, "--table", table)
    assert result.returncode == 0
    # Without a terminal, a wait is one line.
    assert "estimate: Datadog: answered 429: Rate limit; waiting" in result.stderr


def test_wrong_keys_say_so_and_are_not_shown(run: Run, table: str, fake: FakeDatadog) -> None:
    fake.replies.append(Reply(403, '{"errors":["Forbidden"]}'))
    source = ("--from-datadog", "--service", "watch", "--api-url", fake.url)
    result = run(*source, "--table", table)
    assert (result.returncode, result.stdout) == (2, "")
    assert "timeseries_query" in result.stderr
    assert "secret" not in result.stderr


def test_missing_keys_are_both_named(run: Run, table: str) -> None:
    result = run("--from-datadog", "--service", "s", "--table", table, keys=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert "DD_API_KEY: is not set" in result.stderr
    assert "DD_APP_KEY: is not set" in result.stderr


def test_dd_site_is_honoured(run: Run, table: str) -> None:
    (port,) = free_ports(1)
    nowhere = f"http://127.0.0.1:{port}"
    site = {"DD_SITE": "datadoghq.eu", "HTTPS_PROXY": nowhere}
    result = run("--from-datadog", "--service", "s", "--table", table, **site)
    assert (result.returncode, result.stdout) == (4, "")
    assert "https://api.datadoghq.eu" in result.stderr


def test_a_site_that_does_not_exist_is_told_the_list(run: Run, table: str) -> None:
    result = run("--from-datadog", "--service", "s", "--table", table, DD_SITE="datadog.eu")
    assert (result.returncode, result.stdout) == (2, "")
    assert "expected one of datadoghq.com, us3.datadoghq.com" in result.stderr


def test_wrong_metric_says_what_to_check(run: Run, table: str, fake: FakeDatadog) -> None:
    source = ("--from-datadog", "--metric", "mirror.rsp", "--service", "s", "--since", "1d")
    result = run(*source, "--api-url", fake.url, "--table", table)
    assert (result.returncode, result.stdout) == (4, "")
    assert "Check the metric name (mirror.rsp), the tags (service:s), the site" in result.stderr


def test_nothing_beyond_the_table_is_without_its_flag(run: Run, table: str, series: str) -> None:
    arguments = ("--from-series", series, "--table", table, "--event", "10x")
    for component in json.loads(run(*arguments, "--format", "json").stdout)["components"]:
        assert "scaled linearly" in component["replicas"]["flags"]
    text = run(*arguments).stdout
    (row,) = [line.split() for line in text.splitlines() if line.startswith("api ")]
    (note,) = [line for line in text.splitlines() if line.startswith("  *  ")]
    assert row[1].endswith("*") and "scaled linearly: " in note and "api" in note


def test_component_without_rows_is_refused(start: Run, series: str, tmp_path: Path) -> None:
    head, tail = TABLE.split("  - name: api")
    empty = "  - name: api" + tail.split("    points:")[0] + "    points: []\n"
    (tmp_path / "empty.yaml").write_text(head + empty)
    result = start("--from-series", series, "--table", "empty.yaml")
    assert (result.returncode, result.stdout) == (4, "")
    assert "refused: api: has no rows in the table" in result.stderr


def test_empty_series_is_refused(run: Run, table: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "series.db")) as database:
        database.executescript(SCHEMA)
    result = run("--from-series", "series.db", "--table", table)
    assert (result.returncode, result.stdout) == (4, "")
    assert "holds no observed second" in result.stderr


def test_missing_files_are_bad_input(run: Run, table: str, series: str) -> None:
    for arguments in (
        ("--from-series", "none", "--table", table),
        ("--from-series", series, "--table", "none"),
    ):
        result = run(*arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert "bad input: none: no such file" in result.stderr


def test_every_bad_row_is_named(start: Run, series: str, tmp_path: Path) -> None:
    bad = TABLE.replace("replicas: 2", "replicas: 0").replace("cpu: 800m", "cpu: 800MHz")
    (tmp_path / "bad.yaml").write_text(bad)
    result = start("--from-series", series, "--table", "bad.yaml")
    assert (result.returncode, result.stdout) == (2, "")
    places = [line.split(": ")[3] for line in result.stderr.splitlines()]
    assert places == [
        "component gateway, row 1, replicas",
        "component gateway, row 2, replicas",
        "component api, row 3, usage.app.cpu",
        "component api, row 4, usage.app.cpu",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give exactly one of --from-series, --from-access-log"),
        (["--from-series", "s", "--from-datadog"], "Give exactly one of"),
        (["--from-series", "s", "--service", "x"], "--service applies only to --from-datadog."),
        (["--from-datadog"], "--from-datadog needs --service (or --tag)"),
        (
            ["--from-series", "s", "--target-utilisation", "0"],
            "expected a ratio above 0 and at most 1",
        ),
        (["--from-series", "s", "--target-utilisation", "nan"], "got 'nan'"),
        (["--from-series", "s", "--min-replicas", "0"], "a whole number from 1"),
        (["--from-series", "s", "--format", "xml"], "is not one of"),
        (["--from-datadog", "--service", "s", "--since", "1y"], "expected a duration such as 7d"),
        (["--from-datadog", "--service", "s", "--since", "99w"], "expected at most"),
        (
            ["--from-datadog", "--service", "s", "--site", "https://x"],
            "expected one of datadoghq.com",
        ),
        (["--from-datadog", "--service", "s", "--api-url", "x"], "expected a URL such as"),
        (["--from-datadog", "--service", "a b"], "--service: expected letters"),
        (["tabel"], "No such command 'tabel'"),
    ],
)
def test_bad_options_are_bad_input(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DD_API_KEY", "secret-a")
    monkeypatch.setenv("DD_APP_KEY", "secret-b")
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    # click wraps its messages to a width of its own.
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_help_has_examples_and_exit_codes(start: Run) -> None:
    result = start("--help")
    assert result.returncode == 0
    assert "estimate --from-series series.db --table table.yaml" in result.stdout
    assert "4  refused" in result.stdout


def test_console_command_is_installed() -> None:
    command = Path(sys.executable).parent / "estimate"
    if not command.exists():
        pytest.skip("the distribution is not installed beside this Python")
    result = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("estimate, version ")


def test_a_reader_that_leaves_ends_it_as_other_tools(
    table: str, series: str, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        ended = subprocess.run(
            [sys.executable, "-m", "estimator", "--from-series", series, "--table", table],
            cwd=tmp_path,
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert (ended.returncode, ended.stderr) == (-signal.SIGPIPE, b"")


def test_an_access_log_is_a_series(run: Run, table: str, tmp_path: Path) -> None:
    moments = [time.time() - 600 + n // 50 for n in range(5000)]
    lines = [f'{{"msec":"{at:.3f}","uri":"/api/{at}"}}\n' for at in moments]
    (tmp_path / "access.log").write_text("".join(lines[:2500]))
    (tmp_path / "access.log.1").write_text("".join(lines[2500:]) + "damaged\n")
    result = run("--from-access-log", "access.log*", "--table", table, "--format", "json")
    assert result.returncode == 3, result.stderr
    report = json.loads(result.stdout)
    assert report["series"]["routes"] == ["/api/_", "other"]
    assert report["series"]["peak"]["value"] == pytest.approx(50, abs=50)
    repairs = [
        assumption["reason"]
        for assumption in report["assumptions"]
        if assumption["value"] == "repaired"
    ]
    assert repairs == [
        "1 of 5001 lines (0.0%) left out: 1 lines in no known format; the first:"
        ' access.log.1:2501: neither a JSON object nor a line with [time] "request"'
    ]
