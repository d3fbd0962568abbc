from pathlib import Path

import pytest

from estimator.commands.usage_options import UsageSource
from estimator.errors import InputError

GIVEN = {
    "prometheus_url": "http://127.0.0.1:1",
    "namespace": None,
    "rate_window": "1m",
    "cpu_query": "",
    "memory_query": "",
    "observed_tags": (),
}
PERIOD = (0.0, 60.0)


def test_anything_else_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("time,container,cpu,memory\n5,app,1m,1\n")
    usage = UsageSource(str(path), GIVEN).read({"api": ("app",)}, PERIOD)
    assert usage.of("api")["app"].cpu_millicores.tolist() == [1]


def test_datadog_needs_both_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DD_APP_KEY", "b")
    with pytest.raises(InputError, match="^DD_API_KEY: is not set in the environment"):
        UsageSource("datadog", GIVEN).read({"api": ("app",)}, PERIOD)


def test_rate_window_is_a_duration() -> None:
    given = GIVEN | {"rate_window": "soon"}
    with pytest.raises(InputError, match="--rate-window: expected a duration"):
        UsageSource("prometheus", given).read({"api": ("app",)}, PERIOD)


@pytest.mark.parametrize(("hours", "step_s"), [(6, 15), (7, 60)])
def test_long_times_are_sampled_coarsely(hours: int, step_s: int) -> None:
    query = UsageSource("prometheus", GIVEN)._prometheus((0.0, hours * 3600.0))
    assert query.step_s == step_s
