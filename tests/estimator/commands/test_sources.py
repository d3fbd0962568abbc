import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import click
import pytest

from estimator.commands.sources import (
    SECTIONS,
    _cache_folder,
    check_source,
    read_source,
    source_of,
)
from estimator.errors import InputError
from estimator.series.rps import RpsSeries
from tests.estimator.series.test_files import SCHEMA
from tests.estimator.series.test_prometheus_api import FakePrometheus

GIVEN: dict[str, Any] = {
    "from_series": (),
    "from_access_log": (),
    "from_datadog": False,
    "from_prometheus": None,
    "route": (),
    "routes": None,
    "format_of": None,
    "fields": None,
    "time_zone": None,
    "jobs": None,
    "dask": None,
    "metric": "mirror.rps",
    "service": None,
    "env": None,
    "tag": (),
    "query": None,
    "since": "7d",
    "site": "datadoghq.com",
    "api_url": None,
    "no_cache": False,
    "promql": "x",
    "step": "1m",
}


def test_every_option_of_a_source_has_its_heading() -> None:
    assert set(SECTIONS) == set(GIVEN)


@pytest.mark.parametrize(
    ("options", "by_user", "message"),
    [
        (
            {},
            set(),
            "Give exactly one of --from-series, --from-access-log, --from-datadog, --from-p",
        ),
        ({"from_series": (Path("s"),), "from_datadog": True}, set(), "Give exactly one of"),
        ({"from_access_log": ("a",), "from_prometheus": "u"}, set(), "Give exactly one of"),
        ({"from_series": (Path("s"),)}, {"env"}, "--env applies only to --from-datadog."),
        (
            {"from_series": (Path("s"),)},
            {"since"},
            "--since applies only to --from-datadog or --from-pr",
        ),
        ({"from_datadog": True}, {"step"}, "--step applies only to --from-prometheus."),
        ({"from_datadog": True}, set(), "--from-datadog needs --service"),
        ({"from_datadog": True, "query": "q"}, {"query", "env"}, "--query names its own metric"),
    ],
)
def test_a_source_is_exactly_one(options: dict[str, Any], by_user: set[str], message: str) -> None:
    with pytest.raises(click.UsageError, match="^" + message.replace("(", r"\(")):
        source_of({**GIVEN, **options}, by_user)


def test_keys_and_duration_are_checked_before_anything_is_asked() -> None:
    source = source_of({**GIVEN, "from_datadog": True, "service": "s", "since": "1y"}, set())
    with pytest.raises(InputError) as refused:
        check_source(source)
    places = [problem.source for problem in refused.value.problems]
    assert places == ["--since", "DD_API_KEY", "DD_APP_KEY"]


def test_more_than_datadog_keeps_is_refused() -> None:
    source = source_of({**GIVEN, "from_series": (Path("s"),), "since": "99w"}, set())
    with pytest.raises(InputError, match="--since: expected at most 450d, got 99w"):
        check_source(source)


def test_a_file_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "series.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            SCHEMA + "INSERT INTO seconds VALUES (5);"
            "INSERT INTO counts VALUES (5, 'requests', '/api/_', 'safe', 300);"
        )
    series = read_source(source_of({**GIVEN, "from_series": (path,)}, {"from_series"}), ())
    assert series.routes == ("/api/_",)
    # Progress is shown on terminals only.
    assert capsys.readouterr().err == ""


def test_files_of_several_hosts_are_added_up(tmp_path: Path) -> None:
    for name, rps in (("a.csv", 3), ("b.csv", 4)):
        (tmp_path / name).write_text(f"second,requests\n1700000000,{rps}\n1700000001,{rps}\n")
    paths = (tmp_path / "a.csv", tmp_path / "b.csv")
    series = read_source(source_of({**GIVEN, "from_series": paths}, {"from_series"}), ())
    assert series.demand(["*"]).tolist() == [7, 7]


def log_line(second: int, path: str) -> str:
    return f'{{"msec":"{second}.000","uri":"{path}"}}\n'


def read_logs(options: dict[str, Any], templates: tuple[str, ...] = ()) -> RpsSeries:
    return read_source(source_of({**GIVEN, **options}, set()), templates)


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "access.log").write_text(log_line(1_700_000_000, "/watch/7"))
    (tmp_path / "access.log.1").write_text(log_line(1_700_000_001, "/api/x"))
    (tmp_path / "odd[1].log").write_text(log_line(1_700_000_002, "/watch/7"))
    return tmp_path


def test_logs_are_named_or_patterns(logs: Path) -> None:
    assert read_logs({"from_access_log": ("access.log*",)}).duration_s == 2
    assert read_logs({"from_access_log": ("odd[1].log", "access.log")}).duration_s == 3
    with pytest.raises(InputError, match=r"^none\*: no such file"):
        read_logs({"from_access_log": ("none*",)})


def test_logs_in_other_forms_take_options(logs: Path) -> None:
    (logs / "own.log").write_text('{"at":"2023-11-15 07:13:20","where":"/watch/7"}\n')
    options = {"from_access_log": ("own.log",), "fields": "time=at,target=where"}
    series = read_logs({**options, "time_zone": "+09:00", "route": ("/watch/{id}",), "jobs": 2})
    assert (series.start, series.rps.tolist()) == (1_700_000_000, [[1], [0]])
    for wrong in ({"fields": "x"}, {"time_zone": "x"}):
        with pytest.raises(InputError, match="--fields or --time-zone: expected"):
            check_source(source_of({**GIVEN, **options, **wrong}, set()))


def test_routes_of_a_log_are_those_of_the_table(logs: Path) -> None:
    options = {"from_access_log": ("access.log*",)}
    series = read_logs(options, ("*", "/watch/{id}", "other", "/watch/{id}"))
    assert series.routes == ("/watch/_id_", "other")
    series = read_logs({**options, "route": ("/api/*",)}, ("/watch/{id}",))
    assert series.routes == ("/api/_", "other")
    (logs / "mirror.yaml").write_text("mode: sink\nroutes: ['/watch/{id}', '/api/*']\n")
    series = read_logs({**options, "routes": Path("mirror.yaml")})
    assert series.routes == ("/watch/_id_", "/api/_", "other")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("routes: /a", "routes: expected a list"),
        ("[]", "routes: expected a list"),
        ("routes: [7]", "routes: expected a list"),
        ("routes: [", "is not YAML: line "),
        ("routes: ['a']", "expected a template that starts with /"),
    ],
)
def test_bad_routes_are_named(logs: Path, text: str, rule: str) -> None:
    (logs / "r.yaml").write_text(text)
    with pytest.raises(InputError, match="^r.yaml: ") as refused:
        read_logs({"from_access_log": ("access.log",), "routes": Path("r.yaml")})
    assert rule in str(refused.value)


def test_answers_are_kept_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _cache_folder() == tmp_path / "kagami" / "datadog"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _cache_folder() == tmp_path / ".cache" / "kagami" / "datadog"


def test_step_of_prometheus_is_checked_before_anything_is_asked() -> None:
    source = source_of({**GIVEN, "from_prometheus": "http://127.0.0.1:1", "step": "2h"}, set())
    with pytest.raises(InputError, match="--step: expected at most 1h, got 2h"):
        check_source(source)


def test_prometheus_is_read_with_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_AUTHORIZATION", "Bearer secret")
    with FakePrometheus() as fake:
        thread = Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        options = {**GIVEN, "from_prometheus": fake.url, "since": "1h", "promql": "x[$window]"}
        series = read_source(source_of(options, set()), ())
        fake.shutdown()
        thread.join(10)
    assert fake.authorizations == ["Bearer secret"]
    assert (series.resolution_s, series.duration_s) == (60, 3600)
