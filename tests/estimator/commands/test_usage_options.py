from dataclasses import replace
from pathlib import Path

import pytest

from estimator.commands.usage_options import UsageOptions, read_samples
from estimator.errors import InputError

OPTIONS = UsageOptions("http://127.0.0.1:1", None, "1m", "", "", ())
PERIOD = (0.0, 60.0)
API = {"api": ("app",)}


@pytest.mark.parametrize("prefix", ["", "csv="])
def test_anything_else_is_a_file(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "a=b.csv"
    path.write_text("time,container,cpu,memory\n5,app,1m,1\n")
    usage = read_samples(f"{prefix}{path}", OPTIONS, API, PERIOD)
    assert usage.of("api")["app"].cpu_millicores.tolist() == [1]


@pytest.mark.parametrize("source", ["datadog", "datadog=api"])
def test_datadog_needs_both_keys(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setenv("DD_APP_KEY", "b")
    with pytest.raises(InputError, match="^DD_API_KEY: is not set in the environment"):
        read_samples(source, OPTIONS, API, PERIOD)


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("prometheus=api", "expected prometheus=http://HOST:PORT"),
        ("pid=api:1", "only mirror replay can sample processes"),
        ("prometheus", "--component: name what prometheus is to be asked for"),
    ],
)
def test_unusable_source_is_refused(source: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        read_samples(source, OPTIONS, {}, PERIOD)


def test_rate_window_is_a_duration() -> None:
    with pytest.raises(InputError, match="--rate-window: expected a duration"):
        read_samples("prometheus", replace(OPTIONS, rate_window="soon"), API, PERIOD)


@pytest.mark.parametrize(("hours", "step_s"), [(6, 15), (7, 60)])
def test_long_times_are_sampled_coarsely(hours: int, step_s: int) -> None:
    assert OPTIONS.prometheus_query((0.0, hours * 3600.0)).step_s == step_s


def test_options_are_picked_out_of_those_of_a_command() -> None:
    values = {name: getattr(OPTIONS, name) for name in OPTIONS.__slots__ if name != "no_cache"}
    assert UsageOptions.of(values | {"output": "x"}) == OPTIONS
