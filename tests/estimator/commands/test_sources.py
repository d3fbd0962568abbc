import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest

from estimator.commands.sources import SECTIONS, check_source, read_source, source_of, working
from estimator.errors import InputError
from tests.estimator.series.test_files import SCHEMA

GIVEN: dict[str, Any] = {
    "from_series": None,
    "from_access_log": (),
    "from_datadog": False,
    "from_prometheus": None,
    "route": (),
    "routes": None,
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
    ("given", "by_user", "message"),
    [
        (
            {},
            set(),
            "Give exactly one of --from-series, --from-access-log, --from-datadog, --from-p",
        ),
        ({"from_series": Path("s"), "from_datadog": True}, set(), "Give exactly one of"),
        ({"from_access_log": ("a",), "from_prometheus": "u"}, set(), "Give exactly one of"),
        ({"from_series": Path("s")}, {"env"}, "--env is only with --from-datadog."),
        ({"from_series": Path("s")}, {"since"}, "--since is only with --from-datadog or --from-pr"),
        ({"from_datadog": True}, {"step"}, "--step is only with --from-prometheus."),
        ({"from_datadog": True}, set(), "--from-datadog needs --service"),
        ({"from_datadog": True, "query": "q"}, {"query", "env"}, "--query names its own metric"),
    ],
)
def test_a_source_is_exactly_one(given: dict[str, Any], by_user: set[str], message: str) -> None:
    with pytest.raises(click.UsageError, match="^" + message.replace("(", r"\(")):
        source_of({**GIVEN, **given}, by_user)


def test_keys_and_duration_are_checked_before_anything_is_asked() -> None:
    source = source_of({**GIVEN, "from_datadog": True, "service": "s", "since": "1y"}, set())
    with pytest.raises(InputError) as refused:
        check_source(source)
    places = [problem.source for problem in refused.value.problems]
    assert places == ["--since", "DD_API_KEY", "DD_APP_KEY"]


def test_more_than_datadog_keeps_is_refused() -> None:
    source = source_of({**GIVEN, "from_series": Path("s"), "since": "99w"}, set())
    with pytest.raises(InputError, match="--since: expected at most 450d, got 99w"):
        check_source(source)


def test_a_file_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "series.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            SCHEMA + "INSERT INTO seconds VALUES (5);"
            "INSERT INTO counts VALUES (5, 'requests', '/api/_', 'safe', 300);"
        )
    series = read_source(source_of({**GIVEN, "from_series": path}, {"from_series"}), ())
    assert series.routes == ("/api/_",)
    # Progress is for terminals.
    assert capsys.readouterr().err == ""


def test_work_is_shown_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with working("Reading [red]"):
        pass
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    with working("Reading [red]"):
        pass
    out, err = capsys.readouterr()
    assert out == "" and "Reading [red]" in err
